//! Loom's atomics, for the mailbox word.

pub(crate) use loom::sync::atomic::{AtomicPtr, Ordering};
