//! The waker of a process: a slot number and a generation in one word, counted by nobody.
//!
//! **Promise.** Cloning and dropping cost nothing; a waker that outlives its process wakes nobody.

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::mailbox::deliver;
use crate::process::Pid;
use crate::process::pid::PackedPid;
use crate::process::table;

const _: () = assert!(usize::BITS == 64, "hammerbeam needs a 64-bit machine");

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

fn pack(pid: Pid) -> *const () {
    ptr::without_provenance(PackedPid::new(pid).to_bits() as usize)
}

/// A waker for a process of this node.
pub(crate) fn waker(pid: Pid) -> Waker {
    // SAFETY: the functions below keep the contract: they are thread-safe and the data is a plain number.
    unsafe { Waker::from_raw(RawWaker::new(pack(pid), &VTABLE)) }
}

/// Whether a waker is the one of this very process, so that no copy need be kept to wake it.
pub(crate) fn is_of(waker: &Waker, pid: Pid) -> bool {
    ptr::eq(waker.vtable(), &VTABLE) && waker.data() == pack(pid)
}

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLE)
}

fn wake(data: *const ()) {
    let pid = PackedPid::from_bits(data.addr() as u64).unpack();
    let Some(slot) = table::slot(pid.slot()) else {
        return;
    };
    if slot.word.wake(|| slot.generation() == pid.generation()) {
        deliver::wake_for_poll(slot);
    }
}

fn drop(_: *const ()) {}
