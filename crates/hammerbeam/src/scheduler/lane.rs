//! The lane for hogs: processes that were caught not yielding run here, on threads of their own, until they behave.
//!
//! The BEAM's dirty schedulers, chosen automatically: without it every burst of such a process would stall a worker for the
//! hand-off's threshold again.
//!
//! **Promise.** A hog runs in turn with the other hogs, and beside everybody else. As many threads serve the lane as there are
//! workers; when none of them gets on, sysmon adds one, up to the runtime's limit.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use crate::process::block::Runnable;

/// Polls that a process caught in a hand-off spends in the lane before it may come back.
pub(crate) const CAUGHT: u8 = 50;
/// The same for one that was found blocked, and for one whose poll took longer than it should.
pub(crate) const SLOW: u8 = 8;

#[derive(Default)]
struct State {
    queue: VecDeque<Runnable>,
    idle: usize,
    threads: usize,
    closed: bool,
    /// Polls that were started, for sysmon.
    taken: u64,
}

#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    work: Condvar,
}

/// What a push found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Yes,
    /// All threads of the lane are busy; sysmon must see to it that one of them gets on.
    Busy,
    /// Fewer threads serve the lane than should, and all are busy.
    NeedsThread,
}

impl Lane {
    pub(crate) fn push(&self, process: Runnable, wanted: usize) -> Served {
        let mut state = self.state.lock();
        state.queue.push_back(process);
        if state.idle > 0 {
            self.work.notify_one();
            Served::Yes
        } else if state.threads < wanted {
            Served::NeedsThread
        } else {
            Served::Busy
        }
    }

    /// A thread begins to serve, unless there are `most` already.
    pub(crate) fn join(&self, most: usize) -> bool {
        let mut state = self.state.lock();
        let joins = state.threads < most && !state.closed;
        state.threads += usize::from(joins);
        joins
    }

    /// A thread that counted as serving does not, after all.
    pub(crate) fn leave(&self) {
        self.state.lock().threads -= 1;
    }

    /// The next process; waits for one. None: the lane is closed.
    pub(crate) fn take(&self) -> Option<Runnable> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(process) = state.queue.pop_front() {
                state.taken += 1;
                return Some(process);
            }
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// For sysmon: processes waiting, threads idle, polls started so far.
    pub(crate) fn progress(&self) -> (usize, usize, u64) {
        let state = self.state.lock();
        (state.queue.len(), state.idle, state.taken)
    }

    /// Whether nothing waits and nothing runs here.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.idle == state.threads
    }

    pub(crate) fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// Lets all threads go. What is queued is handed back.
    pub(crate) fn close(&self) -> VecDeque<Runnable> {
        let mut state = self.state.lock();
        state.closed = true;
        self.work.notify_all();
        std::mem::take(&mut state.queue)
    }
}
