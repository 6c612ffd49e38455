//! Delivery: from a pid and a value to a node on the receiver's word, and the receiver queued if it slept.
//!
//! **Promise.** A send never waits. Its cost in reductions grows with the receiver's queue, so that a fast sender is
//! descheduled sooner than its slow receiver.

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use crate::mailbox::limit::{self, OnFull, Room};
use crate::mailbox::node::{Owned, ViaAlias};
use crate::mailbox::word::{Kind, Push};
use crate::process::block::Runnable;
use crate::process::table::{self, Slot};
use crate::process::{Exit, Pid, current, panics};
use crate::runtime;
use crate::signal::Signal;

/// Queue length from which a sender pays more than one reduction.
const LONG: usize = 1024;
/// Messages in the queue for each further reduction.
const PER_REDUCTION: usize = 128;

/// Why a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The process has ended.
    NoProc,
    /// Its mailbox is full.
    Full(OnFull),
}

/// Delivers a message or gives it back.
pub(crate) fn message<M: Send + 'static>(pid: Pid, message: M) -> Result<(), (Undelivered, M)> {
    let Some(slot) = table::slot_of(pid) else {
        return Err((Undelivered::NoProc, message));
    };
    let node = Owned::message(pid.generation(), message);
    // Where a sender may be shortening the stack, nothing may overtake it.
    let kind = if limit::may_drop_seen(slot) {
        Kind::Message
    } else {
        Kind::Hand
    };
    push(slot, pid, node, kind).map_err(|(why, node)| {
        // SAFETY: made above.
        (why, unsafe { node.into_value() })
    })
}

/// Delivers a message through an alias, or gives it back.
pub(crate) fn aliased<M: Send + 'static>(
    pid: Pid,
    alias: u64,
    message: M,
) -> Result<(), (Undelivered, M)> {
    let Some(slot) = addressed(pid) else {
        return Err((Undelivered::NoProc, message));
    };
    let node = Owned::aliased(pid.generation(), alias, message);
    push(slot, pid, node, Kind::Message).map_err(|(why, node)| {
        // SAFETY: made above.
        (why, unsafe { node.into_value::<ViaAlias<M>>() }.message)
    })
}

/// Delivers a node that was made earlier, for example by a timer.
pub(crate) fn node(slot: u32, node: Owned) {
    let pid = Pid::local(slot, node.generation());
    if let Some(slot) = addressed(pid) {
        let _ = push(slot, pid, node, Kind::Message);
    }
}

fn addressed(pid: Pid) -> Option<&'static Slot> {
    table::slot_of(pid).filter(|slot| slot.generation() == pid.generation())
}

fn push(
    slot: &'static Slot,
    pid: Pid,
    node: Owned,
    kind: Kind,
) -> Result<(), (Undelivered, Owned)> {
    let link = node.into_link();
    let mut why = Undelivered::NoProc;
    let mut trim = false;
    let mut length = 0;
    // SAFETY: the node is ours and aligned; `Node` is `repr(align(16))`.
    let pushed = unsafe {
        slot.word.push(link, kind, |stacked| {
            if slot.generation() != pid.generation() {
                why = Undelivered::NoProc;
                return false;
            }
            length = stacked;
            match limit::room(slot, stacked) {
                Room::Yes => true,
                Room::AfterTrimming => {
                    trim = true;
                    true
                }
                Room::No(on_full) => {
                    why = Undelivered::Full(on_full);
                    false
                }
            }
        })
    };
    let waiting = length + slot.inbox.load(Ordering::Relaxed) as usize;
    current::spend(if waiting < LONG {
        1
    } else {
        i32::try_from(waiting / PER_REDUCTION)
            .map_or(current::SLICE, |cost| cost.min(current::SLICE))
    });
    match pushed {
        Push::Delivered => {
            if trim && limit::shorten(slot, pid) {
                wake_won(slot);
            }
            Ok(())
        }
        Push::Wake => {
            wake_won(slot);
            Ok(())
        }
        Push::Handed => {
            // SAFETY: not pushed, so it is still ours.
            let node = unsafe { Owned::from_link(NonNull::new_unchecked(link)) };
            hand_over(slot, node)
        }
        Push::Refused => {
            if why == Undelivered::Full(OnFull::ExitReceiver) {
                signal(
                    pid,
                    Signal::ExitOrder {
                        from: None,
                        reason: Exit::Kill,
                    },
                );
            }
            // SAFETY: refused, so it is still ours.
            Err((why, unsafe {
                Owned::from_link(NonNull::new_unchecked(link))
            }))
        }
    }
}

/// Delivers a control signal; if the process has ended, requests are answered for it.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    if let Err(signal) = try_signal(pid, signal) {
        crate::signal::handle::refuse(pid, signal);
    }
}

/// Delivers a control signal, or gives it back if the process has ended.
pub(crate) fn try_signal(pid: Pid, signal: Signal) -> Result<(), Signal> {
    let Some(slot) = addressed(pid) else {
        return Err(signal);
    };
    current::spend(1);
    let link = Owned::signal(pid.generation(), signal).into_link();
    // SAFETY: as in `push`.
    let pushed = unsafe {
        slot.word.push(link, Kind::Signal, |_| {
            slot.generation() == pid.generation()
        })
    };
    match pushed {
        Push::Delivered => Ok(()),
        Push::Wake | Push::Handed => {
            wake_won(slot);
            Ok(())
        }
        Push::Refused => {
            // SAFETY: refused, so it is still ours, and made above.
            Err(unsafe { Owned::from_link(NonNull::new_unchecked(link)).into_value() })
        }
    }
}

/// A process for which the caller has just won the transition to awake.
fn won(slot: &Slot) -> Runnable {
    let block = NonNull::new(slot.owned_block()).expect("an awake process has its block");
    // SAFETY: the caller won the transition.
    unsafe { Runnable::from_raw(block) }
}

/// Queues a process for which the caller has just won the transition to awake.
pub(crate) fn wake_won(slot: &Slot) {
    runtime::schedule(won(slot));
}

/// The same, and its body is to be polled.
pub(crate) fn wake_for_poll(slot: &Slot) {
    let process = won(slot);
    process.header().due.set(true);
    runtime::schedule(process);
}

/// The same, and this is the message that it slept for.
fn hand_over(slot: &Slot, node: Owned) -> Result<(), (Undelivered, Owned)> {
    let process = won(slot);
    let header = process.header();
    // It may have run, and filled its inbox, since the sender looked.
    if let Room::No(on_full) = limit::room(slot, 0)
        && node.generation() == slot.generation()
    {
        runtime::schedule(process);
        return Err((Undelivered::Full(on_full), node));
    }
    // The slot may have changed hands since the sender looked; then this is another process, woken for nothing.
    if node.generation() == slot.generation() {
        let length = slot.inbox.load(Ordering::Relaxed);
        slot.inbox.store(length + 1, Ordering::Relaxed);
        // SAFETY: we own the process.
        unsafe { (*header.inbox.get()).push_back(node) };
        header.fresh.set(true);
    } else {
        panics::contain("a message's destructor", || drop(node));
    }
    runtime::schedule(process);
    Ok(())
}
