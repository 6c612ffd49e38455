//! The world: the one seam for everything that is not a pure function.
//!
//! Which process runs next, what time it is, when a timer fires, what is random, when a socket is ready: the rest of the crate
//! asks a [`World`], chosen when a runtime starts, and nothing else. [`Threads`](crate::scheduler::Threads) is the real one,
//! [`Deterministic`](deterministic::Deterministic) a single-threaded one with virtual time and a seeded order.

pub mod deterministic;

use std::io;

use crate::io::registration::{Registration, Source};
use crate::process::block::Runnable;
use crate::time::{Action, TimerKey};

/// What a runtime asks of the world it lives in.
pub(crate) trait World: Send + Sync {
    /// Queues a process that was woken.
    fn schedule(&self, process: Runnable);

    /// Queues a process that was just started. The caller keeps the world meanwhile.
    fn start(&self, process: Runnable) {
        self.schedule(process);
    }

    /// Counts a process that starts (1) or ended (-1), if this thread is one of the world's own, which count without an exchange;
    /// returns this thread's count.
    fn count(&self, change: isize) -> Option<isize>;

    /// The sum of what was counted.
    fn counted(&self) -> isize;

    /// Nanoseconds since the runtime started.
    fn now(&self) -> u64;

    /// As `now`, at most a millisecond or so old, and as cheap as a load. Never behind a timer that has fired.
    fn coarse_now(&self) -> u64;

    /// Sets a timer.
    fn set_timer(&self, at: u64, action: Action) -> TimerKey;

    /// Cancels a timer; its deadline, unless it has fired.
    fn cancel_timer(&self, key: TimerKey) -> Option<u64>;

    /// A random number.
    fn random(&self) -> u64;

    /// Whether there are sockets, so that one is refused before it does anything.
    fn sockets(&self) -> io::Result<()> {
        Ok(())
    }

    /// Watches a socket's readiness.
    fn register(&self, source: &mut dyn Source) -> io::Result<Registration>;
}
