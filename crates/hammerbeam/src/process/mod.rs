//! Processes: what they are, how one names them, starts them, talks to them and looks at them.
//!
//! A process is a body (an `async` function), a mailbox and a [`Pid`]. Its memory is its own: messages are moved into it.
//! [`Cx`] is what the body holds to receive, link, monitor and set timers; [`send`], [`call`](crate::call()) and
//! [`exit`](crate::exit) work from anywhere.

mod addr;
pub(crate) mod block;
pub(crate) mod current;
mod cx;
pub(crate) mod exit;
pub(crate) mod extension;
pub mod info;
pub(crate) mod panics;
pub(crate) mod pid;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod spawn;
pub(crate) mod table;
pub(crate) mod waker;

pub use addr::{Addr, Alias, WrongMessageType};
pub use current::self_pid;
pub use cx::Cx;
pub use exit::{Exit, IntoExit, PanicReport, Term};
pub use info::{ProcessInfo, process_info, processes};
pub use pid::Pid;
pub use send::{Dest, SendError, TrySendError, send, try_send};
pub use spawn::{Spawn, SpawnError, Spawned, spawn};
