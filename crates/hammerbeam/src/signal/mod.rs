//! What crosses between processes besides messages: links, monitors, exit signals.
//!
//! **Promise.** G7: a link ends up on both sides or on neither. G8: one exit signal per link, one `Down` per monitor. G9: signals
//! and messages from one process to another arrive in the order in which they were sent.
//! **State.** Each process keeps its own relations; every change at the other end is a signal, handled by the other process
//! itself when it is scheduled, receives, or ends: there is no lock over two processes.
//! **Ends.** A process that ends answers what it has not handled: a link or monitor request with `NoProc`.
//! **Tested by** `tests/links.rs`, `tests/monitors.rs`, `tests/exit_signals.rs`, `tests/races.rs`, `conformance/`.

pub(crate) mod exit;
pub(crate) mod handle;
pub mod link;
pub(crate) mod monitor;

pub use exit::{ExitSignal, exit};
pub use monitor::{Down, MonitorRef};

use crate::process::extension::Ends;
use crate::process::{Exit, Pid};

/// Information from the system that was not mapped into the process' own message type.
///
/// In Erlang: the messages `{'DOWN', …}` and `{'EXIT', …}`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Info {
    /// A monitored process ended, or did not exist.
    Down(Down),
    /// A linked process ended, or somebody asked this one to; only while exits are trapped.
    Exit(ExitSignal),
}

/// A control signal.
pub(crate) enum Signal {
    /// A linked process ended; `ends` as the ended process knew the link.
    LinkExit {
        from: Pid,
        ends: Ends,
        reason: Exit,
    },
    /// Somebody asks this process to end.
    ExitOrder {
        from: Option<Pid>,
        reason: Exit,
    },
    Link {
        from: Pid,
        number: u64,
    },
    Unlink {
        from: Pid,
        ends: Ends,
    },
    Monitor {
        from: Pid,
        number: u64,
    },
    Demonitor {
        from: Pid,
        number: u64,
    },
    Down {
        number: u64,
        pid: Pid,
        reason: Exit,
    },
}
