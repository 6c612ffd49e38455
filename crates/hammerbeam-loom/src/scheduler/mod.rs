//! Who sleeps, who has a processor, what runs next.
//!
//! The loops of `scheduler/{worker,sysmon}.rs` are copied in short: queues, sockets and threads cannot be compiled for loom.

#[path = "../../../hammerbeam/src/scheduler/idle.rs"]
#[allow(dead_code)]
mod idle;
#[path = "../../../hammerbeam/src/scheduler/next_slot.rs"]
#[allow(dead_code)]
mod next_slot;
#[path = "../../../hammerbeam/src/scheduler/state.rs"]
#[allow(dead_code)]
mod state;
mod sync;

mod handoff;
mod next;
mod sleeping;

use loom::sync::atomic::{AtomicUsize, Ordering};

/// A queue of which only the length matters. Its orderings are the weakest that a real one needs: a push releases, a take and a
/// look acquire.
#[derive(Debug)]
struct Queue(AtomicUsize);

impl Queue {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn push(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    fn take(&self) -> bool {
        let mut length = self.0.load(Ordering::Acquire);
        while length > 0 {
            match self
                .0
                .compare_exchange(length, length - 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => length = now,
            }
        }
        false
    }
}
