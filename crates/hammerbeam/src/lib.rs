//! Processes with the guarantees of Erlang's BEAM, at native speed.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod call;
pub mod io;
pub mod mailbox;
pub mod process;
pub mod registry;
pub mod runtime;
mod scheduler;
pub mod signal;
pub mod time;
pub mod world;

pub use call::{CallError, PendingCall, Reply, call};
pub use mailbox::{MailboxLimit, OnFull, Received};
pub use process::{
    Addr, Alias, Cx, Dest, Exit, Pid, ProcessInfo, Spawn, SpawnError, TrySendError, process_info,
    processes, self_pid, send, spawn, try_send,
};
pub use registry::Name;
pub use runtime::{Runtime, run};
pub use signal::{Down, ExitSignal, Info, MonitorRef, exit};
