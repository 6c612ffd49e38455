//! No message is lost, none is leaked, and each sender's arrive in its order.

use std::sync::Arc;

use loom::thread;

use super::inbox::Taken;
use super::node::Owned;
use super::word::{Kind, Push};
use super::{GENERATION, Message, Process, open};
use crate::model::check;

#[test]
fn messages_of_two_senders_arrive_each_in_its_order() {
    check(2, || {
        let process = Process::running();
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|sender| {
                let process = Arc::clone(&process);
                thread::spawn(move || {
                    for number in 0..2 {
                        assert_ne!(process.send(sender, number), Push::Refused);
                    }
                })
            })
            .collect();
        let mut next = [0; 3];
        process.run(true, |inbox| {
            while let Some(node) = inbox.pop_front() {
                let (sender, number) = open(node);
                assert_eq!(number, next[sender], "out of order");
                next[sender] += 1;
            }
            next == [0, 2, 2]
        });
        assert_eq!(process.end(), 0);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn a_signal_keeps_its_place_among_the_messages_of_its_sender() {
    check(3, || {
        let process = Process::running();
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                process.send(1, 0);
                process.signal(1, 1);
                process.send(1, 2);
            })
        };
        let mut next = 0;
        process.run(true, |inbox| {
            while let Some(node) = inbox.pop_front() {
                assert_eq!(open(node), (1, next));
                next += 1;
            }
            next == 3
        });
        sender.join().unwrap();
    });
}

/// Loom tracks every message: one that nobody dropped fails the model, one dropped twice would too.
#[test]
fn every_node_is_received_or_returned_or_handed_out_at_the_end() {
    check(3, || {
        let process = Process::running();
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|sender| {
                let process = Arc::clone(&process);
                thread::spawn(move || {
                    let first = process.send(sender, 0) != Push::Refused;
                    let second = process.signal(sender, 1) != Push::Refused;
                    assert!(first || !second, "delivered to an ended process");
                    usize::from(first) + usize::from(second)
                })
            })
            .collect();
        let mut received = 0;
        // Once asleep, it is woken and ends.
        process.run(true, |inbox| {
            let mut done = false;
            while inbox.pop_front().is_some() {
                received += 1;
                done = true;
            }
            done
        });
        let left = process.end();
        let delivered: usize = senders.into_iter().map(|s| s.join().unwrap()).sum();
        assert_eq!(delivered, received + left);
        assert_eq!(process.end(), 0, "delivered after the end");
    });
}

/// Two senders cannot both take the last place, also while the receiver moves messages from the stack to its inbox.
#[test]
fn a_limit_holds_while_the_receiver_takes() {
    use loom::sync::atomic::{AtomicUsize, Ordering};

    check(3, || {
        const LIMIT: usize = 2;
        let process = Process::running();
        let inbox_length = Arc::new(AtomicUsize::new(0));
        process.send(0, 0);
        let senders: Vec<_> = [1, 2]
            .into_iter()
            .map(|sender| {
                let process = Arc::clone(&process);
                let inbox_length = Arc::clone(&inbox_length);
                thread::spawn(move || {
                    let node = Owned::message(GENERATION, Message::new(sender, 0));
                    process.push(node, Kind::Hand, |stacked| {
                        stacked + inbox_length.load(Ordering::Relaxed) < LIMIT
                    })
                })
            })
            .collect();
        let newest = process
            .word
            .take(|count| inbox_length.store(count, Ordering::Relaxed));
        // SAFETY: what `take` returned is ours.
        let held: Vec<_> = unsafe { Taken::oldest_first(newest) }.collect();
        inbox_length.store(held.len(), Ordering::Relaxed);
        let delivered = senders
            .into_iter()
            .map(|s| s.join().unwrap())
            .filter(|pushed| *pushed != Push::Refused)
            .count();
        // While the receiver moves a message it counts twice, so the free place may go to nobody, but never to two.
        assert!(delivered <= 1, "one place was free");
        assert_eq!(held.len() + process.word.stacked(), 1 + delivered);
        process.end();
    });
}
