//! The scheduler: fair turns for millions of processes on a few threads.
//!
//! **Promise.** G16: a process that computes for ever, blocks its thread or panics does not keep the others from running.
//! **Shape.** As many *processors* as cores, each with a [driver](crate::io::driver) (sockets and timers). A *thread* that has a
//! processor is a [worker](worker): it runs processes from its own queue, steals from others, and sleeps in its driver. When it
//! stays in one poll for too long, [sysmon](sysmon) gives the processor to another thread and empties the queue; the process goes on
//! in the [lane](lane) for hogs. A thread's queue belongs to the thread, so nothing that only its owner may touch changes hands.
//!
//! ```text
//!            ┌────────── injector ──────────┐          lane for hogs
//!   wake ──▶ │ next slot ▸ queue  (thread 0) │ ◀─steal─▶  threads of its own
//!            │ next slot ▸ queue  (thread 1) │
//!            └──────┬───────────────┬────────┘
//!              processor 0     processor 1     ◀─ watches ─ sysmon
//!              driver: epoll + timer wheel
//! ```
//! **Tested by** the loom models in `crates/hammerbeam-loom`, `tests/fairness.rs`, the soak in `tests/soak.rs`.

mod idle;
mod lane;
mod next_slot;
mod state;
mod sync;
pub(crate) mod sysmon;
mod usage;
pub(crate) mod worker;

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicIsize, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;
use parking_lot::{Condvar, Mutex};

use crate::io::driver::Driver;
use crate::io::registration::{Registration, Source};
use crate::process::block::{Header, Runnable};
use crate::process::current;
use crate::scheduler::idle::IdleSet;
use crate::scheduler::lane::{Lane, Served};
use crate::scheduler::next_slot::NextSlot;
use crate::scheduler::state::ThreadState;
use crate::time::{Action, TimerKey};
use crate::world::World;

/// The most processors: one bit each in the idle set.
pub(crate) const MOST_WORKERS: usize = 64;

/// Twice the time between two rounds of a calm sysmon, and some more: it too waits for a core.
const COARSENESS: u64 = 10_000_000;

/// How many threads a runtime may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) workers: usize,
    pub(crate) threads: usize,
}

/// A core's worth of scheduling: what a worker works with.
struct Processor {
    driver: Arc<Driver>,
    /// The thread that has it.
    thread: AtomicUsize,
}

/// A thread of the runtime, as others see it. Threads are kept until the runtime ends; a thread number is an index.
pub(crate) struct Thread {
    number: usize,
    state: ThreadState,
    /// Counts polls; even while one goes on it does not change.
    tick: CachePadded<AtomicU64>,
    next: NextSlot<Header>,
    stealer: Stealer<Runnable>,
    /// The processor it has, or had last.
    processor: AtomicUsize,
    kernel: AtomicI32,
    /// Processes started less processes ended by this thread; written by it alone.
    balance: AtomicIsize,
    assigned: Mutex<()>,
    assignment: Condvar,
}

/// What changes when threads come and go.
#[derive(Default)]
struct Roster {
    standing_by: Vec<usize>,
    threads: usize,
    /// The system refused a thread: no other is asked for before this.
    pause: Option<Instant>,
    /// The limit was reached, and that was reported.
    reported: bool,
}

/// The world of real threads.
pub(crate) struct Threads {
    limits: Limits,
    epoch: Instant,
    coarse: CachePadded<AtomicU64>,
    processors: Box<[Processor]>,
    threads: Box<[OnceLock<Thread>]>,
    roster: Mutex<Roster>,
    injector: Injector<Runnable>,
    idle: CachePadded<IdleSet>,
    lane: Lane,
    sysmon: sysmon::Doze,
    stopping: AtomicBool,
    alive_threads: Mutex<usize>,
    all_gone: Condvar,
}

