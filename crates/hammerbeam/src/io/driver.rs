//! The driver of one processor: its reactor and its timers.
//!
//! A worker sleeps in its driver, until a socket is ready, a timer is due or somebody wakes it. Any other thread may
//! [`turn`](Driver::turn) it without waiting, and sysmon does so when the worker is stuck: sockets and timers of a stuck worker
//! do not wait for it.
//!
//! **Promise.** A wake-up that comes while nobody sleeps makes the next sleep return at once.
//! **State.** mio's poll behind a lock that is held while its worker sleeps; sources and timers each behind a lock of their own,
//! held for a few instructions and never while anybody is woken.
//! **Why not mio's own `poll`.** Its timeout is in whole milliseconds: a 1 ms timer would be a millisecond late. On Linux we wait
//! with `epoll_pwait2`, through rustix.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use mio::{Interest, Poll, Registry, Token};
use parking_lot::Mutex;

use crate::io::registration::{
    READ_CLOSED, READABLE, Readiness, Registration, Source, WRITABLE, WRITE_CLOSED,
};
use crate::process::panics;
use crate::time::wheel::{EntryKey, Wheel};
use crate::time::{Action, TimerKey};

const WAKER: Token = Token(usize::MAX);
const EVENTS: usize = 256;
/// No timer is set.
const NEVER: u64 = u64::MAX;

pub(crate) struct Driver {
    number: u32,
    reactor: Mutex<Reactor>,
    registry: Registry,
    waker: mio::Waker,
    sources: Mutex<Sources>,
    source_count: AtomicUsize,
    wheel: Mutex<Wheel>,
    /// When the next timer is due; published so that any thread that is awake can see that it is overdue.
    next_deadline: AtomicU64,
}

struct Reactor {
    poll: Poll,
    events: wait::Events,
    /// Those whom the events of this turn wake.
    woken: Vec<Waker>,
}

#[derive(Default)]
struct Sources {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    readiness: Option<Arc<Readiness>>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Driver({})", self.number)
    }
}

impl Driver {
    pub(crate) fn new(number: u32) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKER)?;
        Ok(Self {
            number,
            reactor: Mutex::new(Reactor {
                poll,
                events: wait::Events::with_capacity(EVENTS),
                woken: Vec::with_capacity(EVENTS),
            }),
            registry,
            waker,
            sources: Mutex::default(),
            source_count: AtomicUsize::new(0),
            wheel: Mutex::new(Wheel::new()),
            next_deadline: AtomicU64::new(NEVER),
        })
    }

    /// Watches a socket's readiness, edge-triggered, both ways.
    pub(crate) fn register(self: &Arc<Self>, source: &mut dyn Source) -> io::Result<Registration> {
        let readiness = Arc::new(Readiness::default());
        let token = {
            let mut sources = self.sources.lock();
            let number = sources.free.pop().unwrap_or_else(|| {
                sources.places.push(Place {
                    generation: 0,
                    readiness: None,
                });
                (sources.places.len() - 1) as u32
            });
            let place = &mut sources.places[number as usize];
            place.readiness = Some(Arc::clone(&readiness));
            number as usize | (place.generation as usize) << 32
        };
        self.source_count.fetch_add(1, Ordering::Relaxed);
        // From here on, dropping gives the place back.
        let registration = Registration::new(readiness, Arc::clone(self), token);
        let interest = Interest::READABLE | Interest::WRITABLE;
        source.register(&self.registry, Token(token), interest)?;
        Ok(registration)
    }

    /// A socket leaves; closing it took it out of the kernel's set, or will.
    pub(crate) fn forget(&self, token: usize) {
        let number = token & 0xffff_ffff;
        let mut sources = self.sources.lock();
        let place = &mut sources.places[number];
        place.readiness = None;
        place.generation = place.generation.wrapping_add(1) & 0x7fff_ffff;
        sources.free.push(number as u32);
        drop(sources);
        self.source_count.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn has_sources(&self) -> bool {
        self.source_count() > 0
    }

    pub(crate) fn source_count(&self) -> usize {
        self.source_count.load(Ordering::Relaxed)
    }

    /// Makes the thread that sleeps here return, or the next one that wants to.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(target: "hammerbeam::io", %error, "a worker could not be woken");
        }
    }

    /// Sets a timer. True: it is due before all others, so whoever sleeps here sleeps too long.
    pub(crate) fn set_timer(&self, at: u64, action: Action) -> (TimerKey, bool) {
        let mut wheel = self.wheel.lock();
        let entry = wheel.insert(at, action);
        let before = self.next_deadline.load(Ordering::Relaxed);
        let earlier = at < before;
        if earlier {
            let next = wheel.next_deadline().unwrap_or(NEVER);
            self.next_deadline.store(next, Ordering::SeqCst);
        }
        drop(wheel);
        let key = TimerKey {
            wheel: self.number,
            entry,
        };
        (key, earlier)
    }

    /// Cancels a timer; its deadline, unless it has fired. The published deadline may stay too early: somebody wakes for nothing.
    pub(crate) fn cancel_timer(&self, entry: EntryKey) -> Option<u64> {
        let cancelled = self.wheel.lock().cancel(entry);
        // The action, which may hold a message, is dropped without the lock.
        cancelled.map(|(deadline, _action)| deadline)
    }

    pub(crate) fn next_deadline(&self) -> u64 {
        self.next_deadline.load(Ordering::SeqCst)
    }

    /// Fires what is due.
    pub(crate) fn fire(&self, now: u64) {
        if self.next_deadline.load(Ordering::Relaxed) > now {
            return;
        }
        let mut due = Vec::new();
        {
            let mut wheel = self.wheel.lock();
            wheel.advance(now, &mut due);
            let next = wheel.next_deadline().unwrap_or(NEVER);
            self.next_deadline.store(next, Ordering::SeqCst);
        }
        for action in due {
            action.run();
        }
    }

    /// Handles what is ready, without waiting; nothing if another thread is at it.
    pub(crate) fn turn(&self) {
        let mut woken = Vec::new();
        match self.reactor.try_lock() {
            Some(mut reactor) => {
                std::mem::swap(&mut woken, &mut reactor.woken);
                self.collect(&mut reactor, Some(Duration::ZERO), &mut woken);
            }
            None => return,
        }
        // Without the lock: whoever is woken may close a socket there and then, and a foreign waker may do anything.
        wake_all(&mut woken);
        if let Some(mut reactor) = self.reactor.try_lock() {
            reactor.woken = woken;
        }
    }

    /// Waits until something is ready or due, or [`Driver::wake`]. `now` gives the time; returns it as it is afterwards. Whom to wake
    /// goes to `woken`; that and the timers are left to the caller, who runs foreign code then.
    pub(crate) fn sleep(&self, now: impl Fn() -> u64, woken: &mut Vec<Waker>) -> u64 {
        let mut reactor = self.reactor.lock();
        let timeout = match self.next_deadline() {
            NEVER => None,
            deadline => Some(Duration::from_nanos(deadline.saturating_sub(now()))),
        };
        self.collect(&mut reactor, timeout, woken);
        drop(reactor);
        now()
    }

    fn collect(&self, reactor: &mut Reactor, timeout: Option<Duration>, woken: &mut Vec<Waker>) {
        let Reactor { poll, events, .. } = reactor;
        if let Err(error) = events.wait(poll, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                panics::contain("a subscriber", || {
                    tracing::error!(target: "hammerbeam::io", %error, "waiting for sockets failed");
                });
            }
            return;
        }
        let sources = self.sources.lock();
        for (token, bits) in events.iter() {
            if token == WAKER.0 {
                continue;
            }
            let Some(place) = sources.places.get(token & 0xffff_ffff) else {
                continue;
            };
            if place.generation as usize == token >> 32
                && let Some(readiness) = &place.readiness
            {
                readiness.event(bits, woken);
            }
        }
    }
}

