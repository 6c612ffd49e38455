//! Loom's primitives, for readiness.

use std::ops::DerefMut;

pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};

/// Loom's mutex with the interface of parking_lot's, which is never poisoned.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> impl DerefMut<Target = T> {
        self.0.lock().unwrap()
    }
}
