//! A sender that shortens a stack (see `OnFull::DropOldest`) loses and disorders nothing else.
//!
//! It takes the stack while it holds the slot's pin, which the receiver takes too, and puts back what it keeps.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use super::inbox::{Inbox, Taken};
use super::node::{Owned, Payload};
use super::word::{Link, Push, Settled};
use super::{Process, open};
use crate::model::check;

/// What `mailbox::limit::shorten` does, with all messages kept but the `drops` oldest. Returns how many it dropped itself.
fn shorten(process: &Process, pin: &Mutex<()>, mut drops: usize) -> usize {
    let alone = pin.lock().unwrap();
    let mut dropped = 0;
    let mut kept: Vec<Owned> = Vec::new();
    loop {
        let newest = process.word.take(|_| {});
        // SAFETY: what `take` returned is ours; the receiver waits for the pin.
        kept.extend(unsafe { Taken::oldest_first(newest) });
        kept.retain(|node| {
            let drop = drops > 0 && node.payload() == Payload::Message;
            drops -= usize::from(drop);
            dropped += usize::from(drop);
            !drop
        });
        let signals = kept.iter().any(|node| node.payload() == Payload::Signal);
        let count = kept.len();
        let mut head: *mut Link = std::ptr::null_mut();
        for node in kept.drain(..) {
            let link = node.into_link();
            // SAFETY: we own the node.
            unsafe { (*link).next = head };
            head = link;
        }
        if head.is_null() {
            return dropped;
        }
        // SAFETY: the chain is ours; its nodes came from this word.
        match unsafe { process.word.restore(head, count, signals) } {
            Some(Push::Wake) => {
                drop(alone);
                process.schedule();
                return dropped;
            }
            Some(Push::Delivered | Push::Handed) => return dropped,
            Some(Push::Refused) => {
                // SAFETY: refused, so it is still ours.
                return dropped + unsafe { Taken::oldest_first(head) }.count();
            }
            // SAFETY: likewise.
            None => kept.extend(unsafe { Taken::oldest_first(head) }),
        }
    }
}

/// The receiver, whose takes wait for the pin.
fn receive(process: &Process, pin: &Mutex<()>, mut body: impl FnMut(&mut Inbox) -> bool) {
    let mut inbox = Inbox::new();
    loop {
        process.word.begin();
        {
            let _alone = pin.lock().unwrap();
            process.take_into(&mut inbox);
        }
        if body(&mut inbox) {
            return;
        }
        if process.word.settle(true) == Settled::Asleep {
            process.wait_until_queued();
        }
    }
}

#[test]
fn what_is_put_back_keeps_its_order_and_wakes_the_receiver() {
    check(3, || {
        let process = Process::running();
        let pin = Arc::new(Mutex::new(()));
        process.stack(1, 0);
        let trimmer = {
            let (process, pin) = (Arc::clone(&process), Arc::clone(&pin));
            thread::spawn(move || {
                shorten(&process, &pin, 0);
            })
        };
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                process.stack(1, 1);
                process.signal(1, 2);
            })
        };
        let mut next = 0;
        receive(&process, &pin, |inbox| {
            while let Some(node) = inbox.pop_front() {
                assert_eq!(open(node), (1, next), "out of order");
                next += 1;
            }
            next == 3
        });
        trimmer.join().unwrap();
        sender.join().unwrap();
        assert_eq!(process.end(), 0);
    });
}

#[test]
fn the_oldest_go_and_nothing_leaks_whatever_the_receiver_does() {
    check(3, || {
        let process = Process::running();
        let pin = Arc::new(Mutex::new(()));
        process.stack(1, 0);
        process.stack(1, 1);
        let trimmer = {
            let (process, pin) = (Arc::clone(&process), Arc::clone(&pin));
            thread::spawn(move || shorten(&process, &pin, 1))
        };
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || usize::from(process.stack(2, 2) != Push::Refused))
        };
        let mut received = 0;
        let mut inbox = Inbox::new();
        process.word.begin();
        {
            let _alone = pin.lock().unwrap();
            process.take_into(&mut inbox);
        }
        while inbox.pop_front().is_some() {
            received += 1;
        }
        let left = process.end();
        let dropped = trimmer.join().unwrap();
        let sent = 2 + sender.join().unwrap();
        assert_eq!(received + left + dropped, sent);
    });
}

/// Must fail: without the pin, the receiver overtakes the chain that is put back.
#[test]
#[should_panic(expected = "out of order")]
fn a_receiver_that_takes_meanwhile_sees_messages_out_of_order() {
    check(2, || {
        let process = Process::running();
        let (pin, other_pin) = (Mutex::new(()), Mutex::new(()));
        process.stack(1, 0);
        let trimmer = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                shorten(&process, &pin, 0);
            })
        };
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                process.stack(1, 1);
            })
        };
        let mut next = 0;
        receive(&process, &other_pin, |inbox| {
            while let Some(node) = inbox.pop_front() {
                assert_eq!(open(node), (1, next), "out of order");
                next += 1;
            }
            next == 2
        });
        trimmer.join().unwrap();
        sender.join().unwrap();
    });
}
