//! Readiness of one socket: what the reactor last said, and who waits for it.
//!
//! **Promise.** A readiness that came is never lost: it is cleared only by whoever saw the very event that it then found used up.
//! **State.** One word: four bits of readiness below a count of events. Two wakers, one for each direction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::io::driver::Driver;
use crate::process::current;
use crate::process::info::Wait;

pub(crate) use mio::event::Source;

pub(crate) const READABLE: u32 = 1;
pub(crate) const WRITABLE: u32 = 2;
const EVENT: u32 = 16;

/// Which way a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    const fn bit(self) -> u32 {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }
}

/// An event count at which a socket was ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen(u32);

#[derive(Debug, Default)]
pub(crate) struct Readiness {
    /// Starts as not ready: the first event comes when the socket is registered, if it is ready.
    state: AtomicU32,
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Readiness {
    /// An event: marks and wakes. Called by whoever turns the driver.
    pub(crate) fn event(&self, ready: u32) {
        let mut seen = self.state.load(Ordering::Relaxed);
        while let Err(now) = self.state.compare_exchange_weak(
            seen,
            (seen | ready).wrapping_add(EVENT),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            seen = now;
        }
        let mut wake = [None, None];
        {
            let mut wakers = self.wakers.lock();
            if ready & READABLE != 0 {
                wake[0] = wakers[0].take();
            }
            if ready & WRITABLE != 0 {
                wake[1] = wakers[1].take();
            }
        }
        for waker in wake.into_iter().flatten() {
            waker.wake();
        }
    }
}

/// A socket's place in a reactor; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    readiness: Arc<Readiness>,
    driver: Arc<Driver>,
    token: usize,
}

impl Registration {
    pub(crate) const fn new(readiness: Arc<Readiness>, driver: Arc<Driver>, token: usize) -> Self {
        Self {
            readiness,
            driver,
            token,
        }
    }

    /// Ready when the socket may be.
    pub(crate) fn poll_ready(&self, direction: Direction, context: &Context<'_>) -> Poll<Seen> {
        let state = self.readiness.state.load(Ordering::Acquire);
        if state & direction.bit() != 0 {
            return Poll::Ready(Seen(state));
        }
        {
            let mut wakers = self.readiness.wakers.lock();
            let waker = &mut wakers[usize::from(direction == Direction::Write)];
            if !waker.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
        }
        // An event may have come between the look and the waker.
        let state = self.readiness.state.load(Ordering::Acquire);
        if state & direction.bit() != 0 {
            return Poll::Ready(Seen(state));
        }
        current::with_process(|header| header.wait.store(Wait::IO, Ordering::Relaxed));
        Poll::Pending
    }

    /// The socket turned out not to be ready, unless a newer event came.
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) {
        let _ = self.readiness.state.compare_exchange(
            seen.0,
            seen.0 & !direction.bit(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.driver.forget(self.token);
    }
}
