//! Where this thread is: which process it runs, for which runtime, with how many reductions left.
//!
//! **Promise.** [`with_process`] hands out the process that this thread is polling, and nothing else: a [`Cx`](crate::Cx) that
//! was carried out of its process finds that it is not at home.
//! **Not promised.** Nothing here keeps a process or a runtime alive.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use crate::process::block::{Header, Runnable};
use crate::process::pid::PackedPid;
use crate::process::{Exit, Pid};
use crate::runtime::Shared;
use crate::scheduler::worker::Local;

/// Reductions that a process may spend before it goes to the back of the queue.
pub(crate) const SLICE: i32 = 2000;

pub(crate) struct Here {
    process: Cell<*const Header>,
    /// The pid of that process, which outlives its generation while the process is taken apart.
    pid: Cell<PackedPid>,
    runtime: Cell<*const Shared>,
    /// The worker whose loop this thread runs; null elsewhere.
    local: Cell<*const Local>,
    budget: Cell<i32>,
    /// Why the process that this thread takes apart has ended.
    ending: Cell<*const Exit>,
    /// Whether what is owed is held back, and how much is.
    holding: Cell<bool>,
    owed: Cell<usize>,
}

/// What somebody waits for, to be done with the reason of the process' end, or with none if it goes on.
pub(crate) type Owed = Box<dyn FnOnce(Option<Exit>)>;

thread_local! {
    // Apart from `HERE`, whose access is cheaper without a destructor.
    static OWED: RefCell<Vec<Owed>> = const { RefCell::new(Vec::new()) };

    static HERE: Here = const {
        Here {
            process: Cell::new(ptr::null()),
            pid: Cell::new(PackedPid::NOBODY),
            runtime: Cell::new(ptr::null()),
            local: Cell::new(ptr::null()),
            budget: Cell::new(0),
            ending: Cell::new(ptr::null()),
            holding: Cell::new(false),
            owed: Cell::new(0),
        }
    };
}

/// The process that this thread is polling right now, if any.
pub(crate) fn with_process<R>(look: impl FnOnce(&Header) -> R) -> Option<R> {
    HERE.with(|here| {
        // SAFETY: set by `Polling` for the time of a poll, during which this thread owns the process.
        unsafe { here.process.get().as_ref() }.map(look)
    })
}

/// The process with this pid, if this thread is polling it.
pub(crate) fn at_home<R>(pid: Pid, look: impl FnOnce(&Header) -> R) -> Option<R> {
    with_process(|header| {
        (header.number() == pid.slot() && header.slot.generation() == pid.generation())
            .then(|| look(header))
    })
    .flatten()
}

/// The pid of the process that is running on this thread.
///
/// In Erlang: `self/0`.
///
/// ```
/// assert_eq!(hammerbeam::self_pid(), None);
/// ```
#[must_use]
pub fn self_pid() -> Option<Pid> {
    HERE.with(|here| here.pid.get().get())
}

/// The runtime that this thread belongs to or has entered.
pub(crate) fn with_runtime<R>(look: impl FnOnce(&Shared) -> R) -> Option<R> {
    HERE.with(|here| {
        // SAFETY: set by `Entered`, counted while it stands there.
        unsafe { here.runtime.get().as_ref() }.map(look)
    })
}

/// The worker loop of this thread.
pub(crate) fn with_local<R>(look: impl FnOnce(&Local) -> R) -> Option<R> {
    HERE.with(|here| {
        // SAFETY: set by `Entered::worker` for the time of the worker's loop.
        unsafe { here.local.get().as_ref() }.map(look)
    })
}

/// Spends reductions of the running process. False: it has none left and should yield.
pub(crate) fn spend(reductions: i32) -> bool {
    HERE.with(|here| {
        let left = here.budget.get().saturating_sub(reductions);
        here.budget.set(left);
        left > 0
    })
}

