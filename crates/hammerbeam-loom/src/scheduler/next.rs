//! The next slot: what its thread puts in is taken out once, by the thread or by sysmon.

use std::ptr::NonNull;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::next_slot::NextSlot;
use crate::model::check;

/// A process, as far as the slot is concerned: whoever takes it out has it alone.
struct Item(UnsafeCell<usize>);

/// Makes what the pointer in a slot stands for `Send`, as a `Runnable` is.
struct Slot(NextSlot<Item>);

// SAFETY: an item is used by whoever took it out of the slot, which is what loom checks here.
unsafe impl Send for Slot {}
// SAFETY: likewise.
unsafe impl Sync for Slot {}

fn item(number: usize) -> NonNull<Item> {
    let item = Box::new(Item(UnsafeCell::new(0)));
    // The owner's last write before it hands the item over.
    // SAFETY: nobody else has it yet.
    item.0.with_mut(|n| unsafe { *n = number });
    NonNull::from(Box::leak(item))
}

fn open(item: NonNull<Item>) -> usize {
    // SAFETY: taken out of the slot, so it is ours.
    let item = unsafe { Box::from_raw(item.as_ptr()) };
    // SAFETY: likewise.
    item.0.with(|n| unsafe { *n })
}

#[test]
fn each_item_is_taken_once() {
    check(3, || {
        let slot = Arc::new(Slot(NextSlot::new()));
        let sysmon = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                (0..2)
                    .filter_map(|_| slot.0.take().map(open))
                    .collect::<Vec<_>>()
            })
        };
        let mut out = Vec::new();
        out.extend(slot.0.put(item(1)).map(open));
        out.extend(slot.0.put(item(2)).map(open));
        out.extend(slot.0.take().map(open));
        out.extend(slot.0.put(item(3)).map(open));
        out.extend(sysmon.join().unwrap());
        out.extend(slot.0.take().map(open));
        out.sort_unstable();
        assert_eq!(out, [1, 2, 3]);
        assert!(slot.0.is_empty());
    });
}

/// Must fail: the slot is for the puts of one thread.
#[test]
#[should_panic(expected = "lost")]
fn two_threads_that_put_lose_an_item() {
    check(2, || {
        let slot = Arc::new(Slot(NextSlot::new()));
        let other = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.0.put(item(1)).map(open))
        };
        let mut out: Vec<_> = slot.0.put(item(2)).map(open).into_iter().collect();
        out.extend(other.join().unwrap());
        out.extend(slot.0.take().map(open));
        assert_eq!(out.len(), 2, "lost");
    });
}
