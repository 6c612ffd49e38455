//! Looking at processes from outside.
//!
//! **Promise.** Every process, also one that computes for ever or blocks its thread, can be looked at: nothing here asks it.
//! **Not promised.** A consistent picture: the process goes on while it is looked at.
//! **Tested by** `tests/process_info.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::process::block::Header;
use crate::process::{Pid, current, table};
use crate::runtime::Shared;

/// What a body waits for, as a number in the header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait;

impl Wait {
    pub(crate) const RECEIVE: u8 = 1;
    pub(crate) const CALL: u8 = 2;
    pub(crate) const SLEEP: u8 = 3;
    pub(crate) const IO: u8 = 4;
}

/// What a process is doing.
///
/// In Erlang: the items `status` and `current_function` of `process_info/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Queued or running.
    Runnable,
    /// Waits for a message.
    Receiving,
    /// Waits for the answer to a call.
    Calling {
        /// Whom it called, unless that changes right now.
        callee: Option<Pid>,
    },
    /// Sleeps.
    Sleeping,
    /// Waits for a socket.
    Io,
    /// Waits for something that is not hammerbeam's.
    Waiting,
}

/// A picture of a process.
///
/// In Erlang: `process_info/1`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// What it does now.
    pub state: State,
    /// Messages in its mailbox. Beyond 65,535 that the process has not looked at it says 65,535 and those it has looked at.
    pub mailbox: usize,
    /// Its registered names.
    pub names: Vec<Arc<str>>,
    /// Its label.
    pub label: Option<Arc<str>>,
    /// The process that started it, if it was linked to it or the start was given a name or a label.
    pub parent: Option<Pid>,
    /// The processes it is linked to.
    pub links: Vec<Pid>,
    /// The processes it monitors, once for each monitor.
    pub monitors: Vec<Pid>,
    /// The processes that monitor it, once for each monitor.
    pub monitored_by: Vec<Pid>,
    /// Work done so far, in reductions; of the poll that goes on nothing is counted yet.
    pub reductions: u64,
    /// Time since it was started, to a tenth of a second.
    pub age: Duration,
    /// Whether it runs in the lane for processes that do not yield.
    pub hog: bool,
    /// The type of its messages.
    pub message: &'static str,
    /// The type of its body.
    pub body: &'static str,
}

/// A picture of a process; none if it has ended.
///
/// In Erlang: `process_info/1`.
///
/// ```
/// use hammerbeam::{Cx, process_info};
/// hammerbeam::run(async |mut cx: Cx<()>| {
///     cx.set_label("the first");
///     let info = process_info(cx.pid()).unwrap();
///     assert_eq!(info.label.as_deref(), Some("the first"));
/// })
/// .unwrap();
/// ```
#[must_use]
pub fn process_info(pid: Pid) -> Option<ProcessInfo> {
    table::inspect(pid, |header| {
        // SAFETY-free: the runtime outlives its processes, and this one is pinned.
        let now = crate::runtime::of(header).age();
        let mut info = ProcessInfo {
            pid,
            state: state(header),
            mailbox: header.slot.queue_length(),
            names: Vec::new(),
            label: None,
            parent: None,
            links: Vec::new(),
            monitors: Vec::new(),
            monitored_by: Vec::new(),
            reductions: header.reductions.load(Ordering::Relaxed),
            age: Duration::from_millis(u64::from(now.saturating_sub(header.started)) * 100),
            hog: header.in_hog_lane.load(Ordering::Relaxed),
            message: (header.table.message_name)(),
            body: (header.table.body_name)(),
        };
        if let Some(extension) = header.extension() {
            info.mailbox += extension.told.load(Ordering::Relaxed) as usize;
            let relations = extension.relations.lock();
            info.names.clone_from(&relations.names);
            info.label.clone_from(&relations.label);
            info.parent = relations.parent;
            info.links = relations.links.keys().copied().collect();
            info.monitors = relations.watching.values().map(|w| w.target).collect();
            info.monitored_by = relations.watchers.keys().map(|(_, pid)| *pid).collect();
        }
        info
    })
}

fn state(header: &Header) -> State {
    if header.slot.word.is_awake() {
        return State::Runnable;
    }
    match header.wait.load(Ordering::Relaxed) {
        Wait::RECEIVE => State::Receiving,
        Wait::CALL => State::Calling {
            callee: header.extension().and_then(|e| e.called()),
        },
        Wait::SLEEP => State::Sleeping,
        Wait::IO => State::Io,
        _ => State::Waiting,
    }
}

/// The pids of all processes of this thread's runtime; none outside of one.
///
/// In Erlang: `processes/0`.
#[must_use]
pub fn processes() -> Vec<Pid> {
    current::with_runtime(processes_of).unwrap_or_default()
}

pub(crate) fn processes_of(runtime: &Shared) -> Vec<Pid> {
    let mine = |pid: &Pid| {
        table::inspect(*pid, |header| {
            std::ptr::eq(header.runtime.as_ptr(), runtime)
        })
        .unwrap_or(false)
    };
    table::pids().into_iter().filter(mine).collect()
}
