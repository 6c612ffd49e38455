//! The word: one atomic that is both the head of the incoming messages and the scheduling state of a process.
//!
//! **Promise.** No signal is lost, no wake-up is lost, and a process is never in two run queues: only whoever turns `AWAKE`
//! on may queue it, and only whoever runs it turns `AWAKE` off.
//! **State.** The low four bits are flags, the high sixteen count the messages pushed but not yet taken (saturating), the
//! bits between are the newest node of a stack. A send is one compare-and-swap that delivers and wakes.
//!
//! ```text
//! bit 0 AWAKE     queued or running          bit 2 RECV    asleep; a message wakes it
//! bit 1 NOTIFIED  a waker fired: poll again  bit 3 SIGNAL  a control signal is in the stack
//! DEAD = AWAKE|RECV, never a state of a live process: nothing may be pushed
//! ```
//! **Order.** A push is a release of the node, a take an acquire; `take` gives newest first and the caller reverses.
//! **Ends.** [`Word::close`] makes it `DEAD` and hands out what was left; [`Word::open`] starts the next generation.
//! **Tested by** the loom models in `crates/hammerbeam-loom`, which compile this very file, and by Miri.

use super::sync::{AtomicPtr, Ordering};

const AWAKE: usize = 1;
const NOTIFIED: usize = 2;
const RECV: usize = 4;
const SIGNAL: usize = 8;
const FLAGS: usize = 15;
const DEAD: usize = AWAKE | RECV;

const COUNT_SHIFT: u32 = 48;
const COUNT_ONE: usize = 1 << COUNT_SHIFT;
const COUNT_MAX: usize = 0xffff;
const ADDRESS: usize = (COUNT_ONE - 1) & !FLAGS;

/// The part of a node that the stack needs. It must be the node's first field, and the node aligned to 16.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    /// The node pushed before this one; on a stack only its address counts.
    pub(crate) next: *mut Self,
}

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// Delivered; the receiver is awake already or does not wait for messages.
    Delivered,
    /// Delivered; the caller won the transition to awake and must queue the process.
    Wake,
    /// Not on the stack: the receiver slept on an empty one, and the caller won the transition to awake. It owns the process,
    /// so it must put the node into the inbox itself, and queue the process. One exchange less for the receiver.
    Handed,
    /// Not delivered: `admit` said no.
    Refused,
}

/// What a node is, as far as waking is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wakes a process that receives, and is counted.
    Message,
    /// As `Message`, and handed over if the receiver sleeps: see [`Push::Handed`].
    Hand,
    /// Wakes in any case, and is not counted.
    Signal,
}

/// What [`Word::begin`] found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) notified: bool,
    pub(crate) signals: bool,
    pub(crate) stacked: bool,
}

/// How a process that returned `Pending` goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It sleeps; the caller no longer owns it.
    Asleep,
    /// There is something to do: the caller still owns it and must queue it.
    Again,
}

#[derive(Debug)]
pub(crate) struct Word(AtomicPtr<Link>);

fn addr(pointer: *mut Link) -> usize {
    pointer.addr()
}

impl Word {
    /// A dead word: the state of a free slot.
    pub(crate) fn dead() -> Self {
        Self(AtomicPtr::new(core::ptr::without_provenance_mut(DEAD)))
    }

    /// Starts a generation: awake. The caller queues it.
    pub(crate) fn open(&self) {
        self.0
            .store(core::ptr::without_provenance_mut(AWAKE), Ordering::Release);
    }

