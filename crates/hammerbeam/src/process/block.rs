//! The process control block: one allocation for header and body.
//!
//! **State.** The [`Header`] has a shared part (atomics, readable by whoever [pins](crate::process::table) the slot) and an
//! owner's part (cells). The owner is whoever holds the word's `AWAKE`: the thread that runs the process, or the one that just
//! woke it and is about to queue it. [`Runnable`] is that ownership as a value.
//! **Size.** 72 bytes at most above the body's own future, plus 32 in the process table.
//! **Ends.** [`crate::process::run`] drops the body, closes the word, and frees the block; nobody else does.

use std::any::TypeId;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::mailbox::inbox::Inbox;
use crate::mailbox::node::{Owned, ViaAlias};
use crate::mailbox::pool;
use crate::process::extension::{Alias, Extension};
use crate::process::table::Slot;
use crate::process::{Exit, IntoExit, Pid};
use crate::runtime::Shared;

/// What a body's type decides.
pub(crate) struct BodyTable {
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<Exit>,
    drop_body: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
    /// Opens a message that came through an alias; none if the alias has ended.
    pub(crate) unalias: fn(&Header, Owned) -> Option<Owned>,
    pub(crate) message_type: fn() -> TypeId,
    pub(crate) message_name: fn() -> &'static str,
    pub(crate) body_name: fn() -> &'static str,
}

/// The header of every process.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) table: &'static BodyTable,
    pub(crate) slot: &'static Slot,
    pub(crate) runtime: NonNull<Shared>,
    number: u32,
    /// When it was started, in tenths of a second of the runtime's clock.
    pub(crate) started: u32,
    /// Work done so far; written by the owner.
    pub(crate) reductions: AtomicU64,
    extension: AtomicPtr<Extension>,
    /// What the body waits for, see [`crate::process::info::Wait`].
    pub(crate) wait: AtomicU8,
    /// Mirrors `hog`, for readers.
    pub(crate) in_hog_lane: AtomicBool,

    // The owner's part.
    /// The body waits for a message; true also while a cancelled receive is forgotten until the next poll.
    pub(crate) receiving: Cell<bool>,
    /// Messages came since the last receive found none.
    pub(crate) fresh: Cell<bool>,
    /// The body is to be polled: it was started, or a waker fired while it slept.
    pub(crate) due: Cell<bool>,
    /// An exit signal ends the process as soon as its poll returns; the reason is in the extension.
    pub(crate) ending: Cell<bool>,
    /// Polls to go in the lane for hogs; 0 for the well behaved.
    pub(crate) hog: Cell<u8>,
    pub(crate) inbox: UnsafeCell<Inbox>,
}

#[repr(C)]
struct Process<F> {
    header: Header,
    body: UnsafeCell<ManuallyDrop<F>>,
}

struct Tables<M, F>(std::marker::PhantomData<(fn() -> M, F)>);

impl<M, F> Tables<M, F>
where
    M: Send + 'static,
    F: Future + Send + 'static,
    F::Output: IntoExit,
{
    const TABLE: &'static BodyTable = &BodyTable {
        poll: Self::poll,
        drop_body: Self::drop_body,
        free: Self::free,
        unalias: Self::unalias,
        message_type: TypeId::of::<M>,
        message_name: std::any::type_name::<M>,
        body_name: std::any::type_name::<F>,
    };

    /// # Safety
    /// The block is a `Process<F>`, owned by the caller, with its body not yet dropped.
    unsafe fn poll(header: NonNull<Header>, context: &mut Context<'_>) -> Poll<Exit> {
        // SAFETY: the owner has exclusive access to the body, which never moves: it is dropped in place by `drop_body`.
        let body =
            unsafe { Pin::new_unchecked(&mut **header.cast::<Process<F>>().as_ref().body.get()) };
        body.poll(context).map(IntoExit::into_exit)
    }

    fn unalias(header: &Header, node: Owned) -> Option<Owned> {
        let generation = node.generation();
        // SAFETY: an aliased node that is addressed to this process carries its message type: `Alias<M>` is made by `Cx<M>`.
        let via = unsafe { node.into_value::<ViaAlias<M>>() };
        let mut aliases = header.extension()?.aliases.borrow_mut();
        match aliases.get(&via.alias)? {
            Alias::Explicit => {}
            Alias::OneMessage => {
                aliases.remove(&via.alias);
            }
        }
        drop(aliases);
        Some(Owned::message(generation, via.message))
    }

    /// # Safety
    /// As for `poll`; the body is not used again.
    unsafe fn drop_body(header: NonNull<Header>) {
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut *header.cast::<Process<F>>().as_ref().body.get()) };
    }

    /// # Safety
    /// The block is a `Process<F>` whose body was dropped; nobody uses it again.
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: it was made by `allocate`; the body was dropped, and nothing else in the block has a destructor.
        unsafe { pool::free(header.cast::<Process<F>>()) };
    }
}

