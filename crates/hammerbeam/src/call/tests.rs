//! The reply slot on real threads, small enough for Miri. (In a file of their own: the loom models compile `answer.rs`.)

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

use super::answer::pair;

struct Unpark(Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn waker() -> (Arc<Unpark>, Waker) {
    let unpark = Arc::new(Unpark(thread::current(), AtomicUsize::new(0)));
    (Arc::clone(&unpark), Waker::from(unpark))
}

#[test]
fn an_answer_is_taken_once() {
    let (unpark, waker) = waker();
    let (answering, mut waiting) = pair(None, "");
    assert!(!answering.is_abandoned());
    assert_eq!(waiting.poll(&waker), None);
    assert_eq!(waiting.poll(Waker::noop()), None);
    assert_eq!(waiting.poll(&waker), None);
    assert_eq!(answering.complete(String::from("yes")), Ok(()));
    assert_eq!(unpark.1.load(Ordering::Relaxed), 1);
    assert_eq!(waiting.poll(&waker).as_deref(), Some("yes"));
    assert_eq!(waiting.poll(&waker), None);
}

#[test]
fn what_nobody_waits_for_comes_back() {
    let (_unpark, waker) = waker();
    let (answering, mut waiting) = pair(Some(waker.clone()), "");
    assert_eq!(waiting.poll(&waker), None);
    drop(waiting);
    assert!(answering.is_abandoned());
    assert_eq!(answering.complete(String::from("yes")), Err("yes".into()));
}

#[test]
fn an_answer_that_nobody_took_is_dropped() {
    let (answering, waiting) = pair(None, "");
    let answer = Arc::new(());
    assert!(answering.complete(Arc::clone(&answer)).is_ok());
    drop(waiting);
    assert_eq!(Arc::strong_count(&answer), 1);
}

#[test]
fn two_threads_meet_at_a_slot() {
    for round in 0..if cfg!(miri) { 10 } else { 10_000 } {
        let (answering, mut waiting) = pair(None, "");
        let server = thread::spawn(move || answering.complete(Box::new(round)).is_ok());
        if round % 3 == 0 {
            drop(waiting);
            server.join().unwrap();
            continue;
        }
        let (_unpark, waker) = waker();
        let answer = loop {
            match waiting.poll(&waker) {
                Some(answer) => break answer,
                None => thread::park(),
            }
        };
        assert_eq!(*answer, round);
        assert!(server.join().unwrap());
    }
}
