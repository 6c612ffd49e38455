//! A worker: the loop of a thread that has a processor, and what it does when it loses it.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_deque::Worker as Deque;

use crate::io::driver::wake_all;
use crate::mailbox::pool::Pool;
use crate::process::block::Runnable;
use crate::process::current::Entered;
use crate::process::run::{Turn, turn};
use crate::runtime::Shared;
use crate::scheduler::state::ThreadState;
use crate::scheduler::usage::KernelThread;
use crate::scheduler::{Thread, Threads, lane};

/// Turns between two looks at sockets and at the injector while there is other work.
const EVENT_INTERVAL: u64 = 61;
/// With long turns, nanoseconds after which sockets are looked at in any case.
const LONGEST_WITHOUT_EVENTS: u64 = 2_000_000;
/// Processes taken from the next slot in a row while others wait in the queue.
const MOST_NEXT: u32 = 64;
/// Looks for work before a worker goes to sleep.
const SEARCHES: usize = 3;
/// A poll this long, in nanoseconds of the coarse clock, makes a process a hog.
const LONG_POLL: u64 = 2_000_000;

/// After the system has refused a thread, how long no other is asked for.
const PAUSE: Duration = Duration::from_secs(1);

/// What a worker's thread keeps for itself.
pub(crate) struct Local {
    world: *const Threads,
    number: usize,
    deque: Deque<Runnable>,
    /// While the driver is turned, processes go to the queue, in the order of their events.
    in_driver: Cell<bool>,
    nexts: Cell<u32>,
    ticks: Cell<u64>,
    searching: Cell<bool>,
    /// The time at the last look at timers, and at sockets.
    last_look: Cell<u64>,
    last_turn: Cell<u64>,
    pub(crate) pool: Pool,
    woken: Cell<Vec<Waker>>,
}

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// A number from this thread's generator (splitmix64), seeded from the system.
pub(crate) fn random() -> u64 {
    RANDOM.with(|cell| {
        let mut state = cell.get();
        if state == 0 {
            use std::hash::{BuildHasher, RandomState};
            state = RandomState::new().hash_one(0_u8) | 1;
        }
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        cell.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

impl Local {
    fn new(world: &Threads, number: usize, deque: Deque<Runnable>) -> Self {
        Self {
            world,
            number,
            deque,
            in_driver: Cell::new(false),
            nexts: Cell::new(0),
            ticks: Cell::new(0),
            searching: Cell::new(false),
            last_look: Cell::new(0),
            last_turn: Cell::new(0),
            pool: Pool::new(),
            woken: Cell::default(),
        }
    }

    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn belongs_to(&self, world: &Threads) -> bool {
        ptr::eq(self.world, world)
    }

    /// The processor this thread has or had last.
    pub(crate) fn processor_in(&self, world: &Threads) -> Option<usize> {
        self.belongs_to(world)
            .then(|| world.thread(self.number).processor.load(Ordering::Relaxed))
    }

    /// Whether this is the running thread with that number.
    pub(crate) fn is_running(&self, world: &Threads, number: usize) -> bool {
        self.belongs_to(world) && self.number == number && world.thread(number).state.is_running()
    }

    /// Queues a process that was woken on this thread.
    pub(crate) fn schedule(&self, world: &Threads, process: Runnable) {
        let me = world.thread(self.number);
        if self.in_driver.get() {
            self.deque.push(process);
            return;
        }
        if !me.state.is_running() {
            return world.inject(process);
        }
        if let Some(displaced) = me.next.put(process.into_raw()) {
            // SAFETY: it was in our slot, and the slot's content is owned by whoever takes it.
            self.deque.push(unsafe { Runnable::from_raw(displaced) });
            world.notify_of_own();
        }
    }

    /// Queues a process that was started on this thread: at the back.
    pub(crate) fn start(&self, world: &Threads, process: Runnable) {
        if world.thread(self.number).state.is_running() {
            self.deque.push(process);
            world.notify_of_own();
        } else {
            world.inject(process);
        }
    }

    fn pop(&self, me: &Thread) -> Option<Runnable> {
        let nexts = self.nexts.get();
        if nexts < MOST_NEXT || self.deque.is_empty() {
            if let Some(next) = me.next.take() {
                self.nexts.set(nexts + 1);
                // SAFETY: whoever takes it out of the slot owns it.
                return Some(unsafe { Runnable::from_raw(next) });
            }
        } else if let Some(next) = me.next.take() {
            // SAFETY: likewise.
            self.deque.push(unsafe { Runnable::from_raw(next) });
        }
        self.nexts.set(0);
        self.deque.pop()
    }
}

/// Starts one thread for each processor.
pub(crate) fn start_workers(shared: &Arc<Shared>) -> bool {
    let world = shared.threads();
    // All records first: a worker that looks for work looks at all others.
    let enlisted: Vec<_> = (0..world.processors.len())
        .map_while(|processor| world.enlist(ThreadState::running(), processor))
        .collect();
    enlisted.len() == world.processors.len()
        && enlisted
            .into_iter()
            .all(|(number, deque)| launch(shared, number, deque))
}

/// Starts a thread that stands by; its number.
pub(crate) fn start_standby(shared: &Arc<Shared>) -> Option<usize> {
    let (number, deque) = shared.threads().enlist(ThreadState::standing_by(), 0)?;
    launch(shared, number, deque).then_some(number)
}

/// Starts a thread that serves the lane.
pub(crate) fn start_lane_thread(shared: &Arc<Shared>) -> bool {
    let world = shared.threads();
    match world.enlist(ThreadState::lane(), 0) {
        Some((number, deque)) => launch(shared, number, deque),
        None => false,
    }
}

fn launch(shared: &Arc<Shared>, number: usize, deque: Deque<Runnable>) -> bool {
    let world = shared.threads();
    world.count_thread();
    let thread_shared = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .name(format!("hammerbeam-{number}"))
        .spawn(move || {
            let shared = thread_shared;
            let _background = shared.background().map(tokio::runtime::Handle::enter);
            let world = shared.threads();
            let local = Local::new(world, number, deque);
            world
                .thread(number)
                .kernel
                .store(KernelThread::current().as_raw(), Ordering::Release);
            // SAFETY: `local` outlives the guard, which is dropped first.
            let entered = unsafe { Entered::worker(Arc::clone(&shared), &local) };
            serve(&shared, &local);
            drop(entered);
            // What is left belongs to processes of a runtime that stops.
            world.uncount_thread();
        });
    if let Err(error) = started {
        world.uncount_thread();
        world.roster.lock().pause = Some(Instant::now() + PAUSE);
        tracing::error!(target: "hammerbeam::scheduler", %error, "cannot start a thread");
        return false;
    }
    true
}

/// A thread's life: worker, lane, standing by, until the runtime stops.
fn serve(shared: &Shared, local: &Local) {
    let world = shared.threads();
    let me = world.thread(local.number);
    while !world.is_stopping() {
        if me.state.is_running() {
            work(world, local, me);
        } else if me.state.is_lane() {
            serve_lane(world, me);
        } else if me.state.is_detached() {
            // It lost the processor that it had just been given before it got to work.
            retire(world, local, me);
        } else {
            stand_by(world, me);
        }
    }
}

/// Waits until sysmon gives this thread a processor or a place in the lane.
fn stand_by(world: &Threads, me: &Thread) {
    let mut assigned = me.assigned.lock();
    while me.state.is_standing_by() && !world.is_stopping() {
        me.assignment.wait(&mut assigned);
    }
}

/// The loop of a thread that has a processor, until it loses it.
fn work(world: &Threads, local: &Local, me: &Thread) {
    let processor = me.processor.load(Ordering::Relaxed);
    while !world.is_stopping() {
        let tick = local.ticks.get() + 1;
        local.ticks.set(tick);
        if me.state.is_detached() {
            return retire(world, local, me);
        }
        let mut now = world.coarse.load(Ordering::Relaxed);
        let mut found = None;
        if tick.is_multiple_of(EVENT_INTERVAL) {
            now = world.refresh_clock();
            found = look_around(world, local, processor, now);
        } else if now != local.last_look.get() {
            if now - local.last_turn.get() > LONGEST_WITHOUT_EVENTS {
                found = look_around(world, local, processor, now);
            } else {
                fire(world, local, processor, now);
            }
        }
        let found = found
            .or_else(|| local.pop(me))
            .or_else(|| world.take_injected(&local.deque))
            .or_else(|| search(world, local));
        match found {
            Some(process) => {
                // Work that was queued while we searched had nobody woken for it.
                if local.searching.replace(false)
                    && world.idle.found_work()
                    && world.work_is_waiting()
                {
                    world.notify();
                }
                me.tick.store(tick, Ordering::Relaxed);
                run(world, local, me, process);
            }
            None => {
                if !sleep(world, local, me, processor) {
                    return retire(world, local, me);
                }
            }
        }
    }
}

/// Sockets, timers and the injector, while there is work.
fn look_around(world: &Threads, local: &Local, processor: usize, now: u64) -> Option<Runnable> {
    let driver = &world.processors[processor].driver;
    if driver.has_sources() {
        local.in_driver.set(true);
        driver.turn();
        local.in_driver.set(false);
    }
    local.last_turn.set(now);
    fire(world, local, processor, now);
    if local.deque.len() > 1 {
        world.notify();
    }
    world.take_injected(&local.deque)
}

/// Timers alone, when the clock has moved.
fn fire(world: &Threads, local: &Local, processor: usize, now: u64) {
    local.last_look.set(now);
    local.in_driver.set(true);
    world.processors[processor].driver.fire(now);
    local.in_driver.set(false);
}

fn search(world: &Threads, local: &Local) -> Option<Runnable> {
    for _ in 0..SEARCHES {
        let start = random() as usize;
        let found = world
            .steal(local.number, start, &local.deque)
            .or_else(|| world.take_injected(&local.deque));
        if found.is_some() {
            return found;
        }
        std::hint::spin_loop();
    }
    None
}

/// Sleeps in the driver until there is something to do. False: the processor is lost.
fn sleep(world: &Threads, local: &Local, me: &Thread, processor: usize) -> bool {
    if !me.state.try_park() {
        return false;
    }
    world
        .idle
        .going_to_sleep(processor, local.searching.replace(false));
    let driver = &world.processors[processor].driver;
    let mut woken = local.woken.take();
    let now = if world.work_is_waiting() || !me.next.is_empty() || world.is_stopping() {
        world.refresh_clock()
    } else {
        driver.sleep(|| world.refresh_clock(), &mut woken)
    };
    local.searching.set(world.idle.awake(processor));
    me.state.unpark();
    local.last_turn.set(now);
    // Wakers and timers may run foreign code, which may block: not before this thread counts as running, so that sysmon sees it.
    local.in_driver.set(true);
    wake_all(&mut woken);
    local.in_driver.set(false);
    local.woken.set(woken);
    fire(world, local, processor, now);
    world.sysmon.wake_if_dozing();
    if local.deque.len() > 1 {
        world.notify();
    }
    true
}

/// Gives a process its turn and puts it where it belongs afterwards.
fn run(world: &Threads, local: &Local, me: &Thread, process: Runnable) {
    let before = world.coarse.load(Ordering::Relaxed);
    let turned = turn(process, |hog| {
        if me.state.is_detached() {
            lane::CAUGHT
        } else if world.coarse.load(Ordering::Relaxed) - before >= LONG_POLL {
            hog.max(lane::SLOW)
        } else {
            hog
        }
    });
    if let Turn::Again(process) = turned {
        if process.header().hog.get() > 0 {
            world.to_lane(process);
        } else if me.state.is_running() {
            local.deque.push(process);
        } else {
            world.inject(process);
        }
    }
}

/// A thread that lost its processor: hands over what is left and waits for another job.
fn retire(world: &Threads, local: &Local, me: &Thread) {
    // Producers rely on a searcher; without a processor this thread is none.
    if local.searching.replace(false) && world.idle.found_work() {
        world.notify();
    }
    world.drain(me);
    if world.lane.join(world.limits.workers) {
        me.state.join_lane();
        return;
    }
    me.state.stand_by();
    world.roster.lock().standing_by.push(me.number);
}

/// The loop of a thread of the lane.
fn serve_lane(world: &Threads, me: &Thread) {
    while let Some(process) = world.lane.take() {
        me.tick.fetch_add(1, Ordering::Relaxed);
        let before = world.exact_now();
        let turned = turn(process, |hog| {
            if world.exact_now() - before < LONG_POLL / 2 {
                hog.saturating_sub(1)
            } else {
                hog.max(lane::SLOW)
            }
        });
        match turned {
            Turn::Again(process) if process.header().hog.get() > 0 => world.to_lane(process),
            Turn::Again(process) => {
                world.inject(process);
            }
            Turn::Asleep | Turn::Ended => {}
        }
        if world.is_stopping() {
            break;
        }
    }
    world.lane.leave();
    me.state.stand_by();
    // The lane is closed only when the runtime stops; this thread is not needed again.
}
