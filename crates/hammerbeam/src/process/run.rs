//! Running a process: one turn, and the end.
//!
//! **Promise.** G3: a panic in the body, in a destructor, or in a message's destructor ends one process. G4: at the end, in this
//! order: names are free, the body is dropped, nobody finds the pid, those who are linked or watch are told.
//! **Order.** Signals are handled before the body is polled, so that an order to end never waits for more than one poll.
//! **Tested by** `tests/isolation.rs`, `tests/exit_signals.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::mailbox::inbox::Taken;
use crate::mailbox::node::{Owned, Payload};
use crate::mailbox::word::Settled;
use crate::process::block::{Header, Runnable};
use crate::process::current::{Owed, Polling};
use crate::process::{Exit, current, panics, table, waker};
use crate::runtime;
use crate::signal::handle;
use crate::time::deadline;
use crate::world::World;

/// What became of a process in its turn.
pub(crate) enum Turn {
    /// It sleeps; whoever wakes it queues it.
    Asleep,
    /// It has more to do.
    Again(Runnable),
    Ended,
}

/// Gives a process one turn. `hog_after` is asked, after the poll, how many polls it should spend in the lane for hogs.
pub(crate) fn turn(process: Runnable, hog_after: impl FnOnce(u8) -> u8) -> Turn {
    let header = process.header();
    let pending = header.slot.word.begin();
    if pending.signals {
        let polling = Polling::start(&process);
        let taken = catch_unwind(AssertUnwindSafe(|| handle::take_all(header)));
        let owed = polling.release();
        drop(polling);
        if let Err(payload) = taken {
            let reason = panics::reason("the handling of a signal", &*payload);
            panics::discard(payload);
            return end(process, Some(reason), owed);
        }
        if header.ending.get() {
            return end(process, None, owed);
        }
        settle(owed, None);
    }
    let has_mail = header.receiving.get() && (header.fresh.get() || pending.stacked);
    if header.due.replace(false) || pending.notified || has_mail {
        if has_mail {
            wake_receiver(header);
        }
        header.receiving.set(false);
        let pid = header.pid();
        if let Some(extension) = header.extension() {
            extension.deadline.set(0);
        }
        let waker = waker::waker(pid);
        let polling = Polling::start(&process);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            process.poll(&mut Context::from_waker(&waker))
        }));
        let spent = polling.spent();
        let owed = polling.release();
        drop(polling);
        let total = header.reductions.load(Ordering::Relaxed) + spent + 1;
        header.reductions.store(total, Ordering::Relaxed);
        match polled {
            Err(payload) => {
                let reason = panics::reason("the body", &*payload);
                panics::discard(payload);
                return end(process, Some(reason), owed);
            }
            Ok(Poll::Ready(reason)) => return end(process, Some(reason), owed),
            Ok(Poll::Pending) if header.ending.get() => return end(process, None, owed),
            Ok(Poll::Pending) => settle(owed, None),
        }
        deadline::arm(header, world(header));
        // A receive inside another executor still waits, even if this poll did not come by it.
        if header
            .extension()
            .is_some_and(|e| e.receiver.borrow().is_some())
        {
            header.receiving.set(true);
        }
    }
    let hog = hog_after(header.hog.get());
    if hog != header.hog.replace(hog) {
        header.in_hog_lane.store(hog > 0, Ordering::Relaxed);
    }
    // A message that was looked at and left by a selective receive is in the inbox and not fresh; one that came since is.
    if header.receiving.get() && header.fresh.get() {
        return Turn::Again(process);
    }
    match header.slot.word.settle(header.receiving.get()) {
        Settled::Asleep => Turn::Asleep,
        Settled::Again => Turn::Again(process),
    }
}

/// A receive inside another executor (a `FuturesUnordered`, say) is woken through that executor's waker.
fn wake_receiver(header: &Header) {
    if let Some(extension) = header.extension() {
        let waker = extension.receiver.borrow_mut().take();
        if let Some(waker) = waker {
            panics::contain("a waker", || waker.wake());
        }
    }
}

/// Tells those who wait for something of a process that it ended, or that they wait in vain.
#[inline]
fn settle(owed: Vec<Owed>, reason: Option<&Exit>) {
    if owed.is_empty() {
        return;
    }
    for settle in owed {
        // It wakes somebody, by a waker that may be foreign.
        panics::contain("a waker", || settle(reason.cloned()));
    }
}

fn world(header: &Header) -> &dyn World {
    &*runtime::of(header).world
}

/// The end of a process. `reason` is none when an exit signal ends it.
fn end(process: Runnable, reason: Option<Exit>, mut owed: Vec<Owed>) -> Turn {
    let header = process.header();
    let pid = header.pid();
    let mut reason = reason
        .or_else(|| header.extension()?.reason.borrow_mut().take())
        .unwrap_or(Exit::Normal);

    deadline::disarm(header, world(header));
    let polling = Polling::start(&process);
    if let Some(extension) = header.extension() {
        runtime::release_names(header, extension, pid);
    }
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: called once, here; the body is not polled again.
        current::while_ending(&reason, || unsafe { process.drop_body() });
    }));
    if let Err(payload) = dropped {
        reason = panics::reason("a destructor", &*payload);
        panics::discard(payload);
    }
    if let Some(extension) = header.extension() {
        // A destructor may have registered one.
        runtime::release_names(header, extension, pid);
    }

    header.slot.limit.store(0, Ordering::Relaxed);
    header.slot.retire();
    owed.extend(polling.release());
    settle(owed, Some(&reason));
    let (late, in_message) = current::while_ending(&reason, || empty(header));
    header.slot.inbox.store(0, Ordering::Relaxed);
    drop(polling);
    if let (Some(panic), true) = (in_message, reason.is_planned()) {
        reason = panic;
    }

    panics::contain("the report of a crash", || {
        panics::report(header, pid, &reason);
    });
    if let Some(extension) = header.extension() {
        handle::announce(pid, extension, &reason);
        extension.empty();
    }
    for node in late {
        handle::refuse_node(pid.slot(), node);
    }
    panics::contain("an exit reason's destructor", || drop(reason));
    header.slot.vacate(process.as_ptr());
    let number = header.number();
    let runtime = header.runtime;
    // SAFETY: body dropped, slot vacated.
    unsafe { process.free() };
    table::release(number);
    // SAFETY: the runtime counts this process until the next line; whoever runs it holds the runtime.
    unsafe { runtime.as_ref() }.process_ended();
    Turn::Ended
}

/// Empties the mailbox of an ended process: the signals that came too late, and the first panic of a message's destructor.
fn empty(header: &Header) -> (Vec<Owned>, Option<Exit>) {
    let mut late = Vec::new();
    let mut panic = None;
    // SAFETY: we own the process. No reference is held while a destructor runs.
    while let Some(node) = unsafe { (*header.inbox.get()).pop_front() } {
        discard(node, &mut panic);
    }
    // SAFETY: `close` hands the stack over.
    for node in unsafe { Taken::oldest_first(header.slot.word.close()) } {
        if node.payload() == Payload::Signal {
            late.push(node);
        } else {
            discard(node, &mut panic);
        }
    }
    (late, panic)
}

/// Drops a message of an ended process; the first panic of a destructor counts.
fn discard(node: Owned, panic: &mut Option<Exit>) {
    if let Err(payload) = node.discard() {
        if panic.is_none() {
            *panic = Some(panics::reason("a message's destructor", &*payload));
        }
        panics::discard(payload);
    }
}