/// Wakes them, and keeps a panic of a foreign waker in.
pub(crate) fn wake_all(woken: &mut Vec<Waker>) {
    for waker in woken.drain(..) {
        panics::contain("a waker", || waker.wake());
    }
}

#[cfg(target_os = "linux")]
mod wait {
    //! Waiting with nanoseconds.

    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::time::Duration;

    use rustix::event::Timespec;
    use rustix::event::epoll::{self, Event, EventFlags};

    use super::{EVENTS, READ_CLOSED, READABLE, WRITABLE, WRITE_CLOSED};

    pub(super) struct Events(Vec<(usize, u32)>);

    impl Events {
        pub(super) fn with_capacity(capacity: usize) -> Self {
            Self(Vec::with_capacity(capacity))
        }

        pub(super) fn wait(
            &mut self,
            poll: &mut mio::Poll,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            self.0.clear();
            let timeout = timeout.map(|timeout| Timespec {
                tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(timeout.subsec_nanos()),
            });
            // SAFETY: `poll` is open while it is borrowed.
            let epoll = unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) };
            // On the stack, since an `Event` is not `Send`.
            let mut events = [MaybeUninit::<Event>::uninit(); EVENTS];
            let (events, _) = epoll::wait(epoll, &mut events, timeout.as_ref())?;
            self.0.extend(events.iter().map(|event| {
                let flags = event.flags;
                (event.data.u64() as usize, bits(flags))
            }));
            Ok(())
        }

        pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> {
            self.0.iter().copied()
        }
    }

    fn bits(flags: EventFlags) -> u32 {
        let over = EventFlags::HUP | EventFlags::ERR;
        let mut bits = 0;
        if flags.intersects(EventFlags::IN | EventFlags::PRI | EventFlags::RDHUP | over) {
            bits |= READABLE;
        }
        if flags.intersects(EventFlags::OUT | over) {
            bits |= WRITABLE;
        }
        // An error alone is not the end: that of a datagram goes away when it is fetched.
        if flags.intersects(EventFlags::RDHUP | EventFlags::HUP) {
            bits |= READ_CLOSED;
        }
        if flags.contains(EventFlags::HUP) {
            bits |= WRITE_CLOSED;
        }
        bits
    }
}

#[cfg(not(target_os = "linux"))]
mod wait {
    //! Waiting as mio does, in milliseconds where the system knows no better.

    use std::io;
    use std::time::Duration;

    use super::{READ_CLOSED, READABLE, WRITABLE, WRITE_CLOSED};

    pub(super) struct Events(mio::Events);

    impl Events {
        pub(super) fn with_capacity(capacity: usize) -> Self {
            Self(mio::Events::with_capacity(capacity))
        }

        pub(super) fn wait(
            &mut self,
            poll: &mut mio::Poll,
            timeout: Option<Duration>,
        ) -> io::Result<()> {
            poll.poll(&mut self.0, timeout)
        }

        pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> {
            self.0.iter().map(|event| {
                let mut bits = 0;
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    bits |= READABLE;
                }
                if event.is_writable() || event.is_write_closed() || event.is_error() {
                    bits |= WRITABLE;
                }
                if event.is_read_closed() {
                    bits |= READ_CLOSED;
                }
                if event.is_write_closed() && !event.is_error() {
                    bits |= WRITE_CLOSED;
                }
                (event.token().0, bits)
            })
        }
    }
}
