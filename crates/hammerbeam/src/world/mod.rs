//! The world: the one seam for everything that is not a pure function.
//!
//! Which process runs next, what time it is, when a timer fires, what is random, when a socket is ready: the rest of the crate
//! asks a `World`, chosen when a runtime starts, and nothing else. `Threads` is the real one,
//! [`Deterministic`](deterministic::Deterministic) a single-threaded one with virtual time and a seeded order.

pub mod deterministic;
#[cfg(test)]
mod life;

use std::io;

use crate::io::registration::{Registration, Source};
use crate::process::block::Runnable;
use crate::time::{Action, TimerKey};

/// A random number from the world of the calling thread's runtime: drawn from the seed in a deterministic one. Not for secrets.
///
/// In Erlang: `rand:uniform/1`.
///
/// ```
/// use hammerbeam::Cx;
/// use hammerbeam::world::{deterministic::Deterministic, random};
/// let draw = |seed| Deterministic::new(seed).run(async |_: Cx<()>| random()).unwrap();
/// assert_eq!(draw(1), draw(1));
/// assert_ne!(draw(1), draw(2));
/// ```
#[must_use]
pub fn random() -> u64 {
    crate::process::current::with_runtime(|runtime| runtime.world.random())
        .unwrap_or_else(crate::scheduler::worker::random)
}

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

    /// As `now`, a little behind, and as cheap as a load. Never behind a timer that has fired.
    fn coarse_now(&self) -> u64;

    /// The time from which a long limit is measured: never behind `now`, and ahead of it by some milliseconds at most.
    fn limit_base(&self) -> u64 {
        self.now()
    }

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
