//! Sending: telling a process something, without waiting.
//!
//! **Promise.** G9: messages from one process to another arrive in the order in which they were sent. A send never waits and
//! never fails because of the receiver, as on the BEAM; [`try_send`] says what became of the message.

use crate::mailbox::deliver::{self, Undelivered};
use crate::process::{Addr, Alias, Pid};
use crate::registry::{Name, NotRegistered};

mod sealed {
    #[allow(unnameable_types, reason = "that is what seals")]
    pub trait Sealed {}
    impl<M> Sealed for crate::process::Addr<M> {}
    impl<M> Sealed for crate::process::Alias<M> {}
    impl<M> Sealed for crate::registry::Name<M> {}
}

/// Where a message of type `M` can be sent: an [`Addr`], an [`Alias`] or a [`Name`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take messages of type `{M}`",
    note = "send to an `Addr<{M}>`, an `Alias<{M}>` or a `Name<{M}>`"
)]
pub trait Dest<M>: sealed::Sealed + Copy {
    /// What [`send`] returns: nothing for an address, and for a name whether somebody has it.
    type Sent;

    #[doc(hidden)]
    fn resolve(self) -> Result<Pid, NotRegistered>;
    #[doc(hidden)]
    fn tell(self, message: M) -> Self::Sent;
    #[doc(hidden)]
    fn try_tell(self, message: M) -> Result<(), TrySendError<M>>;
    #[doc(hidden)]
    fn registered_name(self) -> Option<&'static str> {
        None
    }
}

impl<M: Send + 'static> Dest<M> for Addr<M> {
    type Sent = ();

    fn resolve(self) -> Result<Pid, NotRegistered> {
        Ok(self.pid())
    }

    fn tell(self, message: M) {
        drop(deliver::message(self.pid(), message));
    }

    fn try_tell(self, message: M) -> Result<(), TrySendError<M>> {
        refused(deliver::message(self.pid(), message))
    }
}

impl<M: Send + 'static> Dest<M> for Alias<M> {
    type Sent = ();

    fn resolve(self) -> Result<Pid, NotRegistered> {
        Ok(self.pid())
    }

    fn tell(self, message: M) {
        drop(deliver::aliased(self.pid, self.number, message));
    }

    fn try_tell(self, message: M) -> Result<(), TrySendError<M>> {
        refused(deliver::aliased(self.pid, self.number, message))
    }
}

impl<M: Send + 'static> Dest<M> for Name<M> {
    type Sent = Result<(), SendError>;

    fn resolve(self) -> Result<Pid, NotRegistered> {
        self.whereis().map(Addr::pid)
    }

    fn tell(self, message: M) -> Result<(), SendError> {
        self.whereis()?.tell(message);
        Ok(())
    }

    fn try_tell(self, message: M) -> Result<(), TrySendError<M>> {
        match self.whereis() {
            Ok(addr) => addr.try_tell(message),
            Err(error) => Err(TrySendError::NotRegistered(error, message)),
        }
    }

    fn registered_name(self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

fn refused<M>(delivered: Result<(), (Undelivered, M)>) -> Result<(), TrySendError<M>> {
    use crate::mailbox::OnFull;
    match delivered {
        Ok(()) => Ok(()),
        Err((Undelivered::NoProc, message)) => Err(TrySendError::NoProc(message)),
        Err((Undelivered::Full(OnFull::DropNewest), _)) => Ok(()),
        Err((Undelivered::Full(_), message)) => Err(TrySendError::Full(message)),
    }
}

/// Sends a message. It never waits.
///
/// To an [`Addr`] or [`Alias`] it returns nothing: a message to a process that has ended, or beyond a mailbox limit, is dropped in
/// silence. To a [`Name`] it says whether somebody has that name.
///
/// Sending costs reductions, and the more the longer the receiver's queue is; a loop that only sends should
/// [`step`](crate::Cx::step) now and then, so that it gives way when they are spent.
///
/// In Erlang: `!`.
///
/// # Errors
/// To a name only: [`SendError`] if nobody has it, or its holder takes other messages.
///
/// ```
/// use hammerbeam::{Cx, send};
/// hammerbeam::run(async |mut cx: Cx<&'static str>| {
///     send(cx.addr(), "hello");
///     assert_eq!(cx.recv().await, "hello");
/// })
/// .unwrap();
/// ```
pub fn send<M, D: Dest<M>>(dest: D, message: M) -> D::Sent {
    dest.tell(message)
}

/// Sends a message and says what became of it. It never waits.
///
/// # Errors
/// [`TrySendError`], with the message: the process has ended, the name is free, or the mailbox is full and refuses.
///
/// ```
/// use hammerbeam::{Cx, Exit, MailboxLimit, OnFull, Spawn, TrySendError, try_send};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let limit = MailboxLimit::new(1, OnFull::Refuse).unwrap();
///     let busy = Spawn::new()
///         .mailbox_limit(limit)
///         .start(async |mut cx: Cx<u8>| loop {
///             hammerbeam::receive! { &mut cx; 0 => return }
///         })?
///         .addr;
///     try_send(busy, 1).unwrap();
///     assert!(matches!(try_send(busy, 2), Err(TrySendError::Full(2))));
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub fn try_send<M, D: Dest<M>>(dest: D, message: M) -> Result<(), TrySendError<M>> {
    dest.try_tell(message)
}

/// A send to a name failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody of that message type has the name.
    #[error("not sent: {0}")]
    NotRegistered(#[from] NotRegistered),
}

/// A message was not sent; it comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError<M> {
    /// The process has ended.
    #[error("not sent: the process has ended")]
    NoProc(M),
    /// Its mailbox is full.
    #[error("not sent: the mailbox is full")]
    Full(M),
    /// Nobody of that message type has the name.
    #[error("not sent: {0}")]
    NotRegistered(NotRegistered, M),
}

impl<M> std::fmt::Debug for TrySendError<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoProc(_) => "NoProc(..)",
            Self::Full(_) => "Full(..)",
            Self::NotRegistered(..) => "NotRegistered(..)",
        })
    }
}

impl<M> TrySendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::NoProc(message) | Self::Full(message) | Self::NotRegistered(_, message) => {
                message
            }
        }
    }
}
