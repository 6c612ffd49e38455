//! The primitives of [`answer`](super::answer): the standard library's here, loom's in the models.

pub(crate) use std::sync::atomic::{AtomicU8, Ordering};

/// `std::cell::UnsafeCell` with loom's interface.
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Waits a moment for another thread that is between two instructions.
pub(crate) fn spin() {
    std::thread::yield_now();
}
