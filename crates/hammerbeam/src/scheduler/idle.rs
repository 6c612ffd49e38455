//! Who sleeps, and whom to wake when there is work.
//!
//! **Promise.** Work that was queued before [`IdleSet::notify`] is found: by a searcher, by a worker that is about to sleep and looks
//! once more, or by the one that is woken.
//! **Order.** Producer: queue, fence, look for searchers and sleepers. Sleeper: announce itself, stop searching, fence, look at all
//! queues once more. One of them sees the other.
//! **Tested by** the loom models `sleeping`, which compile this file.

use super::sync::{AtomicU64, AtomicUsize, Ordering, fence};

#[derive(Debug)]
pub(crate) struct IdleSet {
    /// A bit per processor whose thread sleeps or is about to.
    sleeping: AtomicU64,
    /// Threads that were woken to look for work and have not found any yet.
    searching: AtomicUsize,
}

impl IdleSet {
    pub(crate) fn new() -> Self {
        Self {
            sleeping: AtomicU64::new(0),
            searching: AtomicUsize::new(0),
        }
    }

    /// After something was queued: the processor whose thread the caller must wake, if any. It wakes as a searcher.
    pub(crate) fn notify(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::SeqCst) > 0 {
            return None;
        }
        loop {
            let sleeping = self.sleeping.load(Ordering::SeqCst);
            if sleeping == 0 {
                return None;
            }
            let bit = sleeping & sleeping.wrapping_neg();
            // Counted before the bit is cleared: a second producer sees a searcher or a sleeper, never neither.
            self.searching.fetch_add(1, Ordering::SeqCst);
            if self.sleeping.fetch_and(!bit, Ordering::SeqCst) & bit != 0 {
                return Some(bit.trailing_zeros() as usize);
            }
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A thread that has claimed its processor is about to sleep; it must then look at all queues once more.
    pub(crate) fn going_to_sleep(&self, processor: usize, was_searching: bool) {
        self.sleeping.fetch_or(1 << processor, Ordering::SeqCst);
        if was_searching {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
    }

    /// The thread is awake again. True: it was woken by [`Self::notify`] and counts as a searcher.
    pub(crate) fn awake(&self, processor: usize) -> bool {
        let bit = 1 << processor;
        self.sleeping.fetch_and(!bit, Ordering::SeqCst) & bit == 0
    }

    /// A searcher found work. True: it was the last one and must look at all queues, and [`notify`](Self::notify) if there is more:
    /// whoever queued it meanwhile relied on the searcher.
    pub(crate) fn found_work(&self) -> bool {
        let last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        fence(Ordering::SeqCst);
        last
    }

    /// Whether anybody seems to sleep; a hint.
    pub(crate) fn somebody_sleeps(&self) -> bool {
        self.sleeping.load(Ordering::Relaxed) != 0
    }

    /// Whether all of `processors` sleep.
    pub(crate) fn all_sleep(&self, processors: usize) -> bool {
        self.sleeping.load(Ordering::Relaxed).count_ones() as usize == processors
    }
}
