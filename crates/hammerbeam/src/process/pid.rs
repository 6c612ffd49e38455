//! Pids: names for processes that can be stale but never wrong.
//!
//! **Promise.** G1: a pid names one process for ever; after that process ended it names nobody, also when its place in the
//! process table is used again.
//! **Not promised.** A pid keeps nothing alive, and holding one says nothing about whether its process still runs.

use std::fmt;

use crate::process::table::SLOT_BITS;

/// A process identifier: 16 bytes, `Copy`, valid for ever and never reused.
///
/// A pid is a place in the process table and the generation of that place, so it can be *stale* (its process ended) but
/// never *wrong* (name another process). Sending to a stale pid drops the message in silence, as on the BEAM.
///
/// In Erlang: `pid()`.
///
/// ```
/// hammerbeam::run(async |cx: hammerbeam::Cx<()>| {
///     let child = hammerbeam::spawn(async |mut cx: hammerbeam::Cx<()>| cx.recv().await)?;
///     assert_ne!(cx.pid(), child.pid());
///     Ok::<_, hammerbeam::Exit>(())
/// })
/// .unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    node: u32,
    slot: u32,
    generation: u64,
}

impl Pid {
    pub(crate) const fn local(slot: u32, generation: u64) -> Self {
        Self {
            node: 0,
            slot,
            generation,
        }
    }

    /// The node the process lives on; 0 is this node.
    #[must_use]
    pub const fn node(self) -> u32 {
        self.node
    }

    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }

    pub(crate) const fn generation(self) -> u64 {
        self.generation
    }

    /// Whether the process exists and has not ended.
    ///
    /// The answer may be outdated when it arrives; to learn of an end reliably, [monitor](crate::Cx::monitor) it.
    ///
    /// In Erlang: `is_process_alive/1`.
    #[must_use]
    pub fn is_alive(self) -> bool {
        crate::process::table::is_alive(self)
    }
}

/// A pid of this node in eight bytes: the slot's number below the generation. Generations end before they run out of room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedPid(u64);

impl PackedPid {
    /// No process: generations start at 1.
    pub(crate) const NOBODY: Self = Self(0);

    /// The pid, if it is one.
    pub(crate) const fn get(self) -> Option<Pid> {
        if self.0 == 0 {
            None
        } else {
            Some(self.unpack())
        }
    }

    pub(crate) const fn new(pid: Pid) -> Self {
        Self(pid.slot as u64 | pid.generation << SLOT_BITS)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn unpack(self) -> Pid {
        let slot = self.0 & ((1 << SLOT_BITS) - 1);
        Pid::local(slot as u32, self.0 >> SLOT_BITS)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Pid<{}.{}.{}>", self.node, self.slot, self.generation)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
