//! What the models share: how far they look, a sleeping thread, a waker that is one.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::alloc::Track;
use loom::sync::{Condvar, Mutex};

/// Runs a model with every interleaving of at most so many preemptions.
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Where a thread sleeps until it is woken; a wake-up that comes early is kept, as in an eventfd.
#[derive(Debug)]
pub(crate) struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
    _leak_check: Track<()>,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            woken: Mutex::new(false),
            changed: Condvar::new(),
            _leak_check: Track::new(()),
        }
    }

    pub(crate) fn unpark(&self) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }

    pub(crate) fn park(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}

/// A parker and the waker that ends its sleep.
pub(crate) fn parker() -> (Arc<Parker>, Waker) {
    let parker = Arc::new(Parker::new());
    (Arc::clone(&parker), Waker::from(parker))
}
