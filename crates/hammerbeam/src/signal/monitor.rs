//! Monitors: learning of another process' end, without sharing it.
//!
//! **Promise.** G8: each monitor gives exactly one `Down`, also for a process that never existed, unless it is taken back first.
//! **State.** The watcher keeps number, target and mapping; the target keeps number and watcher.

use std::fmt;

use crate::process::{Exit, Pid};

/// A monitor's identity: 24 bytes, `Copy`, unique for ever.
///
/// In Erlang: the reference that `monitor/2` returns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorRef {
    pub(crate) watcher: Pid,
    pub(crate) number: u64,
}

impl fmt::Debug for MonitorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Monitor<{}/{}>", self.watcher, self.number)
    }
}

/// A monitored process ended.
///
/// In Erlang: `{'DOWN', MonitorRef, process, Pid, Reason}`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Down {
    /// What [`crate::Cx::monitor`] returned.
    pub monitor: MonitorRef,
    /// Who ended; none if a name was monitored that nobody had.
    pub pid: Option<Pid>,
    /// Why; [`Exit::NoProc`] if it did not exist when the monitor reached it.
    pub reason: Exit,
}
