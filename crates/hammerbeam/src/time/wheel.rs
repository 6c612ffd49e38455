//! A hierarchical timing wheel: setting and cancelling a timer cost the same however many there are.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), with 64 slots per level and a bitmap of the occupied
//! ones, as in tokio and Kafka. A tick is 2^16 ns (65.5 µs), so a timer is late by at most that; seven levels reach nine years.
//!
//! **Promise.** A timer never fires early. Each is either fired or cancelled, once. 48 bytes each.
//! **State.** Entries lie in chunks that never move; a slot's entries form a doubly linked list by number.

use crate::time::Action;

const TICK_BITS: u32 = 16;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 7;
/// Ticks that the top level covers; what lies beyond waits in its last slot and is looked at again there.
const REACH: u64 = 1 << (SLOT_BITS * LEVELS as u32);
const CHUNK: usize = 512;
const NONE: u32 = u32::MAX;
const FREE: u16 = u16::MAX;

struct Entry {
    deadline: u64,
    next: u32,
    previous: u32,
    generation: u32,
    place: u16,
    action: Option<Action>,
}

struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

/// Which timer, in which incarnation of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryKey {
    pub(crate) entry: u32,
    pub(crate) generation: u32,
}

pub(crate) struct Wheel {
    /// Everything up to this tick has fired.
    now: u64,
    levels: [Level; LEVELS],
    chunks: Vec<Box<[Entry]>>,
    free: u32,
    len: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            levels: std::array::from_fn(|_| Level {
                occupied: 0,
                heads: [NONE; SLOTS],
            }),
            chunks: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Timers that are set.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Sets a timer, `deadline` in nanoseconds.
    pub(crate) fn insert(&mut self, deadline: u64, action: Action) -> EntryKey {
        if self.free == NONE {
            self.grow();
        }
        let number = self.free;
        let entry = self.entry(number);
        let generation = entry.generation;
        let next_free = entry.next;
        entry.deadline = deadline;
        entry.action = Some(action);
        self.free = next_free;
        self.len += 1;
        self.link(number);
        EntryKey {
            entry: number,
            generation,
        }
    }

    /// Cancels a timer: its deadline and action, or nothing if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: EntryKey) -> Option<(u64, Action)> {
        if key.entry as usize >= self.chunks.len() * CHUNK {
            return None;
        }
        let entry = self.entry(key.entry);
        if entry.generation != key.generation || entry.place == FREE {
            return None;
        }
        let deadline = entry.deadline;
        self.unlink(key.entry);
        let action = self.release(key.entry)?;
        Some((deadline, action))
    }

    /// When to look again, in nanoseconds: no timer is due before.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.next_expiration().map(|(_, _, tick)| tick << TICK_BITS)
    }

    /// Moves on to `now` (nanoseconds) and appends the actions of all timers that are due, earliest tick first.
    pub(crate) fn advance(&mut self, now: u64, due: &mut Vec<Action>) {
        let target = now >> TICK_BITS;
        while let Some((level, slot, tick)) = self.next_expiration() {
            if tick > target {
                break;
            }
            self.now = self.now.max(tick);
            let mut number = std::mem::replace(&mut self.levels[level].heads[slot], NONE);
            self.levels[level].occupied &= !(1 << slot);
            while number != NONE {
                let entry = self.entry(number);
                let next = entry.next;
                if tick_of(entry.deadline) <= self.now {
                    due.extend(self.release(number));
                } else {
                    self.link(number);
                }
                number = next;
            }
        }
        self.now = self.now.max(target);
    }

    /// The earliest occupied slot: level, slot, and the tick at which it is due.
    fn next_expiration(&self) -> Option<(usize, usize, u64)> {
        for (number, level) in self.levels.iter().enumerate() {
            if level.occupied == 0 {
                continue;
            }
            let shift = SLOT_BITS * number as u32;
            let here = ((self.now >> shift) as usize) & (SLOTS - 1);
            let ahead = level.occupied.rotate_right(here as u32).trailing_zeros() as usize;
            let slot = (here + ahead) & (SLOTS - 1);
            let range = 1_u64 << (shift + SLOT_BITS);
            let start = self.now & !(range - 1);
            let mut tick = start + ((slot as u64) << shift);
            if tick <= self.now {
                tick += range;
            }
            return Some((number, slot, tick));
        }
        None
    }

    fn link(&mut self, number: u32) {
        let deadline = self.entry(number).deadline;
        let tick = tick_of(deadline)
            .max(self.now + 1)
            .min(self.now.saturating_add(REACH - 1));
        let differing = (tick ^ self.now) | (SLOTS as u64 - 1);
        let level = (((63 - differing.leading_zeros()) / SLOT_BITS) as usize).min(LEVELS - 1);
        let slot = ((tick >> (SLOT_BITS * level as u32)) as usize) & (SLOTS - 1);
        let head = std::mem::replace(&mut self.levels[level].heads[slot], number);
        self.levels[level].occupied |= 1 << slot;
        if head != NONE {
            self.entry(head).previous = number;
        }
        let entry = self.entry(number);
        entry.place = (level * SLOTS + slot) as u16;
        entry.next = head;
        entry.previous = NONE;
    }

    fn unlink(&mut self, number: u32) {
        let entry = self.entry(number);
        let (next, previous, place) = (entry.next, entry.previous, entry.place as usize);
        if next != NONE {
            self.entry(next).previous = previous;
        }
        if previous != NONE {
            self.entry(previous).next = next;
        } else {
            let level = &mut self.levels[place / SLOTS];
            level.heads[place % SLOTS] = next;
            if next == NONE {
                level.occupied &= !(1 << (place % SLOTS));
            }
        }
    }

    fn release(&mut self, number: u32) -> Option<Action> {
        let free = self.free;
        let entry = self.entry(number);
        entry.place = FREE;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        let action = entry.action.take();
        self.free = number;
        self.len -= 1;
        action
    }

    fn grow(&mut self) {
        let first = (self.chunks.len() * CHUNK) as u32;
        let chunk = (0..CHUNK as u32)
            .map(|i| Entry {
                deadline: 0,
                next: if i + 1 == CHUNK as u32 {
                    NONE
                } else {
                    first + i + 1
                },
                previous: NONE,
                generation: 0,
                place: FREE,
                action: None,
            })
            .collect();
        self.chunks.push(chunk);
        self.free = first;
    }

    fn entry(&mut self, number: u32) -> &mut Entry {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }
}

