//! Word, nodes and inbox together, small enough for Miri. (In a file of their own: the loom models compile the others.)

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::inbox::{Inbox, Place, Taken};
use super::node::{Owned, Payload};
use super::word::{Kind, Push, Settled, Word};

const GENERATION: u64 = 3;

/// Counts its drops.
struct Counted(usize, Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

fn message(number: usize, drops: &Arc<AtomicUsize>) -> Owned {
    Owned::message(GENERATION, Counted(number, Arc::clone(drops)))
}

fn number(node: Owned) -> usize {
    // SAFETY: the messages of these tests.
    unsafe { node.into_value::<Counted>() }.0
}

/// Pushes as `deliver` does; gives back what was not put on the stack.
fn push(word: &Word, node: Owned, kind: Kind) -> (Push, Option<Owned>) {
    let link = node.into_link();
    // SAFETY: the node is ours and aligned.
    let pushed = unsafe { word.push(link, kind, |_| true) };
    let back = matches!(pushed, Push::Refused | Push::Handed).then(|| {
        // SAFETY: then it is still ours.
        unsafe { Owned::from_link(NonNull::new(link).unwrap()) }
    });
    (pushed, back)
}

fn take(word: &Word) -> Taken {
    // SAFETY: what `take` returned is ours.
    unsafe { Taken::oldest_first(word.take(|_| {})) }
}

#[test]
fn messages_are_taken_in_order_and_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let word = Word::dead();
    assert_eq!(
        push(&word, message(0, &drops), Kind::Message).0,
        Push::Refused
    );
    word.open();
    for n in 0..5 {
        let (pushed, _) = push(&word, message(n, &drops), Kind::Hand);
        assert_eq!(pushed, Push::Delivered, "it is awake");
    }
    assert_eq!(word.stacked(), 5);
    assert_eq!(take(&word).map(number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(word.is_empty());
    push(&word, message(5, &drops), Kind::Message);
    push(&word, message(6, &drops), Kind::Signal);
    // Dropped without a look.
    drop(take(&word));
    push(&word, message(7, &drops), Kind::Message);
    // SAFETY: `close` hands the stack over.
    let left = unsafe { Taken::oldest_first(word.close()) };
    assert_eq!(left.count(), 1);
    assert_eq!(
        push(&word, message(8, &drops), Kind::Signal).0,
        Push::Refused
    );
    assert_eq!(drops.load(Ordering::Relaxed), 10);
}

#[test]
fn whoever_sleeps_is_handed_its_message() {
    let drops = Arc::new(AtomicUsize::new(0));
    let word = Word::dead();
    word.open();
    word.begin();
    assert_eq!(word.settle(true), Settled::Asleep);
    let (pushed, handed) = push(&word, message(1, &drops), Kind::Hand);
    assert_eq!((pushed, word.is_empty()), (Push::Handed, true));
    assert_eq!(number(handed.unwrap()), 1);
    assert!(word.is_awake());
    assert_eq!(word.settle(true), Settled::Asleep);
    assert_eq!(push(&word, message(2, &drops), Kind::Message).0, Push::Wake);
    assert_eq!(word.settle(true), Settled::Again);
    assert_eq!(take(&word).map(number).collect::<Vec<_>>(), [2]);
    assert_eq!(word.settle(false), Settled::Asleep);
    assert_eq!(
        push(&word, message(3, &drops), Kind::Hand).0,
        Push::Delivered
    );
    assert!(word.wake(|| true), "asleep");
    assert!(!word.wake(|| true), "awake already");
    assert!(word.begin().notified);
    assert_eq!(
        push(&word, message(4, &drops), Kind::Signal).0,
        Push::Delivered
    );
    assert!(word.begin().signals);
    assert_eq!(take(&word).count(), 2);
    word.close();
    assert!(!word.wake(|| true));
}

#[test]
fn what_was_taken_can_be_put_back_before_anything_new() {
    let drops = Arc::new(AtomicUsize::new(0));
    let word = Word::dead();
    word.open();
    push(&word, message(0, &drops), Kind::Message);
    push(&word, message(1, &drops), Kind::Message);
    let newest = word.take(|count| assert_eq!(count, 2));
    // SAFETY: the chain came from this word.
    let restored = unsafe { word.restore(newest, 2, false) };
    assert_eq!(restored, Some(Push::Delivered));
    push(&word, message(2, &drops), Kind::Message);
    assert_eq!(take(&word).map(number).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_node_knows_what_and_whose_it_is() {
    let drops = Arc::new(AtomicUsize::new(0));
    let aliased = Owned::aliased(GENERATION, 9, Counted(1, Arc::clone(&drops)));
    assert_eq!(
        (aliased.payload(), aliased.generation()),
        (Payload::Aliased, GENERATION)
    );
    drop(aliased);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let info = Owned::info(GENERATION, [7_u64; 20]);
    assert_eq!(info.payload(), Payload::Info);
    let link = NonNull::new(info.into_link()).unwrap();
    // SAFETY: ours, and made above.
    unsafe {
        assert_eq!(Owned::payload_of(link), Payload::Info);
        assert_eq!(Owned::peek::<[u64; 20]>(link), &[7; 20]);
        drop(Owned::from_link(link));
    }
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    assert!(Owned::message(GENERATION, Panics).discard().is_err());
    drop(Owned::message(GENERATION, ()));
}

#[test]
fn an_inbox_gives_out_from_any_place() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut inbox = Inbox::new();
    assert!(inbox.pop_front().is_none());
    for n in 0..5 {
        inbox.push_back(message(n, &drops));
    }
    // The last, the middle, the first; and each time it goes on behind the place.
    let mut place = Place::START;
    for _ in 0..4 {
        place = inbox.advance(place);
    }
    assert_eq!(number(inbox.remove(place).unwrap()), 4);
    assert!(inbox.at(place).is_none());
    inbox.push_back(message(5, &drops));
    assert_eq!(number(inbox.remove(place).unwrap()), 5);
    let place = inbox.advance(inbox.advance(Place::START));
    assert_eq!(number(inbox.remove(place).unwrap()), 2);
    assert_eq!(number(inbox.remove(place).unwrap()), 3);
    assert_eq!(number(inbox.pop_front().unwrap()), 0);
    assert_eq!(number(inbox.pop_front().unwrap()), 1);
    assert!(inbox.pop_front().is_none() && inbox.at(Place::START).is_none());
    inbox.push_back(message(6, &drops));
    assert_eq!(number(inbox.pop_front().unwrap()), 6);
    assert_eq!(drops.load(Ordering::Relaxed), 7);
}

/// The node that a sender saw is received and freed, and its memory used for another one, before the sender's exchange: the bits
/// are the same, so that it succeeds, and the new node is the one behind it.
#[test]
fn memory_that_is_used_again_under_a_senders_eyes_is_followed_all_the_same() {
    let drops = Arc::new(AtomicUsize::new(0));
    let word = Word::dead();
    word.open();
    push(&word, message(0, &drops), Kind::Message);
    let mut looks = 0;
    let link = message(2, &drops).into_link();
    // SAFETY: the node is ours and aligned.
    let pushed = unsafe {
        word.push(link, Kind::Message, |_| {
            looks += 1;
            if looks == 1 {
                assert_eq!(take(&word).map(number).collect::<Vec<_>>(), [0]);
                push(&word, message(1, &drops), Kind::Message);
            }
            true
        })
    };
    assert_eq!(pushed, Push::Delivered);
    println!("{looks} looks: the memory was used again if there was one");
    assert_eq!(take(&word).map(number).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn two_senders_and_a_receiver_share_a_word() {
    const MESSAGES: usize = if cfg!(miri) { 20 } else { 20_000 };
    let drops = Arc::new(AtomicUsize::new(0));
    let word = Arc::new(Word::dead());
    word.open();
    let senders: Vec<_> = (0..2)
        .map(|sender| {
            let (word, drops) = (Arc::clone(&word), Arc::clone(&drops));
            thread::spawn(move || {
                for n in 0..MESSAGES {
                    let node = message(2 * n + sender, &drops);
                    assert_eq!(push(&word, node, Kind::Hand).0, Push::Delivered);
                }
            })
        })
        .collect();
    let mut next = [0, 0];
    while next != [MESSAGES; 2] {
        for node in take(&word) {
            let n = number(node);
            assert_eq!(n / 2, next[n % 2], "out of order");
            next[n % 2] += 1;
        }
        thread::yield_now();
    }
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(drops.load(Ordering::Relaxed), 2 * MESSAGES);
}
