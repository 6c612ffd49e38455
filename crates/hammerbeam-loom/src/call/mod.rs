//! The reply slot.

#[path = "../../../hammerbeam/src/call/answer.rs"]
#[allow(dead_code)]
mod answer;
mod sync;

use std::task::Waker;

use loom::alloc::Track;
use loom::thread;

use self::answer::{Waiting, pair};
use crate::model::{Parker, check, parker};

/// An answer that loom sees leak, or dropped twice.
fn answer() -> Track<u32> {
    Track::new(42)
}

/// Waits as a process does: asks, and sleeps until it is woken.
fn wait(waiting: &mut Waiting<Track<u32>>, parker: &Parker, waker: &Waker) -> u32 {
    loop {
        if let Some(answer) = waiting.poll(waker) {
            return answer.into_inner();
        }
        parker.park();
    }
}

#[test]
fn whoever_waits_is_woken_and_gets_the_answer_once() {
    check(3, || {
        let (answering, mut waiting) = pair(None, "a question");
        let server = thread::spawn(move || {
            assert!(answering.complete(answer()).is_ok());
        });
        let (parker, waker) = parker();
        assert_eq!(wait(&mut waiting, &parker, &waker), 42);
        assert!(waiting.poll(&waker).is_none(), "a second answer");
        server.join().unwrap();
    });
}

#[test]
fn the_waker_given_last_is_the_one_that_is_woken() {
    check(3, || {
        let (answering, mut waiting) = pair(None, "a question");
        let server = thread::spawn(move || {
            assert!(answering.complete(answer()).is_ok());
        });
        let (_other_parker, other_waker) = parker();
        let (parker, waker) = parker();
        if let Some(answer) = waiting.poll(&other_waker) {
            drop(answer);
        } else {
            assert_eq!(wait(&mut waiting, &parker, &waker), 42);
        }
        server.join().unwrap();
    });
}

#[test]
fn an_answer_that_nobody_takes_is_dropped_once() {
    check(3, || {
        let (answering, waiting) = pair(None, "a question");
        let server = thread::spawn(move || answering.complete(answer()).is_ok());
        drop(waiting);
        let _ = server.join().unwrap();
    });
}

#[test]
fn a_caller_that_gives_up_after_it_has_waited_leaves_nothing_behind() {
    check(3, || {
        let (answering, mut waiting) = pair(None, "a question");
        let server = thread::spawn(move || {
            let abandoned = answering.is_abandoned();
            let taken = answering.complete(answer()).is_ok();
            assert!(!(abandoned && taken), "delivered to nobody");
        });
        let (_parker, waker) = parker();
        drop(waiting.poll(&waker));
        drop(waiting);
        server.join().unwrap();
    });
}

#[test]
fn a_caller_that_moves_to_another_thread_gets_its_answer_there() {
    check(2, || {
        let (answering, mut waiting) = pair(None, "a question");
        let server = thread::spawn(move || {
            assert!(answering.complete(answer()).is_ok());
        });
        let (_first_parker, first) = parker();
        if waiting.poll(&first).is_none() {
            let caller = thread::spawn(move || {
                let (parker, waker) = parker();
                assert_eq!(wait(&mut waiting, &parker, &waker), 42);
            });
            caller.join().unwrap();
        }
        server.join().unwrap();
    });
}

#[test]
fn a_waker_given_at_the_start_is_woken_though_nobody_has_asked_yet() {
    check(3, || {
        let (parker, waker) = parker();
        let (answering, mut waiting) = pair(Some(waker.clone()), "a question");
        let server = thread::spawn(move || {
            assert_eq!(answering.question(), "a question");
            assert!(answering.complete(answer()).is_ok());
        });
        parker.park();
        let answer = waiting.poll(&waker).expect("woken by the answer");
        assert_eq!(answer.into_inner(), 42);
        server.join().unwrap();
    });
}

/// Must fail: whoever sleeps without having asked is woken by nobody.
#[test]
#[should_panic(expected = "deadlock")]
fn a_caller_that_sleeps_before_it_asks_sleeps_for_ever() {
    check(2, || {
        let (answering, mut waiting) = pair(None, "a question");
        let server = thread::spawn(move || {
            assert!(answering.complete(answer()).is_ok());
        });
        let (parker, waker) = parker();
        parker.park();
        wait(&mut waiting, &parker, &waker);
        server.join().unwrap();
    });
}