/// Why the process that this thread is taking apart has ended; none while it lives.
pub(crate) fn ending() -> Option<Exit> {
    HERE.with(|here| {
        // SAFETY: set by `while_ending` for as long as the reference it was given lives.
        unsafe { here.ending.get().as_ref() }.cloned()
    })
}

/// Runs `take_apart`, during which [`ending`] gives this reason. `take_apart` must not panic.
pub(crate) fn while_ending<R>(reason: &Exit, take_apart: impl FnOnce() -> R) -> R {
    struct Restore(*const Exit);
    impl Drop for Restore {
        fn drop(&mut self) {
            HERE.with(|here| here.ending.set(self.0));
        }
    }
    let _restore = Restore(HERE.with(|here| here.ending.replace(reason)));
    take_apart()
}

/// Does something with the reason of the running process' end, as soon as it is known whether it ends: after the poll, or when
/// nobody finds the process any more. Outside of processes at once.
pub(crate) fn owe(settle: impl FnOnce(Option<Exit>) + 'static) {
    HERE.with(|here| {
        if !here.holding.get() {
            return settle(ending());
        }
        OWED.with_borrow_mut(|owed| owed.push(Box::new(settle)));
        here.owed.set(here.owed.get() + 1);
    });
}

/// Marks this thread as polling a process, until dropped.
pub(crate) struct Polling {
    before: *const Header,
    pid: PackedPid,
    budget: i32,
    holding: bool,
    owed: usize,
}

impl Polling {
    pub(crate) fn start(process: &Runnable) -> Self {
        HERE.with(|here| Self {
            before: here.process.replace(process.header()),
            pid: here.pid.replace(PackedPid::new(process.header().pid())),
            budget: here.budget.replace(SLICE),
            holding: here.holding.replace(true),
            owed: here.owed.replace(0),
        })
    }

    /// What is owed so far; from now on nothing is held back.
    #[inline]
    pub(crate) fn release(&self) -> Vec<Owed> {
        HERE.with(|here| {
            here.holding.set(false);
            match here.owed.replace(0) {
                0 => Vec::new(),
                count => owed(count),
            }
        })
    }

    /// Reductions spent so far.
    pub(crate) fn spent(&self) -> u64 {
        HERE.with(|here| u64::from((SLICE - here.budget.get()).unsigned_abs()))
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        HERE.with(|here| {
            here.process.set(self.before);
            here.pid.set(self.pid);
            here.budget.set(self.budget);
            here.holding.set(self.holding);
            here.owed.set(self.owed);
        });
    }
}

#[cold]
fn owed(count: usize) -> Vec<Owed> {
    OWED.with_borrow_mut(|owed| owed.split_off(owed.len() - count))
}

/// Marks this thread as belonging to a runtime, until dropped.
///
/// The thread counts the runtime it belongs to, so guards may be dropped in any order, or forgotten: then the runtime's memory
/// stays.
pub(crate) struct Entered {
    /// What it belonged to before, counted.
    runtime: *const Shared,
    local: *const Local,
}

impl Entered {
    pub(crate) fn runtime(runtime: Arc<Shared>) -> Self {
        HERE.with(|here| Self {
            runtime: here.runtime.replace(Arc::into_raw(runtime)),
            local: here.local.get(),
        })
    }

    /// # Safety
    /// `local` outlives the returned guard, which is dropped on this thread.
    pub(crate) unsafe fn worker(runtime: Arc<Shared>, local: &Local) -> Self {
        HERE.with(|here| Self {
            runtime: here.runtime.replace(Arc::into_raw(runtime)),
            local: here.local.replace(local),
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = HERE.with(|here| {
            here.local.set(self.local);
            here.runtime.replace(self.runtime)
        });
        if !left.is_null() {
            // SAFETY: what stands in `runtime` came from `Arc::into_raw` and is counted there.
            drop(unsafe { Arc::from_raw(left) });
        }
    }
}
