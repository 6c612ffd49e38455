//! No wake-up is lost, and a process is never in two run queues.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::inbox::Place;
use super::word::{Push, Settled};
use super::{Process, open};
use crate::model::check;

#[test]
fn a_waker_that_fires_while_the_process_goes_to_sleep_is_noticed() {
    check(3, || {
        let process = Process::running();
        let ready: Vec<_> = (0..2).map(|_| Arc::new(AtomicBool::new(false))).collect();
        let wakers: Vec<_> = ready
            .iter()
            .map(|ready| {
                let (process, ready) = (Arc::clone(&process), Arc::clone(ready));
                thread::spawn(move || {
                    ready.store(true, Ordering::Release);
                    process.wake(|| true);
                })
            })
            .collect();
        process.run(false, |_| ready.iter().all(|r| r.load(Ordering::Acquire)));
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// The message may be handed over, or lie on the stack; the waker may find the process asleep, queued, or running.
#[test]
fn a_message_and_a_waker_at_once_queue_the_process_once() {
    check(3, || {
        let process = Process::running();
        let ready = Arc::new(AtomicBool::new(false));
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.send(1, 0))
        };
        let waker = {
            let (process, ready) = (Arc::clone(&process), Arc::clone(&ready));
            thread::spawn(move || {
                ready.store(true, Ordering::Release);
                process.wake(|| true);
            })
        };
        process.run(true, |inbox| {
            ready.load(Ordering::Acquire) && inbox.at(Place::START).is_some()
        });
        assert_ne!(sender.join().unwrap(), Push::Refused);
        waker.join().unwrap();
        assert_eq!(process.end(), 1);
    });
}

#[test]
fn a_signal_wakes_a_process_that_does_not_receive() {
    check(3, || {
        let process = Process::running();
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                process.send(1, 0);
                process.signal(1, 1);
            })
        };
        process.run(false, |inbox| {
            let mut last = None;
            while let Some(node) = inbox.pop_front() {
                last = Some(open(node));
            }
            last == Some((1, 1))
        });
        sender.join().unwrap();
    });
}

#[test]
fn a_message_and_a_signal_at_once_queue_the_process_once() {
    check(3, || {
        let process = Process::running();
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.send(1, 0))
        };
        let other = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.signal(2, 0))
        };
        let mut got = 0;
        process.run(true, |inbox| {
            while inbox.pop_front().is_some() {
                got += 1;
            }
            got == 2
        });
        sender.join().unwrap();
        other.join().unwrap();
    });
}

/// Must fail: who says that it does not wait for messages is not woken by one.
#[test]
#[should_panic(expected = "deadlock")]
fn a_process_that_forgets_to_say_that_it_receives_sleeps_for_ever() {
    check(2, || {
        let process = Process::running();
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.send(1, 0))
        };
        process.run(false, |inbox| inbox.pop_front().is_some());
        sender.join().unwrap();
    });
}

/// Must fail: a turn that forgets `NOTIFIED` after its poll instead of before loses the wake-up that came during it.
#[test]
#[should_panic(expected = "deadlock")]
fn a_turn_that_begins_after_its_poll_sleeps_for_ever() {
    check(2, || {
        let process = Process::running();
        let ready = Arc::new(AtomicBool::new(false));
        let waker = {
            let (process, ready) = (Arc::clone(&process), Arc::clone(&ready));
            thread::spawn(move || {
                ready.store(true, Ordering::Release);
                process.wake(|| true);
            })
        };
        while !ready.load(Ordering::Acquire) {
            process.word.begin();
            if process.word.settle(false) == Settled::Asleep {
                process.wait_until_queued();
            }
        }
        waker.join().unwrap();
    });
}
