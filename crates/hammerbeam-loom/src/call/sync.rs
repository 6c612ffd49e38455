//! Loom's primitives, for the reply slot.

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{AtomicU8, Ordering};

pub(crate) fn spin() {
    loom::thread::yield_now();
}
