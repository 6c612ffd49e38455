//! Addresses: a pid with the type of message its process takes.
//!
//! **Promise.** A message of another type never reaches a process: an [`Addr`] is made by its process, or checked against it.

use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::process::{Pid, table};

/// A process that takes messages of type `M`: 16 bytes, `Copy`.
///
/// It names the message type and never the process' own type, so two processes can know each other without a cycle of types.
/// It keeps nothing alive; see [`Pid`].
///
/// ```
/// use hammerbeam::{Addr, Cx, Exit, send, spawn};
/// hammerbeam::run(async |mut cx: Cx<u32>| {
///     let parent: Addr<u32> = cx.addr();
///     spawn(async move |_cx: Cx<()>| send(parent, 42))?;
///     assert_eq!(cx.recv().await, 42);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub struct Addr<M> {
    pid: Pid,
    message: PhantomData<fn(M)>,
}

impl<M> Addr<M> {
    pub(crate) const fn of(pid: Pid) -> Self {
        Self {
            pid,
            message: PhantomData,
        }
    }

    /// The pid, without the message type.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }
}

impl<M: 'static> TryFrom<Pid> for Addr<M> {
    type Error = WrongMessageType;

    /// A checked cast: it fails if the process takes other messages. For a process that has ended it succeeds, since whatever
    /// is sent there is dropped.
    fn try_from(pid: Pid) -> Result<Self, WrongMessageType> {
        let takes = table::inspect(pid, |header| {
            ((header.table.message_type)(), (header.table.message_name)())
        });
        match takes {
            Some((id, takes)) if id != TypeId::of::<M>() => Err(WrongMessageType {
                pid,
                takes,
                asked: std::any::type_name::<M>(),
            }),
            _ => Ok(Self::of(pid)),
        }
    }
}

impl<M> From<Addr<M>> for Pid {
    fn from(addr: Addr<M>) -> Self {
        addr.pid
    }
}

/// A process was asked to take messages of a type that it does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{pid} takes messages of type {takes}, not {asked}")]
#[non_exhaustive]
pub struct WrongMessageType {
    /// The process.
    pub pid: Pid,
    /// The message type it takes.
    pub takes: &'static str,
    /// The message type it was asked to take.
    pub asked: &'static str,
}

/// A second address of a process, that can be taken back: 24 bytes, `Copy`.
///
/// A message sent through it after it ended is dropped at the receiver's door. Made by [`Cx::alias`](crate::Cx::alias).
///
/// In Erlang: `alias/0`.
pub struct Alias<M> {
    pub(crate) pid: Pid,
    pub(crate) number: u64,
    message: PhantomData<fn(M)>,
}

impl<M> Alias<M> {
    pub(crate) const fn new(pid: Pid, number: u64) -> Self {
        Self {
            pid,
            number,
            message: PhantomData,
        }
    }

    /// The process behind it.
    #[must_use]
    pub const fn pid(self) -> Pid {
        self.pid
    }
}

macro_rules! handle_traits {
    ($handle:ident, $format:literal, $($field:ident),+) => {
        impl<M> Clone for $handle<M> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<M> Copy for $handle<M> {}

        impl<M> PartialEq for $handle<M> {
            fn eq(&self, other: &Self) -> bool {
                $(self.$field == other.$field)&&+
            }
        }

        impl<M> Eq for $handle<M> {}

        impl<M> Hash for $handle<M> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                $(self.$field.hash(state);)+
            }
        }

        impl<M> fmt::Debug for $handle<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, std::any::type_name::<M>(), $(self.$field),+)
            }
        }
    };
}

handle_traits!(Addr, "Addr<{}>({})", pid);
handle_traits!(Alias, "Alias<{}>({}/{})", pid, number);
