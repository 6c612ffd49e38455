//! The readiness of a socket.

#[path = "../../../hammerbeam/src/io/readiness.rs"]
#[allow(dead_code)]
mod readiness;
mod sync;

use std::sync::Arc;
use std::task::Waker;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use self::readiness::{Direction, READABLE, Readiness, Seen, Ticket, WRITABLE};
use crate::model::{Parker, check, parker};

/// A socket with so many bytes to read; the kernel reports an event for each.
struct Socket {
    readiness: Arc<Readiness>,
    bytes: AtomicUsize,
}

impl Socket {
    fn new() -> Arc<Self> {
        let readiness = Arc::new(Readiness::default());
        readiness.clear_fresh(Direction::Read);
        readiness.clear_fresh(Direction::Write);
        Arc::new(Self {
            readiness,
            bytes: AtomicUsize::new(0),
        })
    }

    /// A byte arrives, and whoever turns the driver tells.
    fn arrive(&self) {
        self.bytes.fetch_add(1, Ordering::Release);
        self.event(READABLE);
    }

    fn event(&self, bits: u32) {
        let mut wake = Vec::new();
        self.readiness.event(bits, &mut wake);
        wake.into_iter().for_each(Waker::wake);
    }

    /// The system call.
    fn read(&self) -> bool {
        let mut bytes = self.bytes.load(Ordering::Acquire);
        while bytes > 0 {
            match self
                .bytes
                .compare_exchange(bytes, bytes - 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => bytes = now,
            }
        }
        false
    }

    /// Reads a byte, waiting as a process does.
    fn read_or_wait(&self, parker: &Parker, mut look: impl FnMut() -> Option<Seen>) {
        loop {
            match look() {
                Some(_) if self.read() => return,
                Some(seen) => self.readiness.clear(Direction::Read, seen),
                None => parker.park(),
            }
        }
    }
}

#[test]
fn a_reader_that_waits_gets_every_byte() {
    check(3, || {
        let socket = Socket::new();
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                socket.arrive();
                socket.arrive();
            })
        };
        let (parker, waker) = parker();
        for _ in 0..2 {
            socket.read_or_wait(&parker, || {
                socket.readiness.look_or_wait(Direction::Read, &waker)
            });
        }
        driver.join().unwrap();
    });
}

/// A processor that changes hands, or sysmon's help, means that two threads turn one driver, one after the other or nearly so.
#[test]
fn two_threads_that_turn_the_driver_wake_the_reader() {
    check(3, || {
        let socket = Socket::new();
        let drivers: Vec<_> = (0..2)
            .map(|_| {
                let socket = Arc::clone(&socket);
                thread::spawn(move || socket.arrive())
            })
            .collect();
        let (parker, waker) = parker();
        for _ in 0..2 {
            socket.read_or_wait(&parker, || {
                socket.readiness.look_or_wait(Direction::Read, &waker)
            });
        }
        for driver in drivers {
            driver.join().unwrap();
        }
    });
}

#[test]
fn two_futures_that_read_are_both_woken() {
    check(2, || {
        let socket = Socket::new();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let socket = Arc::clone(&socket);
                thread::spawn(move || {
                    let (parker, waker) = parker();
                    let mut ticket = Ticket::default();
                    let mut look = || {
                        let readiness = &socket.readiness;
                        readiness.look_or_queue(Direction::Read, &waker, &mut ticket)
                    };
                    socket.read_or_wait(&parker, &mut look);
                })
            })
            .collect();
        socket.arrive();
        socket.arrive();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// A future that is dropped while an event is under way takes its place with it, and nobody else's.
#[test]
fn a_reader_that_leaves_harms_no_other() {
    check(3, || {
        let socket = Socket::new();
        let leaves = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                let (_parker, waker) = parker();
                let mut ticket = Ticket::default();
                let readiness = &socket.readiness;
                let _ = readiness.look_or_queue(Direction::Read, &waker, &mut ticket);
            })
        };
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.arrive())
        };
        let (parker, waker) = parker();
        let mut ticket = Ticket::default();
        socket.read_or_wait(&parker, || {
            let readiness = &socket.readiness;
            readiness.look_or_queue(Direction::Read, &waker, &mut ticket)
        });
        leaves.join().unwrap();
        driver.join().unwrap();
    });
}

#[test]
fn clearing_one_direction_keeps_the_other() {
    check(3, || {
        let socket = Socket::new();
        socket.event(READABLE | WRITABLE);
        let reader = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                if let Some(seen) = socket.readiness.look(Direction::Read) {
                    socket.readiness.clear(Direction::Read, seen);
                }
            })
        };
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.event(WRITABLE))
        };
        let (parker, waker) = parker();
        let seen = socket.readiness.look(Direction::Write).expect("an event");
        socket.readiness.used_up(Direction::Write, seen);
        // The driver's event may have come before or after; it is never lost.
        while socket
            .readiness
            .look_or_wait(Direction::Write, &waker)
            .is_none()
        {
            parker.park();
        }
        reader.join().unwrap();
        driver.join().unwrap();
    });
}

/// Must fail: what was seen *after* the attempt may be an event that the attempt did not know.
#[test]
#[should_panic(expected = "deadlock")]
fn a_reader_that_clears_what_it_saw_after_its_attempt_loses_an_event() {
    check(2, || {
        let socket = Socket::new();
        // Told of something that is gone by now.
        socket.event(READABLE);
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.arrive())
        };
        let (parker, waker) = parker();
        while !socket.read() {
            if let Some(seen) = socket.readiness.look(Direction::Read) {
                socket.readiness.clear(Direction::Read, seen);
            }
            while socket
                .readiness
                .look_or_wait(Direction::Read, &waker)
                .is_none()
            {
                parker.park();
            }
        }
        driver.join().unwrap();
    });
}
