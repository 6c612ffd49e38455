//! A slot's next process gets nothing that was meant for the one before.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::node::Owned;
use super::word::{Kind, Push};
use super::{Message, Process, open};
use crate::model::check;

/// A slot of the process table: the word and the generation that senders compare.
struct Slot {
    process: Arc<Process>,
    generation: AtomicU64,
}

impl Slot {
    fn send_to(&self, generation: u64) -> Push {
        let node = Owned::message(generation, Message::new(1, generation as usize));
        self.process.push(node, Kind::Hand, |_| {
            self.generation.load(Ordering::Acquire) == generation
        })
    }

    fn wake(&self, generation: u64) {
        self.process
            .wake(|| self.generation.load(Ordering::Acquire) == generation);
    }
}

#[test]
fn a_message_to_an_ended_process_never_reaches_the_next_one_and_never_leaks() {
    check(3, || {
        let slot = Arc::new(Slot {
            process: Process::running(),
            generation: AtomicU64::new(1),
        });
        let late = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.send_to(1) != Push::Refused)
        };
        // The first process ends, and the slot gets another one.
        slot.process.word.begin();
        slot.generation.fetch_add(1, Ordering::AcqRel);
        let at_the_end = slot.process.end();
        slot.process.word.open();
        let sender = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || assert_ne!(slot.send_to(2), Push::Refused))
        };
        let mut foreign = 0;
        slot.process.run(true, |inbox| {
            let mut done = false;
            while let Some(node) = inbox.pop_front() {
                if node.generation() == 2 {
                    assert_eq!(open(node), (1, 2));
                    done = true;
                } else {
                    // What slips past the sender's look is told apart by its generation.
                    foreign += 1;
                }
            }
            done
        });
        let left = slot.process.end();
        let delivered = usize::from(late.join().unwrap());
        sender.join().unwrap();
        assert_eq!(delivered, at_the_end + foreign + left);
    });
}

#[test]
fn a_waker_of_an_ended_process_does_not_queue_the_next_one_twice() {
    check(3, || {
        let slot = Arc::new(Slot {
            process: Process::running(),
            generation: AtomicU64::new(1),
        });
        let late = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.wake(1))
        };
        slot.process.word.begin();
        slot.generation.fetch_add(1, Ordering::AcqRel);
        slot.process.end();
        slot.process.word.open();
        let sender = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.send_to(2))
        };
        slot.process.run(true, |inbox| inbox.pop_front().is_some());
        late.join().unwrap();
        sender.join().unwrap();
        assert_eq!(slot.process.end(), 0);
    });
}
