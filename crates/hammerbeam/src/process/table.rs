//! The process table: from a pid to the process, without keeping it alive.
//!
//! **Promise.** A look-up costs two loads; a stale pid finds nobody; a slot is never freed, so a pointer to one is valid for
//! the life of the program.
//! **State.** Segments of 16,384 slots of 32 bytes each, allocated on first use. A slot holds the [`Word`], the block of the
//! process that lives there, the generation, the length of the private inbox, and the mailbox limit.
//! **Order.** A sender loads the word, then compares the generation, then exchanges the word. A process that ends raises the
//! generation, then closes the word. What slips through that net carries its generation and is dropped by the receiver.
//! **Ends.** A reader of the block holds the slot's *pin* (the block pointer's low bit); the owner takes it before it frees.
//! **Tested by** `tests/races.rs`, `tests/regressions.rs`, the models of the word, Miri.

use std::cell::RefCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::mailbox::word::Word;
use crate::process::Pid;
use crate::process::block::Header;

/// Bits of a slot number; 2^26 processes at once in one program.
pub(crate) const SLOT_BITS: u32 = 26;
const SEGMENT_BITS: u32 = 14;
const SEGMENT: usize = 1 << SEGMENT_BITS;
const SEGMENTS: usize = 1 << (SLOT_BITS - SEGMENT_BITS);
/// Free slots a thread keeps for itself, and how many it takes or gives at once.
const CACHE: usize = 128;

const PINNED: usize = 1;
/// Generations of a slot; with its number they fill 64 bits. A slot that is used up is left alone: 32 bytes in 2^38 processes.
const LAST_GENERATION: u64 = (1 << (64 - SLOT_BITS)) - 1;

/// One place in the process table.
#[derive(Debug)]
#[repr(align(32))]
pub(crate) struct Slot {
    pub(crate) word: Word,
    block: AtomicPtr<Header>,
    generation: AtomicU64,
    /// Messages taken off the word and not yet received. Written by the owner.
    pub(crate) inbox: AtomicU32,
    /// The mailbox limit, see `mailbox::limit`; 0 is none.
    pub(crate) limit: AtomicU32,
}