impl Threads {
    pub(crate) fn new(limits: Limits, epoch: Instant) -> io::Result<Self> {
        let processors = (0..limits.workers)
            .map(|number| {
                Ok(Processor {
                    driver: Arc::new(Driver::new(number as u32)?),
                    thread: AtomicUsize::new(number),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            limits,
            epoch,
            coarse: CachePadded::new(AtomicU64::new(1)),
            processors,
            threads: (0..limits.threads).map(|_| OnceLock::new()).collect(),
            roster: Mutex::default(),
            injector: Injector::new(),
            idle: CachePadded::new(IdleSet::new()),
            lane: Lane::default(),
            sysmon: sysmon::Doze::default(),
            stopping: AtomicBool::new(false),
            alive_threads: Mutex::new(0),
            all_gone: Condvar::new(),
        })
    }

    fn exact_now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Reads the clock and publishes it.
    fn refresh_clock(&self) -> u64 {
        let now = self.exact_now();
        self.coarse.fetch_max(now, Ordering::Relaxed);
        now
    }

    fn thread(&self, number: usize) -> &Thread {
        self.threads[number]
            .get()
            .expect("a thread's record is made before its number is known")
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Makes the record of a new thread; none if there are as many as may be.
    fn enlist(&self, state: ThreadState, processor: usize) -> Option<(usize, Deque<Runnable>)> {
        let number = {
            let mut roster = self.roster.lock();
            if roster.pause.is_some_and(|until| Instant::now() < until) {
                return None;
            }
            if roster.threads >= self.limits.threads {
                if !std::mem::replace(&mut roster.reported, true) {
                    tracing::error!(
                        target: "hammerbeam::scheduler", threads = self.limits.threads,
                        "all threads are stuck in processes that do not yield; others may have to wait (see Builder::max_threads)"
                    );
                }
                return None;
            }
            roster.threads += 1;
            roster.threads - 1
        };
        let deque = Deque::new_fifo();
        let thread = Thread {
            number,
            state,
            tick: CachePadded::new(AtomicU64::new(0)),
            next: NextSlot::new(),
            stealer: deque.stealer(),
            processor: AtomicUsize::new(processor),
            kernel: AtomicI32::new(0),
            balance: AtomicIsize::new(0),
            assigned: Mutex::new(()),
            assignment: Condvar::new(),
        };
        assert!(
            self.threads[number].set(thread).is_ok(),
            "numbers are given once"
        );
        Some((number, deque))
    }

    /// Something was queued for everybody: wakes a worker for it, if one sleeps.
    fn notify(&self) {
        if let Some(processor) = self.idle.notify() {
            self.processors[processor].driver.wake();
        }
    }

    /// As `notify`, for a worker that put something into its own queue: it will run it itself, and sysmon looks every millisecond
    /// whether somebody sleeps beside work, so a sleeper that is overlooked here costs time and nothing else.
    fn notify_of_own(&self) {
        if self.idle.somebody_sleeps() {
            self.notify();
        }
    }

    fn inject(&self, process: Runnable) {
        self.injector.push(process);
        self.notify();
    }

    /// Queues a hog; the thread that pushed may have to see to it that the lane is served.
    fn to_lane(&self, process: Runnable) {
        match self.lane.push(process, self.limits.workers) {
            Served::Yes => {}
            Served::Busy => self.sysmon.wake_if_dozing(),
            Served::NeedsThread => self.sysmon.request_lane_thread(),
        }
    }

    /// Takes from the injector into a thread's own queue.
    fn take_injected(&self, deque: &Deque<Runnable>) -> Option<Runnable> {
        loop {
            match self.injector.steal_batch_and_pop(deque) {
                Steal::Success(process) => return Some(process),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Steals from another worker into a thread's own queue.
    fn steal(&self, thief: usize, start: usize, deque: &Deque<Runnable>) -> Option<Runnable> {
        let count = self.processors.len();
        for i in 0..count {
            let victim = self.processors[(start + i) % count]
                .thread
                .load(Ordering::Acquire);
            if victim == thief {
                continue;
            }
            loop {
                match self.thread(victim).stealer.steal_batch_and_pop(deque) {
                    Steal::Success(process) => return Some(process),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    /// Whether any queue holds something; the look of a worker that is about to sleep.
    fn work_is_waiting(&self) -> bool {
        !self.injector.is_empty()
            || self.processors.iter().any(|processor| {
                let thread = self.thread(processor.thread.load(Ordering::Acquire));
                !thread.stealer.is_empty()
            })
    }

    /// Moves whatever a thread that lost its processor still has in its queue to everybody's.
    fn drain(&self, thread: &Thread) {
        let mut moved = false;
        if let Some(next) = thread.next.take() {
            // SAFETY: whoever takes it out of the slot owns it.
            self.injector.push(unsafe { Runnable::from_raw(next) });
            moved = true;
        }
        loop {
            match thread.stealer.steal() {
                Steal::Success(process) => {
                    self.injector.push(process);
                    moved = true;
                }
                Steal::Empty => break,
                Steal::Retry => {}
            }
        }
        if moved {
            self.notify();
        }
    }

    /// Lets all threads go. Those that are stuck in a process stay until it returns.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for processor in &self.processors {
            processor.driver.wake();
        }
        for thread in self.threads.iter().filter_map(OnceLock::get) {
            let _assigned = thread.assigned.lock();
            thread.assignment.notify_all();
        }
        drop(self.lane.close());
        self.sysmon.wake();
    }

    /// Waits until all threads are gone, at most until `deadline`. Returns how many are not.
    pub(crate) fn wait_until_gone(&self, deadline: Instant) -> usize {
        let mut alive = self.alive_threads.lock();
        while *alive > 0 {
            if self.all_gone.wait_until(&mut alive, deadline).timed_out() {
                break;
            }
        }
        *alive
    }

    fn count_thread(&self) {
        *self.alive_threads.lock() += 1;
    }

    fn uncount_thread(&self) {
        let mut alive = self.alive_threads.lock();
        *alive -= 1;
        if *alive == 0 {
            self.all_gone.notify_all();
        }
    }

    /// The driver of the worker that asks, unless another has markedly fewer sockets: a driver with a handful of them makes its
    /// worker wake up for single events beside one that has its hands full.
    fn driver_for_a_socket(&self) -> &Arc<Driver> {
        let home = &self.processors[self.home_processor()].driver;
        let fewest = self
            .processors
            .iter()
            .map(|p| &p.driver)
            .min_by_key(|d| d.source_count());
        match fewest {
            Some(other) if home.source_count() > other.source_count() * 9 / 8 + 4 => other,
            _ => home,
        }
    }

    /// The processor whose driver serves the calling thread.
    fn home_processor(&self) -> usize {
        current::with_local(|local| local.processor_in(self))
            .flatten()
            .unwrap_or(0)
    }
}

impl World for Threads {
    fn schedule(&self, process: Runnable) {
        if process.header().hog.get() > 0 {
            return self.to_lane(process);
        }
        let mut process = Some(process);
        current::with_local(|local| {
            if local.belongs_to(self) {
                local.schedule(self, process.take().expect("taken once"));
            }
        });
        if let Some(process) = process {
            self.inject(process);
        }
    }

    fn start(&self, process: Runnable) {
        let mut process = Some(process);
        current::with_local(|local| {
            if local.belongs_to(self) {
                local.start(self, process.take().expect("taken once"));
            }
        });
        if let Some(process) = process {
            self.inject(process);
        }
    }

    fn count(&self, change: isize) -> Option<isize> {
        current::with_local(|local| {
            local.belongs_to(self).then(|| {
                let balance = &self.thread(local.number()).balance;
                let count = balance.load(Ordering::Relaxed) + change;
                balance.store(count, Ordering::Release);
                count
            })
        })
        .flatten()
    }

    fn counted(&self) -> isize {
        let threads = self.threads.iter().map_while(OnceLock::get);
        threads.map(|t| t.balance.load(Ordering::Acquire)).sum()
    }

    fn now(&self) -> u64 {
        self.exact_now()
    }

    fn coarse_now(&self) -> u64 {
        self.coarse.load(Ordering::Relaxed)
    }

    fn limit_base(&self) -> u64 {
        // A worker reads the clock when it wakes up and every so many turns; nobody does for other threads while all sleep.
        let running = current::with_local(|local| local.is_running(self, local.number()));
        if running == Some(true) {
            self.coarse_now().saturating_add(COARSENESS)
        } else {
            self.exact_now()
        }
    }

    fn set_timer(&self, at: u64, action: Action) -> TimerKey {
        let home = self.home_processor();
        let processor = &self.processors[home];
        let (key, earlier) = processor.driver.set_timer(at, action);
        if earlier {
            let mine = processor.thread.load(Ordering::Relaxed);
            let is_worker = current::with_local(|local| local.is_running(self, mine));
            if is_worker != Some(true) {
                processor.driver.wake();
            }
        }
        key
    }

    fn cancel_timer(&self, key: TimerKey) -> Option<u64> {
        self.processors
            .get(key.wheel as usize)?
            .driver
            .cancel_timer(key.entry)
    }

    fn random(&self) -> u64 {
        worker::random()
    }

    fn register(&self, source: &mut dyn Source) -> io::Result<Registration> {
        self.driver_for_a_socket().register(source)
    }
}

// A `NonNull<Header>` in a next slot stands for a `Runnable`, which is `Send`.
const _: fn(Runnable) -> NonNull<Header> = Runnable::into_raw;
