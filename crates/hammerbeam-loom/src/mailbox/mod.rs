//! The mailbox word, nodes and inbox.

#[path = "../../../hammerbeam/src/mailbox/inbox.rs"]
#[allow(dead_code)]
pub(crate) mod inbox;
#[path = "../../../hammerbeam/src/mailbox/node.rs"]
#[allow(dead_code)]
pub(crate) mod node;
#[path = "../../../hammerbeam/src/mailbox/pool.rs"]
#[allow(dead_code)]
pub(crate) mod pool;
mod sync;
#[path = "../../../hammerbeam/src/mailbox/word.rs"]
#[allow(dead_code)]
pub(crate) mod word;

mod generations;
mod order;
mod trimming;
mod waking;

use std::ptr::NonNull;
use std::sync::Arc;

use loom::alloc::Track;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};

use self::inbox::{Inbox, Taken};
use self::node::Owned;
use self::word::{Kind, Push, Settled, Word};
use crate::model::Parker;

const GENERATION: u64 = 7;

/// A message whose bytes loom watches: written by the sender, read by the receiver, freed by one of them.
struct Message {
    sender: usize,
    number: UnsafeCell<usize>,
    _leak_check: Track<()>,
}

impl Message {
    fn new(sender: usize, number: usize) -> Self {
        Self {
            sender,
            number: UnsafeCell::new(number),
            _leak_check: Track::new(()),
        }
    }

    fn read(&self) -> (usize, usize) {
        // SAFETY: whoever has the message has it alone, which is what loom checks here.
        (self.sender, self.number.with(|number| unsafe { *number }))
    }
}

/// What belongs to whoever owns the process; loom checks that it is one thread at a time.
struct Owners {
    inbox: Inbox,
    receiving: bool,
    fresh: bool,
    due: bool,
}

/// A process: its word, and the run queue with room for this one process.
struct Process {
    word: Word,
    owners: UnsafeCell<Owners>,
    queued: AtomicBool,
    worker: Parker,
}

// SAFETY: the owner's part is used by the owner alone, which is what loom checks here.
unsafe impl Send for Process {}
// SAFETY: likewise.
unsafe impl Sync for Process {}

impl Process {
    /// One that is awake, owned by the caller.
    fn running() -> Arc<Self> {
        let process = Arc::new(Self {
            word: Word::dead(),
            owners: UnsafeCell::new(Owners {
                inbox: Inbox::new(),
                receiving: false,
                fresh: false,
                due: true,
            }),
            queued: AtomicBool::new(false),
            worker: Parker::new(),
        });
        process.word.open();
        process
    }

    fn own<R>(&self, f: impl FnOnce(&mut Owners) -> R) -> R {
        // SAFETY: the caller owns the process.
        self.owners.with_mut(|owners| f(unsafe { &mut *owners }))
    }

    /// What the winner of the transition to awake does.
    fn schedule(&self) {
        let twice = self.queued.swap(true, Ordering::AcqRel);
        assert!(!twice, "queued twice");
        self.worker.unpark();
    }

    /// The worker waits until the process is queued, and owns it then.
    fn wait_until_queued(&self) {
        while !self.queued.load(Ordering::Acquire) {
            self.worker.park();
        }
        self.queued.store(false, Ordering::Release);
    }

    /// As `deliver::message` does.
    fn send(&self, sender: usize, number: usize) -> Push {
        let node = Owned::message(GENERATION, Message::new(sender, number));
        self.push(node, Kind::Hand, |_| true)
    }

    /// As `deliver::message` does where the oldest messages are dropped.
    fn stack(&self, sender: usize, number: usize) -> Push {
        let node = Owned::message(GENERATION, Message::new(sender, number));
        self.push(node, Kind::Message, |_| true)
    }

    fn signal(&self, sender: usize, number: usize) -> Push {
        let node = Owned::signal(GENERATION, Message::new(sender, number));
        self.push(node, Kind::Signal, |_| true)
    }

    fn push(&self, node: Owned, kind: Kind, admit: impl FnMut(usize) -> bool) -> Push {
        let link = node.into_link();
        // SAFETY: the node is ours and aligned.
        let pushed = unsafe { self.word.push(link, kind, admit) };
        // SAFETY: when refused or handed over, it is still ours.
        let ours = || unsafe { Owned::from_link(NonNull::new(link).unwrap()) };
        match pushed {
            Push::Delivered => {}
            Push::Wake => self.schedule(),
            Push::Handed => {
                self.own(|owners| {
                    owners.inbox.push_back(ours());
                    owners.fresh = true;
                });
                self.schedule();
            }
            Push::Refused => drop(ours()),
        }
        pushed
    }

    /// As a process' waker does.
    fn wake(&self, valid: impl Fn() -> bool) {
        if self.word.wake(valid) {
            self.own(|owners| owners.due = true);
            self.schedule();
        }
    }

    /// The owner takes what came, in order. Returns whether anything did.
    fn take_into(&self, inbox: &mut Inbox) -> bool {
        let newest = self.word.take(|_| {});
        let mut came = false;
        // SAFETY: what `take` returned is ours.
        for node in unsafe { Taken::oldest_first(newest) } {
            inbox.push_back(node);
            came = true;
        }
        came
    }

    /// The owner gives the process its turns, as `process::run::turn` does, until `body` says that it is done; while it is not, it
    /// waits for messages if it is `receiving`, else for a waker.
    fn run(&self, receiving: bool, mut body: impl FnMut(&mut Inbox) -> bool) {
        loop {
            let pending = self.word.begin();
            let done = self.own(|owners| {
                let take_all = |owners: &mut Owners| {
                    owners.fresh |= self.take_into(&mut owners.inbox);
                };
                if pending.signals {
                    take_all(owners);
                }
                let has_mail = owners.receiving && (owners.fresh || pending.stacked);
                if std::mem::take(&mut owners.due)
                    || pending.notified
                    || has_mail
                    || pending.signals
                {
                    owners.receiving = false;
                    take_all(owners);
                    if body(&mut owners.inbox) {
                        return true;
                    }
                    owners.receiving = receiving;
                    owners.fresh = false;
                }
                false
            });
            if done {
                return;
            }
            let again = self.own(|owners| owners.receiving && owners.fresh);
            if !again && self.word.settle(receiving) == Settled::Asleep {
                self.wait_until_queued();
            }
        }
    }

    /// The owner ends the process. Returns how many nodes were left.
    fn end(&self) -> usize {
        let mut left = 0;
        while self.own(|owners| owners.inbox.pop_front()).is_some() {
            left += 1;
        }
        // SAFETY: `close` hands the stack over.
        left + unsafe { Taken::oldest_first(self.word.close()) }.count()
    }
}

fn open(node: Owned) -> (usize, usize) {
    // SAFETY: all nodes of these models carry a `Message`.
    unsafe { node.into_value::<Message>() }.read()
}
