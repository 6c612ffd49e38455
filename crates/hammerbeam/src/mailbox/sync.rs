//! The atomics of the mailbox word: the standard library's here, loom's in the models (`crates/hammerbeam-loom`).

pub(crate) use std::sync::atomic::{AtomicPtr, Ordering};