/// The first tick at which a deadline has passed.
const fn tick_of(deadline: u64) -> u64 {
    (deadline >> TICK_BITS)
        + if deadline & ((1 << TICK_BITS) - 1) == 0 {
            0
        } else {
            1
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Wake, Waker};

    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter() -> (Arc<Count>, Action) {
        let count = Arc::new(Count(AtomicU64::new(0)));
        (Arc::clone(&count), Action::Wake(Waker::from(count)))
    }

    fn run(due: &mut Vec<Action>) {
        for action in due.drain(..) {
            action.run();
        }
    }

    #[test]
    fn entries_stay_within_48_bytes() {
        assert!(size_of::<Entry>() <= 48, "{}", size_of::<Entry>());
    }

    #[test]
    fn a_timer_never_fires_early_and_at_most_one_tick_late() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        let mut seed = 7_u64;
        let mut now = 1_000_000_u64;
        wheel.advance(now, &mut due);
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let delay = (seed >> 20) % (1 << (20 + (seed % 24)));
            let (count, action) = counter();
            wheel.insert(now + delay, action);
            let deadline = now + delay;
            while count.0.load(Ordering::Relaxed) == 0 {
                let next = wheel.next_deadline().expect("a timer is set");
                assert!(next <= deadline.max(now) + (2 << TICK_BITS));
                now = now.max(next);
                wheel.advance(now, &mut due);
                if !due.is_empty() {
                    assert!(now >= deadline, "early by {}", deadline - now);
                }
                run(&mut due);
            }
            assert_eq!(wheel.len(), 0);
        }
    }

    #[test]
    fn many_timers_fire_once_each_in_order_of_ticks() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        let mut all = Vec::new();
        let mut seed = 1_u64;
        for _ in 0..if cfg!(miri) { 100 } else { 5_000 } {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (count, action) = counter();
            let deadline = (seed >> 30) % 3_000_000_000;
            let key = wheel.insert(deadline, action);
            all.push((deadline, count, key));
        }
        for (deadline, count, key) in all.iter().step_by(3) {
            assert_eq!(wheel.cancel(*key).map(|(at, _)| at), Some(*deadline));
            assert!(wheel.cancel(*key).is_none(), "cancelled twice");
            count.0.store(1, Ordering::Relaxed);
        }
        let mut now = 0;
        while now < 3_100_000_000 {
            now += if cfg!(miri) { 70_000_001 } else { 700_001 };
            wheel.advance(now, &mut due);
            run(&mut due);
            for (deadline, count, _) in all.iter().skip(1).step_by(3) {
                let fired = count.0.load(Ordering::Relaxed);
                assert_eq!(fired, u64::from(tick_of(*deadline) <= now >> TICK_BITS));
            }
        }
        assert_eq!(wheel.len(), 0);
        assert!(
            all.iter()
                .all(|(_, count, _)| count.0.load(Ordering::Relaxed) == 1)
        );
    }

    #[test]
    fn a_deadline_beyond_the_reach_of_the_wheel_waits() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        let (count, action) = counter();
        let key = wheel.insert(u64::MAX - 5, action);
        wheel.advance(1 << 50, &mut due);
        assert!(due.is_empty());
        assert!(wheel.cancel(key).is_some());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
