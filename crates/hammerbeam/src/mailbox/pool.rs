//! Memory for what lives as long as a message is under way: kept per worker, by size.
//!
//! A message is allocated where it is sent and freed where it is received, which is the worst case of an allocator with
//! thread-local heaps. A worker therefore keeps what it frees for what it sends next; in balanced traffic no memory crosses.
//!
//! **Promise.** At most [`KEPT`] pieces of each size per worker are kept; threads that are not workers use the allocator.
//! **Tested by** the tests below, `tests/no_leak.rs`, Miri.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::process::current;

/// Sizes are multiples of this.
const GRAIN: usize = 16;
/// Sizes up to `GRAIN * (CLASSES - 1)` are kept.
const CLASSES: usize = 9;
/// Pieces of one size that a worker keeps.
const KEPT: u16 = 256;

struct Piece {
    next: *mut Self,
}

/// A worker's memory.
pub(crate) struct Pool {
    kept: [Cell<*mut Piece>; CLASSES],
    counts: [Cell<u16>; CLASSES],
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self {
            kept: std::array::from_fn(|_| Cell::new(ptr::null_mut())),
            counts: std::array::from_fn(|_| Cell::new(0)),
        }
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let piece = NonNull::new(self.kept[class].get())?;
        // SAFETY: a kept piece is ours and begins with its link.
        self.kept[class].set(unsafe { piece.as_ref() }.next);
        self.counts[class].set(self.counts[class].get() - 1);
        Some(piece.cast())
    }

    fn keep(&self, memory: NonNull<u8>, class: usize) -> bool {
        let count = self.counts[class].get();
        if count >= KEPT {
            return false;
        }
        let piece = memory.cast::<Piece>();
        let next = self.kept[class].replace(piece.as_ptr());
        // SAFETY: the memory was given up to us, is large enough and aligned to 16.
        unsafe { piece.write(Piece { next }) };
        self.counts[class].set(count + 1);
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for class in 1..CLASSES {
            while let Some(memory) = self.take(class) {
                // SAFETY: kept pieces of this class were allocated with this layout.
                unsafe { dealloc(memory.as_ptr(), layout(class)) };
            }
        }
    }
}

const fn layout(class: usize) -> Layout {
    match Layout::from_size_align(class * GRAIN, GRAIN) {
        Ok(layout) => layout,
        Err(_) => panic!("small sizes have layouts"),
    }
}

/// The size class of a type, or 0 for types that are not kept.
const fn class_of<T>() -> usize {
    let class = size_of::<T>().div_ceil(GRAIN);
    if class < CLASSES && align_of::<T>() <= GRAIN {
        class
    } else {
        0
    }
}

/// Moves a value to the heap.
#[inline]
pub(crate) fn boxed<T>(value: T) -> NonNull<T> {
    let class = const { class_of::<T>() };
    let layout = const {
        match class_of::<T>() {
            0 => Layout::new::<T>(),
            class => layout(class),
        }
    };
    if layout.size() == 0 {
        return NonNull::dangling();
    }
    let kept = if class == 0 {
        None
    } else {
        current::with_local(|local| local.pool.take(class)).flatten()
    };
    let memory = kept.unwrap_or_else(|| {
        // SAFETY: the size is not 0.
        NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
    });
    let place = memory.cast::<T>();
    // SAFETY: freshly allocated with a layout that holds a `T`.
    unsafe { place.write(value) };
    place
}

/// Frees what [`boxed`] allocated, without dropping the value.
///
/// # Safety
/// `place` came from `boxed::<T>`, and is not used again.
#[inline]
pub(crate) unsafe fn free<T>(place: NonNull<T>) {
    let class = const { class_of::<T>() };
    if size_of::<T>() == 0 {
        return;
    }
    let memory = place.cast::<u8>();
    if class == 0 {
        // SAFETY: as promised by the caller.
        return unsafe { dealloc(memory.as_ptr(), Layout::new::<T>()) };
    }
    if current::with_local(|local| local.pool.keep(memory, class)) != Some(true) {
        // SAFETY: likewise; it was allocated with the layout of its class.
        unsafe { dealloc(memory.as_ptr(), layout(class)) };
    }
}

/// Moves the value out and frees its memory.
///
/// # Safety
/// As for [`free`].
#[inline]
pub(crate) unsafe fn unboxed<T>(place: NonNull<T>) -> T {
    // SAFETY: as promised by the caller.
    unsafe {
        let value = place.read();
        free(place);
        value
    }
}

/// Drops the value in place and frees its memory, also when the destructor panics.
///
/// # Safety
/// As for [`free`].
pub(crate) unsafe fn drop_boxed<T>(place: NonNull<T>) {
    struct Free<T>(NonNull<T>);
    impl<T> Drop for Free<T> {
        fn drop(&mut self) {
            // SAFETY: as promised to `drop_boxed`.
            unsafe { free(self.0) };
        }
    }
    let _free = Free(place);
    // SAFETY: as promised by the caller.
    unsafe { place.drop_in_place() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_piece_is_given_out_again() {
        let pool = Pool::new();
        // SAFETY: a layout with a size.
        let memory = NonNull::new(unsafe { alloc(layout(2)) }).unwrap();
        assert!(pool.keep(memory, 2));
        assert_eq!(pool.take(2), Some(memory));
        assert_eq!(pool.take(2), None);
        assert!(pool.keep(memory, 2));
    }

    #[test]
    fn values_of_all_sizes_and_alignments_come_back() {
        #[repr(align(64))]
        struct Wide(u8);
        // SAFETY: each is unboxed once.
        unsafe {
            assert_eq!(unboxed(boxed(7_u8)), 7);
            assert_eq!(unboxed(boxed([3_u64; 40])), [3; 40]);
            assert_eq!(unboxed(boxed(Wide(9))).0, 9);
            assert_eq!(unboxed(boxed(String::from("x"))), "x");
            unboxed(boxed(()));
            drop_boxed(boxed(vec![1, 2, 3]));
        }
    }
}