    /// Pushes a node and wakes the receiver if it waits for one.
    ///
    /// `admit` sees the number of messages on the stack before each attempt and may refuse; it must also check there that
    /// the word still belongs to the addressed process.
    ///
    /// # Safety
    /// `node` is exclusively owned by the caller, aligned to 16 with an address below 2^48, and owned by the word
    /// afterwards unless the push was refused.
    pub(crate) unsafe fn push(
        &self,
        node: *mut Link,
        kind: Kind,
        mut admit: impl FnMut(usize) -> bool,
    ) -> Push {
        // While this sender is held up below, the newest node may be taken and freed and its memory used for another newest node. The
        // exchange succeeds then, and `next` has the right address, but from a pointer to what was freed: whoever follows it must take
        // the address alone, and the nodes are exposed for that.
        node.expose_provenance();
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            if bits & FLAGS == DEAD || !admit(bits >> COUNT_SHIFT) {
                return Push::Refused;
            }
            // SAFETY: the caller owns the node until the exchange below succeeds.
            unsafe { (*node).next = seen.map_addr(|a| a & ADDRESS) };
            if matches!(kind, Kind::Hand) && bits & RECV != 0 {
                debug_assert!(bits & ADDRESS == 0, "it would not sleep beside a message");
                match self.0.compare_exchange_weak(
                    seen,
                    core::ptr::without_provenance_mut(AWAKE),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Push::Handed,
                    Err(now) => {
                        seen = now;
                        continue;
                    }
                }
            }
            let wakes = match kind {
                Kind::Message | Kind::Hand => bits & RECV != 0,
                Kind::Signal => bits & AWAKE == 0,
            };
            let mut tag = bits & FLAGS;
            if wakes {
                tag = (tag & !RECV) | AWAKE;
            }
            let mut count = bits >> COUNT_SHIFT;
            match kind {
                Kind::Message | Kind::Hand => count = (count + 1).min(COUNT_MAX),
                Kind::Signal => tag |= SIGNAL,
            }
            let new = node.map_addr(|a| a | tag | (count << COUNT_SHIFT));
            match self
                .0
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if wakes => return Push::Wake,
                Ok(_) => return Push::Delivered,
                Err(now) => seen = now,
            }
        }
    }

    /// Asks for a poll. True: the caller won the transition to awake, owns the process, and must note that a poll is due and queue
    /// it. False: it is awake, and finds `NOTIFIED` before it goes to sleep; or it has ended.
    ///
    /// `valid` is asked before each attempt whether the word still belongs to the addressed process.
    pub(crate) fn wake(&self, valid: impl Fn() -> bool) -> bool {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            if bits & FLAGS == DEAD || !valid() {
                return false;
            }
            // Exchanged even if `NOTIFIED` is set already and nothing changes: whatever the caller did before becomes visible to the
            // poll that somebody else asked for. Without that, the poll may miss it, and nobody asks for another one.
            let mark = if bits & AWAKE == 0 { AWAKE } else { NOTIFIED };
            let new = seen.map_addr(|a| (a & !RECV) | mark);
            match self
                .0
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return bits & AWAKE == 0,
                Err(now) => seen = now,
            }
        }
    }

    /// The owner starts a turn: clears `NOTIFIED` *before* the poll, so that a wake-up during it is kept.
    pub(crate) fn begin(&self) -> Pending {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            debug_assert!(bits & AWAKE != 0 && bits & RECV == 0, "run without owning");
            let pending = Pending {
                notified: bits & NOTIFIED != 0,
                signals: bits & SIGNAL != 0,
                stacked: bits & ADDRESS != 0,
            };
            if !pending.notified {
                return pending;
            }
            match self.0.compare_exchange_weak(
                seen,
                seen.map_addr(|a| a & !NOTIFIED),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return pending,
                Err(now) => seen = now,
            }
        }
    }

    /// The owner takes the stack, newest first. `announce` sees the count before it is reset, so that the length that
    /// others see never dips.
    pub(crate) fn take(&self, mut announce: impl FnMut(usize)) -> *mut Link {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            if bits & ADDRESS == 0 {
                return core::ptr::null_mut();
            }
            announce(bits >> COUNT_SHIFT);
            match self.0.compare_exchange_weak(
                seen,
                core::ptr::without_provenance_mut(bits & FLAGS & !SIGNAL),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return seen.map_addr(|a| a & ADDRESS),
                Err(now) => seen = now,
            }
        }
    }

    /// Puts a chain back that was taken, if the word is still empty. It must be ordered before anything pushed since, so the
    /// caller holds back other takers and retries with what came meanwhile. `None`: the word is not empty.
    ///
    /// # Safety
    /// As for [`Word::push`], for the chain from `newest` to its end; `count` of its nodes are messages.
    pub(crate) unsafe fn restore(
        &self,
        newest: *mut Link,
        count: usize,
        signals: bool,
    ) -> Option<Push> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            if bits & FLAGS == DEAD {
                return Some(Push::Refused);
            }
            if bits & ADDRESS != 0 {
                return None;
            }
            let wakes = (count > 0 && bits & RECV != 0) || (signals && bits & AWAKE == 0);
            let mut tag = bits & FLAGS;
            if wakes {
                tag = (tag & !RECV) | AWAKE;
            }
            if signals {
                tag |= SIGNAL;
            }
            let new = newest.map_addr(|a| a | tag | (count.min(COUNT_MAX) << COUNT_SHIFT));
            match self
                .0
                .compare_exchange_weak(seen, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if wakes => return Some(Push::Wake),
                Ok(_) => return Some(Push::Delivered),
                Err(now) => seen = now,
            }
        }
    }

    /// The owner goes to sleep after a `Pending`, unless something came meanwhile. `receiving`: the body waits for messages.
    pub(crate) fn settle(&self, receiving: bool) -> Settled {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let bits = addr(seen);
            if bits & (NOTIFIED | SIGNAL) != 0 || (receiving && bits & ADDRESS != 0) {
                return Settled::Again;
            }
            let tag = if receiving { RECV } else { 0 };
            match self.0.compare_exchange_weak(
                seen,
                seen.map_addr(|a| (a & !AWAKE) | tag),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Settled::Asleep,
                Err(now) => seen = now,
            }
        }
    }

    /// The owner ends the generation and gets what was still on the stack, newest first.
    pub(crate) fn close(&self) -> *mut Link {
        let last = self
            .0
            .swap(core::ptr::without_provenance_mut(DEAD), Ordering::AcqRel);
        last.map_addr(|a| a & ADDRESS)
    }

    /// Whether there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        addr(self.0.load(Ordering::Acquire)) & ADDRESS == 0
    }

    /// Messages pushed and not yet taken, up to 65,535.
    pub(crate) fn stacked(&self) -> usize {
        addr(self.0.load(Ordering::Relaxed)) >> COUNT_SHIFT
    }

    /// Whether the process is queued or running.
    pub(crate) fn is_awake(&self) -> bool {
        let bits = addr(self.0.load(Ordering::Relaxed)) & FLAGS;
        bits != DEAD && bits & AWAKE != 0
    }
}
