//! The next slot: the process just woken by the one that runs, to run right after it.
//!
//! It keeps a conversation on one core. Only its thread puts in; taking out is an exchange, so that sysmon can rescue a process
//! from behind one that does not yield.
//!
//! **Promise.** What is put in is taken out once.
//! **Tested by** the loom model `next`, which compiles this file.

use core::ptr::{self, NonNull};

use super::sync::{AtomicPtr, Ordering};

#[derive(Debug)]
pub(crate) struct NextSlot<T>(AtomicPtr<T>);

impl<T> NextSlot<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts one in, and gives out the one that was there. Only for the slot's own thread.
    pub(crate) fn put(&self, item: NonNull<T>) -> Option<NonNull<T>> {
        if self.0.load(Ordering::Relaxed).is_null() {
            // Nobody else puts in, so it stays empty.
            self.0.store(item.as_ptr(), Ordering::Release);
            return None;
        }
        NonNull::new(self.0.swap(item.as_ptr(), Ordering::AcqRel))
    }

    /// Takes it out, from any thread.
    pub(crate) fn take(&self) -> Option<NonNull<T>> {
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Some(item) = NonNull::new(seen) {
            let null = ptr::null_mut();
            match self
                .0
                .compare_exchange(seen, null, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Some(item),
                Err(now) => seen = now,
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }
}
