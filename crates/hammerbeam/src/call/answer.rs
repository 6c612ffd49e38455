//! The answer: one allocation shared by a [`Reply`](super::Reply) and the call that waits for it.
//!
//! **Promise.** The value is taken once or dropped once; the waiter is woken once; the allocation is freed by whichever side
//! leaves last.
//! **State.** One byte: `EMPTY` → `WAITING` (a waker is stored) → `TAKING` (the answering side reads the waker) → `DONE` (a value is
//! stored); or `GONE` (nobody waits any more). The waiting side owns the waker unless it is `TAKING`; the value belongs to
//! the answering side before `DONE` and to the waiting side after.
//! **Tested by** its loom model in `crates/hammerbeam-loom`, `tests/calls.rs`, Miri.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::task::Waker;

use super::sync::{AtomicU8, Ordering, UnsafeCell, spin};

const EMPTY: u8 = 0;
const WAITING: u8 = 1;
const TAKING: u8 = 2;
const DONE: u8 = 3;
const GONE: u8 = 4;

struct Shared<T> {
    state: AtomicU8,
    waker: UnsafeCell<Option<Waker>>,
    value: UnsafeCell<Option<T>>,
    question: &'static str,
}

/// The side that answers.
pub(crate) struct Answering<T>(NonNull<Shared<T>>);

/// The side that waits, and the waker that it has left behind.
pub(crate) struct Waiting<T>(NonNull<Shared<T>>, Option<Waker>);

// SAFETY: the protocol hands value and waker over through `state`.
unsafe impl<T: Send> Send for Answering<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Send for Waiting<T> {}
// SAFETY: a shared reference to either side gives no access to what it protects.
unsafe impl<T: Send> Sync for Answering<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for Waiting<T> {}

/// Both sides, and what was asked, for the log. `first` is woken by an answer even if nobody has polled yet.
pub(crate) fn pair<T>(first: Option<Waker>, question: &'static str) -> (Answering<T>, Waiting<T>) {
    let state = if first.is_some() { WAITING } else { EMPTY };
    let shared = NonNull::from(Box::leak(Box::new(Shared {
        state: AtomicU8::new(state),
        waker: UnsafeCell::new(first.clone()),
        value: UnsafeCell::new(None),
        question,
    })));
    (Answering(shared), Waiting(shared, first))
}

impl<T> Answering<T> {
    fn shared(&self) -> &Shared<T> {
        // SAFETY: freed by whichever side leaves last, and this side is still here.
        unsafe { self.0.as_ref() }
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared().state.load(Ordering::Acquire) == GONE
    }

    /// What was asked.
    pub(crate) fn question(&self) -> &'static str {
        self.shared().question
    }

    /// Stores the value and wakes the waiter. Gives the value back if nobody waits.
    pub(crate) fn complete(self, value: T) -> Result<(), T> {
        let this = ManuallyDrop::new(self);
        let shared = this.shared();
        // SAFETY: before `DONE` the value belongs to this side.
        shared.value.with_mut(|slot| unsafe { *slot = Some(value) });
        let mut seen = shared.state.load(Ordering::Acquire);
        loop {
            match seen {
                EMPTY => match shared.state.compare_exchange(
                    EMPTY,
                    DONE,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Ok(()),
                    Err(now) => seen = now,
                },
                WAITING => match shared.state.compare_exchange(
                    WAITING,
                    TAKING,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        // SAFETY: in `TAKING` the waker belongs to this side.
                        let waker = shared.waker.with_mut(|slot| unsafe { (*slot).take() });
                        shared.state.store(DONE, Ordering::Release);
                        if let Some(waker) = waker {
                            // A foreign waker that panics is the caller's fault, and not of the one who answers.
                            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                        }
                        return Ok(());
                    }
                    Err(now) => seen = now,
                },
                _ => {
                    // SAFETY: `GONE`: this side is the last; the value was stored above.
                    let value = shared.value.with_mut(|slot| unsafe { (*slot).take() });
                    // SAFETY: likewise, nobody else has the pointer.
                    drop(unsafe { Box::from_raw(this.0.as_ptr()) });
                    return Err(value.expect("stored above"));
                }
            }
        }
    }
}

impl<T> Waiting<T> {
    fn shared(&self) -> &Shared<T> {
        // SAFETY: freed by whichever side leaves last, and this side is still here.
        unsafe { self.0.as_ref() }
    }

    /// The value, if it is there; else the waker is kept. After a value it finds nothing ever again.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<T> {
        let Self(shared, left) = self;
        // SAFETY: freed by whichever side leaves last, and this side is still here.
        let shared = unsafe { shared.as_ref() };
        let mut seen = shared.state.load(Ordering::Acquire);
        loop {
            match seen {
                EMPTY => {
                    // SAFETY: in `EMPTY` the waker belongs to this side.
                    shared
                        .waker
                        .with_mut(|slot| unsafe { *slot = Some(waker.clone()) });
                    *left = Some(waker.clone());
                    match shared.state.compare_exchange(
                        EMPTY,
                        WAITING,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    ) {
                        Ok(_) => return None,
                        Err(now) => seen = now,
                    }
                }
                WAITING if left.as_ref().is_some_and(|left| left.will_wake(waker)) => return None,
                WAITING => {
                    // Takes the waker back, to leave another.
                    match shared.state.compare_exchange(
                        WAITING,
                        EMPTY,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    ) {
                        Ok(_) => seen = EMPTY,
                        Err(now) => seen = now,
                    }
                }
                TAKING => {
                    // The other side is between two instructions.
                    spin();
                    seen = shared.state.load(Ordering::Acquire);
                }
                // SAFETY: after `DONE` the value belongs to this side.
                _ => return shared.value.with_mut(|slot| unsafe { (*slot).take() }),
            }
        }
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let shared = self.shared();
        let mut seen = shared.state.load(Ordering::Acquire);
        loop {
            match seen {
                EMPTY | WAITING => {
                    // The waker stays where it is: it is freed with the allocation, by the other side.
                    match shared.state.compare_exchange(
                        seen,
                        GONE,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    ) {
                        Ok(_) => return,
                        Err(now) => seen = now,
                    }
                }
                TAKING => {
                    spin();
                    seen = shared.state.load(Ordering::Acquire);
                }
                _ => {
                    // SAFETY: `DONE`: this side is the last.
                    drop(unsafe { Box::from_raw(self.0.as_ptr()) });
                    return;
                }
            }
        }
    }
}
