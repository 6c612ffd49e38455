//! Readiness of one socket: what the reactor last said, and who waits for it.
//!
//! **Promise.** G20: a readiness that came is never lost: it is cleared only by whoever saw the very event that it then found used up.
//! Everybody who waits for a direction is woken by an event in it.
//! **State.** One word: four bits of readiness below a count of events. For each direction one waker of the `poll_` functions, which
//! keep the last caller's, and a list for the futures, which take themselves out when they are dropped.
//! **Order.** Driver: mark, then take the wakers. Waiter: leave a waker, then look once more. One of them sees the other.
//! The driver's lock on its sources is taken before the lock on the wakers, so no foreign waker is dropped or woken while
//! the latter is held: that could close a socket, and closing takes the former.
//! **Tested by** the loom models `readiness`, which compile this file.

use std::sync::Arc;
use std::task::Waker;

use super::sync::{AtomicU32, Mutex, Ordering};

pub(crate) const READABLE: u32 = 1;
pub(crate) const WRITABLE: u32 = 2;
/// The other side will send no more: reading never blocks again.
pub(crate) const READ_CLOSED: u32 = 4;
/// Nothing can be sent any more: writing never blocks again.
pub(crate) const WRITE_CLOSED: u32 = 8;
const EVENT: u32 = 16;

/// Which way a socket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    const fn ready(self) -> u32 {
        match self {
            Self::Read => READABLE,
            Self::Write => WRITABLE,
        }
    }

    /// All bits that say that an attempt is worth its system call.
    const fn bits(self) -> u32 {
        match self {
            Self::Read => READABLE | READ_CLOSED,
            Self::Write => WRITABLE | WRITE_CLOSED,
        }
    }
}

/// An event count at which a socket was ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen(u32);

/// What a socket is taken for before its first event: whoever wants something tries it.
const FRESH: Seen = Seen(READABLE | WRITABLE);

#[derive(Debug)]
pub(crate) struct Readiness {
    state: AtomicU32,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    polled: [Option<Waker>; 2],
    futures: Vec<Waiter>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    direction: Direction,
    waker: Waker,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            state: AtomicU32::new(FRESH.0),
            waiting: Mutex::default(),
        }
    }
}

impl Readiness {
    /// An event: marks, and moves those who wait for it into `wake`. Called by whoever turns the driver.
    pub(crate) fn event(&self, ready: u32, wake: &mut Vec<Waker>) {
        let mut seen = self.state.load(Ordering::Relaxed);
        while let Err(now) = self.state.compare_exchange_weak(
            seen,
            (seen | ready).wrapping_add(EVENT),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            seen = now;
        }
        let mut waiting = self.waiting.lock();
        for direction in [Direction::Read, Direction::Write] {
            if ready & direction.bits() != 0 {
                wake.extend(waiting.polled[direction as usize].take());
            }
        }
        if !waiting.futures.is_empty() {
            let woken = waiting
                .futures
                .extract_if(.., |waiter| ready & waiter.direction.bits() != 0);
            wake.extend(woken.map(|waiter| waiter.waker));
        }
    }

    /// The readiness, if the socket is not known to be unready.
    pub(crate) fn look(&self, direction: Direction) -> Option<Seen> {
        let state = self.state.load(Ordering::Acquire);
        (state & direction.bits() != 0).then_some(Seen(state))
    }

    /// The same, and if it is not, the waker is kept. Of several callers in one direction the last one is woken.
    pub(crate) fn look_or_wait(&self, direction: Direction, waker: &Waker) -> Option<Seen> {
        if let Some(seen) = self.look(direction) {
            return Some(seen);
        }
        let replaced = {
            let kept = &mut self.waiting.lock().polled[direction as usize];
            match kept {
                Some(kept) if kept.will_wake(waker) => None,
                _ => kept.replace(waker.clone()),
            }
        };
        drop(replaced);
        // An event may have come between the look and the waker.
        self.look(direction)
    }

    /// As [`Readiness::look_or_wait`], for any number of futures, each with a ticket of its own.
    pub(crate) fn look_or_queue(
        self: &Arc<Self>,
        direction: Direction,
        waker: &Waker,
        ticket: &mut Ticket,
    ) -> Option<Seen> {
        if let Some(seen) = self.look(direction) {
            return Some(seen);
        }
        // Most of the time an event took us out of the list, and the waker is the same anyway.
        ticket.leave();
        {
            let mut waiting = self.waiting.lock();
            waiting.tickets = waiting.tickets.wrapping_add(1);
            let number = waiting.tickets;
            waiting.futures.push(Waiter {
                ticket: number,
                direction,
                waker: waker.clone(),
            });
            ticket.place = Some((Arc::clone(self), number));
        }
        self.look(direction)
    }

    /// The socket turned out not to be ready, unless a newer event came.
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) {
        self.take_away(direction.bits(), seen);
    }

    /// An attempt used up what was there: the next one would only find that out with a system call more. The end of the stream
    /// stays, since it does not come a second time.
    pub(crate) fn used_up(&self, direction: Direction, seen: Seen) {
        self.take_away(direction.ready(), seen);
    }

    /// An attempt before the registration found nothing: the first event will tell more.
    pub(crate) fn clear_fresh(&self, direction: Direction) {
        let mut state = self.state.load(Ordering::Acquire);
        while state < EVENT && state & direction.bits() != 0 {
            match self.state.compare_exchange(
                state,
                state & !direction.bits(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
    }

    fn take_away(&self, bits: u32, seen: Seen) {
        let mut state = self.state.load(Ordering::Acquire);
        // The other direction's bits may have changed; a newer event changes the count.
        while state / EVENT == seen.0 / EVENT && state & bits != 0 {
            match self.state.compare_exchange(
                state,
                state & !bits,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
    }
}

/// A future's place among those who wait for a socket; it leaves when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    place: Option<(Arc<Readiness>, u64)>,
}

impl Ticket {
    fn leave(&mut self) {
        if let Some((readiness, ticket)) = self.place.take() {
            let left = {
                let mut waiting = readiness.waiting.lock();
                let index = waiting.futures.iter().position(|w| w.ticket == ticket);
                index.map(|index| waiting.futures.swap_remove(index))
            };
            drop(left);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}
