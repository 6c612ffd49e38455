//! The state of a thread: who may touch its processor.
//!
//! **Promise.** A thread touches what belongs to its processor (idle bit, driver to sleep in) only after it has claimed it by going
//! from `Running` to `Parked`; sysmon takes a processor away only from `Running`. So a thread that lost its processor between two
//! polls cannot clear a bit that its successor has set, which would lose wake-ups.
//! **Tested by** the loom model `handoff`, which compiles this file, and the soak test.

use super::sync::{AtomicU32, Ordering};

/// Has a processor and looks for work or runs it.
const RUNNING: u32 = 0;
/// Has a processor and is about to sleep, or sleeps.
const PARKED: u32 = 1;
/// Was in a poll for too long: its processor was given to another thread.
const DETACHED: u32 = 2;
/// Has no processor and waits for one.
const STANDBY: u32 = 3;
/// Serves the lane for hogs.
const LANE: u32 = 4;

#[derive(Debug)]
pub(crate) struct ThreadState(AtomicU32);

impl ThreadState {
    /// A thread that starts with a processor.
    pub(crate) fn running() -> Self {
        Self(AtomicU32::new(RUNNING))
    }

    /// A thread that starts without a processor.
    pub(crate) fn standing_by() -> Self {
        Self(AtomicU32::new(STANDBY))
    }

    /// A thread that starts in the lane.
    pub(crate) fn lane() -> Self {
        Self(AtomicU32::new(LANE))
    }

    /// The thread claims its processor in order to sleep. False: it has lost it.
    pub(crate) fn try_park(&self) -> bool {
        self.0
            .compare_exchange(RUNNING, PARKED, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// The thread goes on after [`Self::try_park`].
    pub(crate) fn unpark(&self) {
        self.0.store(RUNNING, Ordering::SeqCst);
    }

    /// Sysmon takes the processor away. False: the thread is not running.
    pub(crate) fn try_detach(&self) -> bool {
        self.0
            .compare_exchange(RUNNING, DETACHED, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// A thread that finds itself running also sees which processor it was given.
    pub(crate) fn is_running(&self) -> bool {
        self.0.load(Ordering::Acquire) == RUNNING
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.0.load(Ordering::Relaxed) == DETACHED
    }

    /// A detached thread, or one of the lane, waits for a processor.
    pub(crate) fn stand_by(&self) {
        self.0.store(STANDBY, Ordering::SeqCst);
    }

    /// Whoever took the thread off the list of those standing by gives it a processor.
    pub(crate) fn assign(&self) {
        self.0.store(RUNNING, Ordering::SeqCst);
    }

    /// Likewise, for the lane.
    pub(crate) fn join_lane(&self) {
        self.0.store(LANE, Ordering::SeqCst);
    }

    pub(crate) fn is_standing_by(&self) -> bool {
        self.0.load(Ordering::Acquire) == STANDBY
    }

    pub(crate) fn is_lane(&self) -> bool {
        self.0.load(Ordering::Relaxed) == LANE
    }
}
