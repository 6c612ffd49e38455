//! Mailbox limits: what happens when more messages wait than one wants to hold.
//!
//! **Promise.** G14: a mailbox with a limit never holds more messages than the limit says (for [`OnFull::DropOldest`]: three times
//! that in memory, and the receiver sees the newest `limit`). Signals (exits, downs) never count and are never dropped, also those that are
//! mapped into messages.
//! **State.** Two bits of policy and thirty of length in the slot. The count is in the word that a send exchanges, so two sends
//! cannot both take the last place.
//! **Not promised.** A mailbox without a limit; a process sees its length in [`process_info`](crate::process_info).
//! **Tested by** `tests/mailbox_limits.rs`.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use crate::mailbox::inbox::{Place, Taken};
use crate::mailbox::node::{Owned, Payload};
use crate::mailbox::word::{Link, Push};
use crate::process::Pid;
use crate::process::block::Header;
use crate::process::panics;
use crate::process::table::{Pinned, Slot};
use crate::signal::handle;

/// What a full mailbox does with one message more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// [`try_send`](crate::try_send) fails and gives the message back; [`send`](crate::send) drops it.
    #[default]
    Refuse,
    /// The new message is dropped in silence, also by `try_send`.
    DropNewest,
    /// The oldest message is dropped in silence: the receiver sees the newest ones.
    DropOldest,
    /// The new message is dropped and the receiver is killed.
    ExitReceiver,
}

/// A mailbox limit: a number of messages and what to do beyond it.
///
/// A receiver that has not looked into its mailbox while 65,535 messages came counts as full in any case.
///
/// ```
/// use hammerbeam::{MailboxLimit, OnFull};
/// let limit = MailboxLimit::new(1_000, OnFull::DropOldest).unwrap();
/// assert_eq!(limit.messages(), 1_000);
/// assert!(MailboxLimit::new(0, OnFull::Refuse).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxLimit {
    messages: NonZeroU32,
    on_full: OnFull,
}

const LENGTH: u32 = (1 << 30) - 1;
const UNSEEN: usize = 65_535;

impl MailboxLimit {
    /// A limit of `messages`, which must lie between 1 and 2^30 - 1.
    #[must_use]
    pub const fn new(messages: u32, on_full: OnFull) -> Option<Self> {
        if messages > LENGTH {
            return None;
        }
        match NonZeroU32::new(messages) {
            Some(messages) => Some(Self { messages, on_full }),
            None => None,
        }
    }

    /// The number of messages.
    #[must_use]
    pub const fn messages(self) -> u32 {
        self.messages.get()
    }

    /// What happens beyond it.
    #[must_use]
    pub const fn on_full(self) -> OnFull {
        self.on_full
    }

    pub(crate) fn encode(limit: Option<Self>) -> u32 {
        limit.map_or(0, |limit| {
            let policy = match limit.on_full {
                OnFull::Refuse => 0,
                OnFull::DropNewest => 1,
                OnFull::DropOldest => 2,
                OnFull::ExitReceiver => 3,
            };
            limit.messages.get() | policy << 30
        })
    }

    pub(crate) fn decode(bits: u32) -> Option<Self> {
        let on_full = match bits >> 30 {
            0 => OnFull::Refuse,
            1 => OnFull::DropNewest,
            2 => OnFull::DropOldest,
            _ => OnFull::ExitReceiver,
        };
        Self::new(bits & LENGTH, on_full)
    }
}

/// Whether a mailbox takes one message more, `stacked` being those the receiver has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Yes,
    /// Yes, and the sender must [`shorten`] the stack.
    AfterTrimming,
    No(OnFull),
}

pub(crate) fn room(slot: &Slot, stacked: usize) -> Room {
    let Some(limit) = MailboxLimit::decode(slot.limit.load(Ordering::Relaxed)) else {
        return Room::Yes;
    };
    let most = limit.messages.get() as usize;
    if limit.on_full == OnFull::DropOldest {
        return if stacked >= UNSEEN.min(2 * most) {
            Room::AfterTrimming
        } else {
            Room::Yes
        };
    }
    let length = stacked + slot.inbox.load(Ordering::Relaxed) as usize;
    if length >= most || stacked >= UNSEEN {
        Room::No(limit.on_full)
    } else {
        Room::Yes
    }
}