/// Allocates a block. It is not in the table yet and not scheduled.
pub(crate) fn allocate<M, F>(
    number: u32,
    slot: &'static Slot,
    runtime: NonNull<Shared>,
    started: u32,
    body: F,
) -> Runnable
where
    M: Send + 'static,
    F: Future + Send + 'static,
    F::Output: IntoExit,
{
    let block = pool::boxed(Process {
        header: Header {
            table: Tables::<M, F>::TABLE,
            slot,
            runtime,
            number,
            started,
            reductions: AtomicU64::new(0),
            extension: AtomicPtr::new(ptr::null_mut()),
            wait: AtomicU8::new(0),
            in_hog_lane: AtomicBool::new(false),
            receiving: Cell::new(false),
            fresh: Cell::new(false),
            due: Cell::new(true),
            ending: Cell::new(false),
            hog: Cell::new(0),
            inbox: UnsafeCell::new(Inbox::new()),
        },
        body: UnsafeCell::new(ManuallyDrop::new(body)),
    });
    Runnable(block.cast())
}

impl Header {
    /// The pid; only for the owner or a reader that has pinned the slot, else the generation may be another's.
    pub(crate) fn pid(&self) -> Pid {
        Pid::local(self.number, self.slot.generation())
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The rarely used parts, if there are any.
    pub(crate) fn extension(&self) -> Option<&Extension> {
        // SAFETY: set once by the owner, freed with the block.
        unsafe { self.extension.load(Ordering::Acquire).as_ref() }
    }

    /// The rarely used parts, made on first use. Only the owner may call this.
    pub(crate) fn extension_or_new(&self) -> &Extension {
        if let Some(extension) = self.extension() {
            return extension;
        }
        let new = Box::into_raw(Box::new(Extension::new()));
        self.extension.store(new, Ordering::Release);
        // SAFETY: just made, freed with the block.
        unsafe { &*new }
    }
}

/// A process that is awake, and the exclusive right to run it.
///
/// Made by whoever turned `AWAKE` on; consumed by running it, or by losing that right when it goes to sleep.
#[repr(transparent)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: body and messages are `Send`; the right is exclusive, so the owner's cells are used by one thread at a time, and
// handing a `Runnable` over happens through a queue that synchronises.
unsafe impl Send for Runnable {}

impl Runnable {
    /// # Safety
    /// The caller won the transition to awake of the process in this block.
    pub(crate) unsafe fn from_raw(block: NonNull<Header>) -> Self {
        Self(block)
    }

    /// Gives up the value but not the right; for slots of queues.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.0
    }

    pub(crate) fn as_ptr(&self) -> *mut Header {
        self.0.as_ptr()
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a process that is awake has its block.
        unsafe { self.0.as_ref() }
    }

    /// Polls the body. Panics as the body does.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Exit> {
        // SAFETY: we are the owner; `run` drops the body only after its last poll.
        unsafe { (self.header().table.poll)(self.0, context) }
    }

    /// Drops the body in place.
    ///
    /// # Safety
    /// Called once; the body is not polled afterwards.
    pub(crate) unsafe fn drop_body(&self) {
        // SAFETY: as promised by the caller.
        unsafe { (self.header().table.drop_body)(self.0) };
    }

    /// Frees the block.
    ///
    /// # Safety
    /// The body was dropped and the slot vacated.
    pub(crate) unsafe fn free(self) {
        let extension = self.header().extension.load(Ordering::Acquire);
        let free = self.header().table.free;
        if !extension.is_null() {
            // SAFETY: made by `Box::into_raw`, and nobody can reach the block any more.
            drop(unsafe { Box::from_raw(extension) });
        }
        // SAFETY: as promised by the caller.
        unsafe { free(self.0) };
    }
}
