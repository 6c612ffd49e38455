//! The primitives of [`readiness`](super::readiness): the real ones here, loom's in the models (`crates/hammerbeam-loom`).

pub(crate) use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use parking_lot::Mutex;
