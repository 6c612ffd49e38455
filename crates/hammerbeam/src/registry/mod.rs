//! Names: finding a process by what it is for.
//!
//! **Promise.** G12: a name belongs to one process of a runtime at a time and is free again before anybody learns of its end.
//! **State.** A map per runtime behind a lock; each process knows its own names, so an end costs one look-up per name.
//! **Tested by** `tests/names.rs`.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::process::{Addr, Pid, current};

/// A name for a process that takes messages of type `M`. A `const`, usable before the process lives and after it was restarted.
///
/// A name means the process that has it in the runtime of the calling thread; outside of a runtime nobody has any.
///
/// In Erlang: `register/2`.
///
/// ```
/// use hammerbeam::{Cx, Exit, Name, Spawn, send};
/// const ECHO: Name<String> = Name::new("echo");
/// hammerbeam::run(async |_cx: Cx<()>| {
///     assert!(send(ECHO, "nobody".into()).is_err());
///     Spawn::new().name(ECHO).start(async |mut cx: Cx<String>| {
///         cx.recv().await;
///     })?;
///     send(ECHO, "hello".into())?;
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub struct Name<M> {
    name: &'static str,
    message: PhantomData<fn(M)>,
}

impl<M> Name<M> {
    /// A name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            message: PhantomData,
        }
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }
}

impl<M: 'static> Name<M> {
    /// The process that has this name now.
    ///
    /// In Erlang: `whereis/1`.
    ///
    /// # Errors
    /// [`NotRegistered`] if nobody has it, or its holder takes messages of another type.
    pub fn whereis(self) -> Result<Addr<M>, NotRegistered> {
        current::with_runtime(|runtime| runtime.names.find(self.name, TypeId::of::<M>()))
            .unwrap_or(None)
            .map(Addr::of)
            .ok_or(NotRegistered {
                name: self.name,
                message: std::any::type_name::<M>(),
            })
    }
}

impl<M> Clone for Name<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Name<M> {}

impl<M> fmt::Debug for Name<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name<{}>({:?})", std::any::type_name::<M>(), self.name)
    }
}

/// Nobody has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no process that takes {message} is registered as {name:?} in this runtime")]
#[non_exhaustive]
pub struct NotRegistered {
    /// The name.
    pub name: &'static str,
    /// The message type it was asked to take.
    pub message: &'static str,
}

/// The name is taken, or the process cannot have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another process has it.
    #[error("the name {name:?} is taken by {holder}")]
    Taken {
        /// The name.
        name: &'static str,
        /// Who has it.
        holder: Pid,
    },
}

/// The names of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<Arc<str>, Holder>>);

#[derive(Debug)]
struct Holder {
    pid: Pid,
    message: TypeId,
    /// A process that is being started has its name and cannot be found by it yet.
    active: bool,
}

impl Names {
    pub(crate) fn find(&self, name: &str, message: TypeId) -> Option<Pid> {
        let names = self.0.read();
        names
            .get(name)
            .filter(|holder| holder.active && holder.message == message)
            .map(|holder| holder.pid)
    }

    /// Takes a name, under which the process is found at once.
    pub(crate) fn register(
        &self,
        name: &'static str,
        pid: Pid,
        message: TypeId,
    ) -> Result<Arc<str>, RegisterError> {
        let shared = self.reserve(name, pid, message)?;
        self.activate(name, pid);
        Ok(shared)
    }

    /// The process can be found by its name from now on.
    pub(crate) fn activate(&self, name: &str, pid: Pid) {
        if let Some(holder) = self.0.write().get_mut(name)
            && holder.pid == pid
        {
            holder.active = true;
        }
    }

    /// Takes a name, under which the process is not found yet.
    pub(crate) fn reserve(
        &self,
        name: &'static str,
        pid: Pid,
        message: TypeId,
    ) -> Result<Arc<str>, RegisterError> {
        let mut names = self.0.write();
        match names.get(name) {
            Some(&Holder { pid: holder, .. }) if holder != pid => {
                Err(RegisterError::Taken { name, holder })
            }
            _ => {
                let shared: Arc<str> = Arc::from(name);
                let active = false;
                let holder = Holder {
                    pid,
                    message,
                    active,
                };
                names.insert(Arc::clone(&shared), holder);
                Ok(shared)
            }
        }
    }

    pub(crate) fn release(&self, name: &str, pid: Pid) {
        let mut names = self.0.write();
        if names.get(name).is_some_and(|holder| holder.pid == pid) {
            names.remove(name);
        }
    }
}
