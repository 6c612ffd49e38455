//! Registration: a socket's place in a reactor, and the [readiness](super::readiness) it has there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::io::driver::Driver;
use crate::process::current;
use crate::process::info::Wait;

pub(crate) use mio::event::Source;

pub(crate) use crate::io::readiness::{
    Direction, READ_CLOSED, READABLE, Readiness, Seen, Ticket, WRITABLE, WRITE_CLOSED,
};

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

    /// The readiness, if the socket is not known to be unready.
    pub(crate) fn ready(&self, direction: Direction) -> Option<Seen> {
        self.readiness.look(direction)
    }

    /// Ready when the socket may be. Of several callers in one direction the last one is woken.
    pub(crate) fn poll_ready(&self, direction: Direction, context: &Context<'_>) -> Poll<Seen> {
        noting_the_wait(self.readiness.look_or_wait(direction, context.waker()))
    }

    /// As [`Registration::poll_ready`], for any number of futures, each with a ticket of its own.
    pub(crate) fn poll_ready_for(
        &self,
        direction: Direction,
        context: &Context<'_>,
        ticket: &mut Ticket,
    ) -> Poll<Seen> {
        noting_the_wait(
            self.readiness
                .look_or_queue(direction, context.waker(), ticket),
        )
    }

    /// The socket turned out not to be ready, unless a newer event came.
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) {
        self.readiness.clear(direction, seen);
    }

    /// An attempt used up what was there: see [`Readiness::used_up`].
    pub(crate) fn used_up(&self, direction: Direction, seen: Seen) {
        self.readiness.used_up(direction, seen);
    }

    /// An attempt before the registration found nothing: the first event will tell more.
    pub(crate) fn clear_fresh(&self, direction: Direction) {
        self.readiness.clear_fresh(direction);
    }
}

/// Says of the running process, where it has to wait, what it waits for.
fn noting_the_wait(seen: Option<Seen>) -> Poll<Seen> {
    match seen {
        Some(seen) => Poll::Ready(seen),
        None => {
            current::with_process(|header| header.wait.store(Wait::IO, Ordering::Relaxed));
            Poll::Pending
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.driver.forget(self.token);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn registration() -> Registration {
        let driver = Arc::new(Driver::new(0).unwrap());
        let (mut one, _other) = mio::net::UnixStream::pair().unwrap();
        driver.register(&mut one).unwrap()
    }

    fn event(registration: &Registration, bits: u32) -> usize {
        let mut woken = Vec::new();
        registration.readiness.event(bits, &mut woken);
        woken.len()
    }

    #[test]
    fn a_fresh_socket_is_worth_a_try_until_one_failed() {
        let registration = registration();
        assert!(registration.ready(Direction::Read).is_some());
        registration.clear_fresh(Direction::Read);
        assert!(registration.ready(Direction::Read).is_none());
        assert!(registration.ready(Direction::Write).is_some());
    }

    #[test]
    fn an_event_that_came_meanwhile_is_not_cleared() {
        let registration = registration();
        let seen = registration.ready(Direction::Read).unwrap();
        event(&registration, READABLE);
        registration.clear(Direction::Read, seen);
        assert!(registration.ready(Direction::Read).is_some());
        registration.clear_fresh(Direction::Read);
        assert!(registration.ready(Direction::Read).is_some());
    }

    #[test]
    fn clearing_one_direction_does_not_keep_the_other_from_being_cleared() {
        let registration = registration();
        let seen = registration.ready(Direction::Read).unwrap();
        registration.clear(Direction::Write, seen);
        registration.clear(Direction::Read, seen);
        assert!(registration.ready(Direction::Read).is_none());
    }

    #[test]
    fn the_end_of_a_stream_outlasts_a_read_that_used_up_the_bytes_before_it() {
        let registration = registration();
        event(&registration, READABLE | READ_CLOSED);
        let seen = registration.ready(Direction::Read).unwrap();
        registration.used_up(Direction::Read, seen);
        assert!(registration.ready(Direction::Read).is_some());
    }

    #[test]
    fn an_event_wakes_every_future_of_its_direction_and_none_that_left() {
        let registration = registration();
        registration.clear_fresh(Direction::Read);
        registration.clear_fresh(Direction::Write);
        let context = Context::from_waker(Waker::noop());
        let mut tickets: [Ticket; 4] = Default::default();
        for (number, ticket) in tickets.iter_mut().enumerate() {
            let direction = if number == 3 {
                Direction::Write
            } else {
                Direction::Read
            };
            assert!(
                registration
                    .poll_ready_for(direction, &context, ticket)
                    .is_pending()
            );
        }
        tickets[0] = Ticket::default();
        assert_eq!(event(&registration, READABLE), 2);
        assert_eq!(event(&registration, WRITABLE), 1);
    }
}