impl Slot {
    fn free() -> Self {
        Self {
            word: Word::dead(),
            block: AtomicPtr::new(ptr::null_mut()),
            generation: AtomicU64::new(1),
            inbox: AtomicU32::new(0),
            limit: AtomicU32::new(0),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Messages in the mailbox.
    pub(crate) fn queue_length(&self) -> usize {
        self.word.stacked() + self.inbox.load(Ordering::Relaxed) as usize
    }

    /// Puts a new process in; it can be found from now on.
    pub(crate) fn occupy(&self, block: *mut Header) {
        // See `pin`.
        block.expose_provenance();
        // Nobody pins an empty slot, so there is no pin to keep.
        self.block.store(block, Ordering::Release);
    }

    /// The block, for whoever owns the process: the winner of the transition to awake.
    pub(crate) fn owned_block(&self) -> *mut Header {
        let block = self.block.load(Ordering::Acquire);
        ptr::with_exposed_provenance_mut(block.addr() & !PINNED)
    }

    /// The first step of an end: nobody finds this process any more.
    pub(crate) fn retire(&self) {
        // Only the owner writes it. The exchange that closes the word orders it before whatever a sender sees next.
        let next = self.generation.load(Ordering::Relaxed) + 1;
        self.generation.store(next, Ordering::Release);
    }

    /// The last step: waits until no reader looks at the block and takes it out.
    pub(crate) fn vacate(&self, block: *mut Header) {
        let mut spins = 0_u32;
        while self
            .block
            .compare_exchange_weak(block, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            relax(&mut spins);
        }
    }

    /// Pins the block of whichever process is there; an empty slot is not pinned, since the next process is put in without a look.
    ///
    /// Between the look and the exchange the block may be freed and its memory used for the next process' block: then the one that the
    /// exchange found is pinned, and what others read meanwhile has its address but not its provenance.
    fn pin(&self) -> Option<NonNull<Header>> {
        let mut spins = 0_u32;
        loop {
            let block = self.block.load(Ordering::Relaxed);
            if block.is_null() {
                return None;
            }
            if block.addr() & PINNED == 0
                && let Ok(found) = self.block.compare_exchange_weak(
                    block,
                    block.map_addr(|a| a | PINNED),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
            {
                return NonNull::new(found);
            }
            relax(&mut spins);
        }
    }

    fn unpin(&self, block: NonNull<Header>) {
        self.block.store(block.as_ptr(), Ordering::Release);
    }
}

/// Waits a moment for a reader, whose look is short.
fn relax(spins: &mut u32) {
    *spins += 1;
    if spins.is_multiple_of(64) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The segments made so far; one that is there stays for ever.
static SEGMENT_TABLE: [AtomicPtr<Slot>; SEGMENTS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SEGMENTS];

static FREE: Mutex<Free> = Mutex::new(Free {
    slots: Vec::new(),
    used: 0,
});

struct Free {
    slots: Vec<u32>,
    /// Slots that were ever handed out.
    used: u32,
}

/// The slot with this number, if it was ever used.
#[inline]
pub(crate) fn slot(number: u32) -> Option<&'static Slot> {
    let segment = SEGMENT_TABLE
        .get((number >> SEGMENT_BITS) as usize)?
        .load(Ordering::Acquire);
    if segment.is_null() {
        return None;
    }
    // SAFETY: a segment has `SEGMENT` slots and is never freed.
    Some(unsafe { &*segment.add(number as usize & (SEGMENT - 1)) })
}

/// The slot of a process of this node, whether or not the pid is stale.
pub(crate) fn slot_of(pid: Pid) -> Option<&'static Slot> {
    if pid.node() == 0 {
        slot(pid.slot())
    } else {
        None
    }
}

pub(crate) fn is_alive(pid: Pid) -> bool {
    slot_of(pid).is_some_and(|slot| slot.generation() == pid.generation())
}

/// Looks at a process' block from outside. The block stays allocated while `look` runs; its process may be running, so only
/// shared fields may be read, and `look` must be short.
pub(crate) fn inspect<R>(pid: Pid, look: impl FnOnce(&Header) -> R) -> Option<R> {
    let slot = slot_of(pid)?;
    if slot.generation() != pid.generation() {
        return None;
    }
    let pinned = Pinned::new(slot)?;
    if slot.generation() != pid.generation() {
        return None;
    }
    // SAFETY: the pin keeps the owner from freeing the block; readers only touch shared fields.
    Some(look(unsafe { pinned.block.as_ref() }))
}

/// The pin of a slot, held until dropped. Short, and nothing is waited for meanwhile.
pub(crate) struct Pinned {
    slot: &'static Slot,
    block: NonNull<Header>,
}

impl Pinned {
    /// None if no process is there.
    pub(crate) fn new(slot: &'static Slot) -> Option<Self> {
        Some(Self {
            slot,
            block: slot.pin()?,
        })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.slot.unpin(self.block);
    }
}

/// The pids of all processes in the table, of all runtimes.
pub(crate) fn pids() -> Vec<Pid> {
    let used = FREE.lock().used;
    (0..used)
        .filter_map(|number| {
            let slot = slot(number)?;
            let generation = slot.generation();
            (!slot.owned_block().is_null()).then(|| Pid::local(number, generation))
        })
        .collect()
}

#[derive(Default)]
struct Cache(Vec<u32>);

impl Drop for Cache {
    fn drop(&mut self) {
        FREE.lock().slots.append(&mut self.0);
    }
}

thread_local! {
    static CACHED: RefCell<Cache> = RefCell::default();
}

/// Takes a free slot; none when all are in use.
pub(crate) fn allocate() -> Option<(u32, &'static Slot)> {
    let number = CACHED
        .try_with(|cache| {
            let cache = &mut cache.borrow_mut().0;
            if cache.is_empty() {
                refill(cache, CACHE / 2);
            }
            cache.pop()
        })
        .unwrap_or_else(|_| {
            let mut one = Vec::new();
            refill(&mut one, 1);
            one.pop()
        })?;
    Some((number, slot(number)?))
}

/// Gives a slot back whose word is closed.
pub(crate) fn release(number: u32) {
    if slot(number).is_none_or(|slot| slot.generation() >= LAST_GENERATION) {
        // Used up: wakers and `Cx`s have room for so many generations and no more.
        return;
    }
    let kept = CACHED.try_with(|cache| {
        let cache = &mut cache.borrow_mut().0;
        cache.push(number);
        if cache.len() > CACHE {
            let surplus = cache.split_off(CACHE / 2);
            FREE.lock().slots.extend(surplus);
        }
    });
    if kept.is_err() {
        FREE.lock().slots.push(number);
    }
}

fn refill(cache: &mut Vec<u32>, want: usize) {
    let mut free = FREE.lock();
    let from = free.slots.len().saturating_sub(want);
    cache.extend(free.slots.drain(from..));
    while cache.len() < want && free.used < 1 << SLOT_BITS {
        let number = free.used;
        let segment = &SEGMENT_TABLE[number as usize >> SEGMENT_BITS];
        if segment.load(Ordering::Relaxed).is_null() {
            // Under the lock, so nobody else makes it.
            let slots: Box<[Slot]> = (0..SEGMENT).map(|_| Slot::free()).collect();
            segment.store(Box::leak(slots).as_mut_ptr(), Ordering::Release);
        }
        cache.push(number);
        free.used += 1;
    }
    cache.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It used to put back what it had found, nothing, in the place of a process that was started meanwhile.
    #[test]
    fn a_look_at_an_empty_slot_leaves_the_next_process_alone() {
        let (number, slot) = allocate().unwrap();
        let look = Pinned::new(slot);
        let mut block = std::mem::MaybeUninit::<Header>::uninit();
        slot.occupy(block.as_mut_ptr());
        drop(look);
        assert_eq!(slot.owned_block(), block.as_mut_ptr());
        {
            let look = Pinned::new(slot).expect("somebody is there");
            assert_eq!(look.block.as_ptr(), block.as_mut_ptr());
            assert_eq!(slot.owned_block(), block.as_mut_ptr());
        }
        slot.retire();
        slot.vacate(block.as_mut_ptr());
        release(number);
    }
}
