//! Nodes: what travels between processes.
//!
//! A node is one allocation that holds the queue's link, who it is for, and the payload. Control signals and messages travel
//! in the same stack, so that their order between two processes holds.
//!
//! **Promise.** A node that was addressed to a process that has ended, whatever became of its place in the table meanwhile,
//! is dropped by its own type's destructor: it carries its generation and its vtable.
//! **Ends.** An [`Owned`] node drops its payload; a panic of that destructor stays in [`Owned::discard`].
//! **Tested by** `tests/isolation.rs`, the models of the word, Miri.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::mailbox::pool;
use crate::mailbox::word::Link;

/// What a node carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A message of the receiver's type.
    Message,
    /// A message that is delivered only while the alias behind it is active.
    Aliased,
    /// Information from the system, not of the receiver's type.
    Info,
    /// Information from the system as a message of the receiver's type: received like one, but no limit counts or drops it.
    Told,
    /// A control signal; it never reaches the inbox.
    Signal,
}

/// How to handle a node of unknown payload type.
#[derive(Debug)]
pub(crate) struct VTable {
    pub(crate) payload: Payload,
    drop: unsafe fn(NonNull<Link>),
}

/// A node. `repr(C)`: a pointer to it is a pointer to its link. Aligned to 16 for the word's flags.
#[repr(C, align(16))]
pub(crate) struct Node<T> {
    link: Link,
    vtable: &'static VTable,
    generation: u64,
    value: T,
}

/// A message sent through an alias.
pub(crate) struct ViaAlias<M> {
    pub(crate) alias: u64,
    pub(crate) message: M,
}

/// A node of some payload, owned by whoever holds this.
#[derive(Debug)]
pub(crate) struct Owned(NonNull<Link>);

// SAFETY: payloads are `Send` (every constructor asks for it) and the node is exclusively owned.
unsafe impl Send for Owned {}

struct Tables<T>(T);

impl<T> Tables<T> {
    const MESSAGE: &'static VTable = &VTable {
        payload: Payload::Message,
        drop: drop_node::<T>,
    };
    const ALIASED: &'static VTable = &VTable {
        payload: Payload::Aliased,
        drop: drop_node::<T>,
    };
    const INFO: &'static VTable = &VTable {
        payload: Payload::Info,
        drop: drop_node::<T>,
    };
    const TOLD: &'static VTable = &VTable {
        payload: Payload::Told,
        drop: drop_node::<T>,
    };
    const SIGNAL: &'static VTable = &VTable {
        payload: Payload::Signal,
        drop: drop_node::<T>,
    };
}

/// # Safety
/// The node was made by [`Owned::new`] with a `T` and is owned by the caller.
unsafe fn drop_node<T>(node: NonNull<Link>) {
    // SAFETY: as promised by the caller.
    unsafe { pool::drop_boxed(node.cast::<Node<T>>()) };
}

impl Owned {
    fn new<T: Send>(generation: u64, vtable: &'static VTable, value: T) -> Self {
        let node = pool::boxed(Node {
            link: Link {
                next: std::ptr::null_mut(),
            },
            vtable,
            generation,
            value,
        });
        Self(node.cast())
    }

    pub(crate) fn message<M: Send>(generation: u64, message: M) -> Self {
        Self::new(generation, Tables::<M>::MESSAGE, message)
    }

    pub(crate) fn aliased<M: Send>(generation: u64, alias: u64, message: M) -> Self {
        Self::new(
            generation,
            Tables::<ViaAlias<M>>::ALIASED,
            ViaAlias { alias, message },
        )
    }

    pub(crate) fn info<I: Send>(generation: u64, info: I) -> Self {
        Self::new(generation, Tables::<I>::INFO, info)
    }

    pub(crate) fn told<M: Send>(generation: u64, message: M) -> Self {
        Self::new(generation, Tables::<M>::TOLD, message)
    }

    pub(crate) fn signal<S: Send>(generation: u64, signal: S) -> Self {
        Self::new(generation, Tables::<S>::SIGNAL, signal)
    }

    /// Gives up ownership to a word or an inbox.
    pub(crate) fn into_link(self) -> *mut Link {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Takes ownership back.
    ///
    /// # Safety
    /// `link` came from [`Owned::into_link`], and nobody else owns it.
    pub(crate) unsafe fn from_link(link: NonNull<Link>) -> Self {
        Self(link)
    }

    /// The header, whatever the payload: `Node<T>` is `repr(C)`, so the fields before `value` lie alike for every `T` of the
    /// same alignment class; `Node<()>` stands for them.
    fn header(&self) -> &Node<()> {
        // SAFETY: we own the node; link, vtable and generation are three words in front for every `T`, because each is a
        // word and `T` only affects what follows.
        unsafe { self.0.cast::<Node<()>>().as_ref() }
    }

    pub(crate) fn payload(&self) -> Payload {
        self.header().vtable.payload
    }

    pub(crate) fn generation(&self) -> u64 {
        self.header().generation
    }

    /// Moves the payload out.
    ///
    /// # Safety
    /// The payload is a `T`.
    pub(crate) unsafe fn into_value<T>(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: it was made as a `Node<T>`, as the caller promises, and we own it.
        unsafe { pool::unboxed(this.0.cast::<Node<T>>()) }.value
    }

    /// Looks at the payload.
    ///
    /// # Safety
    /// The payload is a `T`, and `link` is owned by the caller for as long as the reference lives.
    pub(crate) unsafe fn peek<'a, T>(link: NonNull<Link>) -> &'a T {
        // SAFETY: as promised by the caller.
        unsafe { &link.cast::<Node<T>>().as_ref().value }
    }

    /// Whether a linked node is a message.
    ///
    /// # Safety
    /// `link` is owned by the caller.
    pub(crate) unsafe fn payload_of(link: NonNull<Link>) -> Payload {
        // SAFETY: as in `header`.
        unsafe { link.cast::<Node<()>>().as_ref().vtable.payload }
    }

    /// Drops it and keeps a panic of the payload's destructor in.
    pub(crate) fn discard(self) -> Result<(), Box<dyn std::any::Any + Send>> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(self)))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let drop = self.header().vtable.drop;
        // SAFETY: the vtable was chosen together with the payload's type, and we own the node.
        unsafe { drop(self.0) };
    }
}
