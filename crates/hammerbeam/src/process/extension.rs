//! The rarely used parts of a process: relations, names, label, traps, deadline. Allocated on first use.
//!
//! **State.** [`Relations`] sit behind a lock, since [`process_info`](crate::process::info) reads them from outside; the rest
//! belongs to the owner alone. The lock is uncontended but for such a reader, and never held while anything is sent or dropped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use crate::mailbox::node::Owned;
use crate::process::{Exit, Pid, panics};
use crate::signal::{Down, ExitSignal};
use crate::time::TimerKey;

/// Turns what the system tells into a node of the process' own message type. The `u64` is the process' generation.
pub(crate) type MapDown = Box<dyn FnOnce(u64, Down) -> Owned + Send>;
/// As [`MapDown`], for exit signals.
pub(crate) type MapExit = Arc<dyn Fn(u64, ExitSignal) -> Owned + Send + Sync>;

/// What is known of the link to one peer: who made it, by number. Both may have, at the same moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) mine: Option<u64>,
    pub(crate) theirs: Option<u64>,
    /// When this process came to know of it, among its relations: at its end they are told in that order, which unlike the order
    /// of pids is the same in each run under one seed.
    pub(crate) order: u64,
}

impl Ends {
    /// Whether the link stands on neither side.
    pub(crate) const fn is_none(self) -> bool {
        self.mine.is_none() && self.theirs.is_none()
    }
}

/// A monitor that this process has set.
pub(crate) struct Watch {
    pub(crate) target: Pid,
    pub(crate) map: Option<MapDown>,
}

/// How exit signals arrive.
#[derive(Clone, Default)]
pub(crate) enum Trap {
    /// They end the process.
    #[default]
    Off,
    /// As [`crate::Info::Exit`].
    Info,
    /// As a message of the process' own type.
    Message(MapExit),
}

#[derive(Default)]
pub(crate) struct Relations {
    pub(crate) links: BTreeMap<Pid, Ends>,
    pub(crate) link_maps: BTreeMap<Pid, MapExit>,
    pub(crate) watching: BTreeMap<u64, Watch>,
    /// With the order in which they came to be known, as for links.
    pub(crate) watchers: BTreeMap<(u64, Pid), u64>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) parent: Option<Pid>,
}

pub(crate) struct Extension {
    pub(crate) relations: Mutex<Relations>,
    /// The process that a call waits for, as slot and generation; 0, 0 for none.
    call_slot: AtomicU64,
    call_generation: AtomicU64,
    /// What the system told and was not received yet: it is in the mailbox, and no limit counts it.
    pub(crate) told: AtomicU32,

    // The owner's part.
    pub(crate) trap: RefCell<Trap>,
    pub(crate) reason: RefCell<Option<Exit>>,
    next_number: Cell<u64>,
    pub(crate) aliases: RefCell<BTreeMap<u64, Alias>>,
    /// The waker of a receive inside another executor.
    pub(crate) receiver: RefCell<Option<Waker>>,
    /// The earliest time at which the body wants to be polled, in nanoseconds; 0 for none.
    pub(crate) deadline: Cell<u64>,
    /// The timer that is set, and for when.
    pub(crate) armed: Cell<Option<(u64, TimerKey)>>,
}

/// When an alias ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alias {
    Explicit,
    OneMessage,
}

// SAFETY-free by design: `Extension` is reached through the header, whose owner's part is used by the owner only.
impl Extension {
    pub(crate) fn new() -> Self {
        Self {
            relations: Mutex::default(),
            call_slot: AtomicU64::new(0),
            call_generation: AtomicU64::new(0),
            told: AtomicU32::new(0),
            trap: RefCell::default(),
            reason: RefCell::default(),
            next_number: Cell::new(1),
            aliases: RefCell::default(),
            receiver: RefCell::default(),
            deadline: Cell::new(0),
            armed: Cell::new(None),
        }
    }

    /// At the end: drops what is the user's, piece by piece, so that the panic of one destructor harms nothing.
    pub(crate) fn empty(&self) {
        let trap = self.trap.take();
        panics::contain("a mapping's destructor", || drop(trap));
        let reason = self.reason.take();
        panics::contain("an exit reason's destructor", || drop(reason));
        let receiver = self.receiver.take();
        panics::contain("a waker's destructor", || drop(receiver));
    }

    /// A number that this process has not used yet.
    pub(crate) fn number(&self) -> u64 {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        number
    }

    pub(crate) fn calling(&self, pid: Option<Pid>) {
        let (slot, generation) = pid.map_or((0, 0), |p| (u64::from(p.slot()), p.generation()));
        self.call_slot.store(slot, Ordering::Relaxed);
        self.call_generation.store(generation, Ordering::Relaxed);
    }

    /// Who is being called; may be torn while it changes, then it names nobody.
    pub(crate) fn called(&self) -> Option<Pid> {
        let generation = self.call_generation.load(Ordering::Relaxed);
        let slot = u32::try_from(self.call_slot.load(Ordering::Relaxed)).ok()?;
        (generation != 0).then(|| Pid::local(slot, generation))
    }
}
