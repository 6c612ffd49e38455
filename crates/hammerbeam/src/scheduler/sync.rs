//! The atomics of the scheduler's protocols: the standard library's here, loom's in the models (`crates/hammerbeam-loom`).

pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