fn drops_oldest(slot: &Slot) -> Option<usize> {
    MailboxLimit::decode(slot.limit.load(Ordering::Relaxed))
        .filter(|limit| limit.on_full == OnFull::DropOldest)
        .map(|limit| limit.messages.get() as usize)
}

/// Whether messages that a receive has looked at may vanish from the inbox.
pub(crate) fn may_drop_seen(slot: &Slot) -> bool {
    drops_oldest(slot).is_some()
}

/// Keeps [`shorten`] out while the receiver takes its stack; only mailboxes that drop the oldest need it.
pub(crate) fn lock_against_trimming(slot: &'static Slot) -> Option<Pinned> {
    drops_oldest(slot).and_then(|_| Pinned::new(slot))
}

/// Drops the oldest messages of the inbox beyond the limit.
pub(crate) fn trim(header: &Header) {
    let Some(most) = drops_oldest(header.slot) else {
        return;
    };
    let mut length = header.slot.inbox.load(Ordering::Relaxed) as usize;
    let mut place = Place::START;
    // SAFETY: the caller owns the process. No reference is held while a destructor runs.
    let inbox = || unsafe { &mut *header.inbox.get() };
    while length > most {
        let Some(link) = inbox().at(place) else { break };
        // SAFETY: a node of our inbox.
        if unsafe { Owned::payload_of(link) } == Payload::Message {
            if let Some(node) = inbox().remove(place) {
                panics::contain("a message's destructor", || drop(node));
            }
            length -= 1;
        } else {
            place = inbox().advance(place);
        }
    }
    header.slot.inbox.store(length as u32, Ordering::Relaxed);
}

/// A sender drops all but the newest `limit` messages of a stack that its receiver, `pid`, has not looked at for long.
///
/// Returns whether the caller must queue the receiver.
pub(crate) fn shorten(slot: &'static Slot, pid: Pid) -> bool {
    // Dropped when nobody waits for the pin any more: a destructor may do anything.
    let mut surplus = Vec::new();
    let wakes = {
        let Some(_alone) = Pinned::new(slot) else {
            return false;
        };
        // The process that is pinned must be the one whose limit was found.
        match drops_oldest(slot) {
            Some(most) if slot.generation() == pid.generation() => {
                take_surplus(slot, most, &mut surplus)
            }
            _ => return false,
        }
    };
    for node in surplus {
        handle::refuse_node(pid.slot(), node);
    }
    wakes
}

/// Moves all but the newest `most` messages out, under the slot's pin; all, if the process has ended.
fn take_surplus(slot: &Slot, most: usize, surplus: &mut Vec<Owned>) -> bool {
    let is_message = |node: &Owned| node.payload() != Payload::Signal;
    let mut kept: Vec<Owned> = Vec::new();
    loop {
        let newest = slot.word.take(|_| {});
        // SAFETY: what `take` returned is ours; whoever else takes from this word waits for the pin.
        kept.extend(unsafe { Taken::oldest_first(newest) });
        let messages = kept.iter().filter(|node| is_message(node)).count();
        let mut too_many = messages.saturating_sub(most);
        surplus.extend(kept.extract_if(.., |node| {
            let goes =
                too_many > 0 && matches!(node.payload(), Payload::Message | Payload::Aliased);
            too_many -= usize::from(goes);
            goes
        }));
        let signals = kept.iter().any(|node| !is_message(node));
        let count = kept.iter().filter(|node| is_message(node)).count();
        let mut head: *mut Link = std::ptr::null_mut();
        for node in kept.drain(..) {
            let link = node.into_link();
            // SAFETY: we own the node.
            unsafe { (*link).next = head };
            head = link;
        }
        if head.is_null() {
            return false;
        }
        // SAFETY: the chain is ours; its nodes came from this word.
        match unsafe { slot.word.restore(head, count, signals) } {
            Some(Push::Wake) => return true,
            Some(Push::Delivered | Push::Handed) => return false,
            Some(Push::Refused) => {
                // SAFETY: the chain is still ours.
                surplus.extend(unsafe { Taken::oldest_first(head) });
                return false;
            }
            // SAFETY: likewise.
            None => kept.extend(unsafe { Taken::oldest_first(head) }),
        }
    }
}
