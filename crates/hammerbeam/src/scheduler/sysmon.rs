//! Sysmon: the thread that watches the workers.
//!
//! Every millisecond (four, when all has been well for a while) it publishes the coarse clock and looks at every worker. One that stays in the same poll
//! - gets its next slot emptied after one round, so that nobody waits behind it while others sleep;
//! - loses its processor when it has computed for [`HOG_AFTER`], or is blocked in the kernel for [`BLOCKED_AFTER`]; a worker that is
//!   merely waiting for a core keeps it, or a full machine would get one thread more each time.
//!
//! Sockets and timers of a worker that is stuck or late are served by sysmon. After a hand-off it looks four times as often for a
//! while, since one hog seldom comes alone. When nothing happens it dozes; a worker that wakes up wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::process::current::Entered;
use crate::process::panics;
use crate::runtime::Shared;
use crate::scheduler::usage::{KernelThread, Usage};
use crate::scheduler::{Threads, worker};

const ROUND: Duration = Duration::from_millis(1);
/// Rounds without a worker that was seen twice in one poll, after which it looks less often.
const CALM: u32 = 20;
const CALM_ROUND: Duration = Duration::from_millis(4);
const ALARMED_ROUND: Duration = Duration::from_micros(250);
/// Rounds after a hand-off during which it looks more often.
const ALARM: u32 = 200;
/// Rounds without anything to watch after which it dozes.
const QUIET: u32 = 100;
/// Processor time in one poll after which a worker loses its processor, in nanoseconds.
const HOG_AFTER: u64 = 4_000_000;
/// Time in one poll, blocked in the kernel, after which it does.
const BLOCKED_AFTER: u64 = 1_500_000;
const BLOCKED_AFTER_IN_ALARM: u64 = 400_000;
/// How late a timer may be before sysmon fires it.
const OVERDUE: u64 = 300_000;
/// Time without any progress in the lane after which it gets another thread.
const LANE_STUCK: u64 = 10_000_000;

/// Sysmon's sleep, and what others ask of it.
#[derive(Default)]
pub(super) struct Doze {
    dozing: AtomicBool,
    lane_thread: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Doze {
    pub(super) fn wake(&self) {
        let _lock = self.lock.lock();
        self.dozing.store(false, Ordering::SeqCst);
        self.wake.notify_all();
    }

    pub(super) fn wake_if_dozing(&self) {
        // The caller has something to watch, and looks whether sysmon dozes; sysmon says that it dozes, and looks for something to
        // watch. One of them sees the other.
        fence(Ordering::SeqCst);
        if self.dozing.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Asks for one more thread for the lane.
    pub(super) fn request_lane_thread(&self) {
        self.lane_thread.store(true, Ordering::SeqCst);
        self.wake_if_dozing();
    }
}

/// What sysmon knows of a processor's worker.
#[derive(Clone, Copy, Default)]
struct Watched {
    thread: usize,
    tick: u64,
    /// When this poll was first seen, and what the thread had used by then.
    since: u64,
    used: Option<Usage>,
}

/// Starts the monitor.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let world = shared.threads();
    world.count_thread();
    let thread_shared = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .name("hammerbeam-sysmon".into())
        .spawn(move || {
            let shared = thread_shared;
            let entered = Entered::runtime(Arc::clone(&shared));
            watch(&shared);
            drop(entered);
            shared.threads().uncount_thread();
        });
    if started.is_err() {
        world.uncount_thread();
    }
    started.map(drop)
}

fn watch(shared: &Arc<Shared>) {
    let world = shared.threads();
    let mut watched = vec![Watched::default(); world.processors.len()];
    let mut detached: Vec<usize> = Vec::new();
    let mut alarm = 0_u32;
    let mut calm = 0_u32;
    let mut quiet = 0_u32;
    let mut lane = LaneWatch::default();
    while !world.is_stopping() {
        std::thread::sleep(if alarm > 0 {
            ALARMED_ROUND
        } else if calm > CALM {
            CALM_ROUND
        } else {
            ROUND
        });
        let now = world.refresh_clock();
        alarm = alarm.saturating_sub(1);
        calm += 1;
        for (number, seen) in watched.iter_mut().enumerate() {
            if let Some(lost) = look_at(shared, number, seen, now, alarm > 0) {
                detached.push(lost);
                alarm = ALARM;
            }
            if seen.used.is_some() {
                calm = 0;
            }
        }
        if !detached.is_empty() {
            calm = 0;
        }
        detached.retain(|&number| {
            let thread = world.thread(number);
            world.drain(thread);
            thread.state.is_detached()
        });
        lane.look_at(shared, now);
        if world.idle.somebody_sleeps() && world.work_is_waiting() {
            world.notify();
        }

        let idle = world.idle.all_sleep(world.processors.len())
            && detached.is_empty()
            && world.lane.is_idle()
            && alarm == 0;
        quiet = if idle { quiet + 1 } else { 0 };
        calm = calm.min(CALM + 1);
        if quiet > QUIET {
            doze(world);
            quiet = 0;
        }
    }
}

fn doze(world: &Threads) {
    let mut lock = world.sysmon.lock.lock();
    world.sysmon.dozing.store(true, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    // A worker that woke up before the line above has not seen it, nor has whoever queued for the lane.
    if !world.idle.all_sleep(world.processors.len())
        || world.lane.progress().0 > 0
        || world.is_stopping()
    {
        world.sysmon.dozing.store(false, Ordering::SeqCst);
        return;
    }
    while world.sysmon.dozing.load(Ordering::SeqCst) {
        world.sysmon.wake.wait(&mut lock);
    }
    drop(lock);
    world.refresh_clock();
}

/// Looks at one processor's worker. Returns the thread that lost its processor, if it did.
fn look_at(
    shared: &Arc<Shared>,
    number: usize,
    seen: &mut Watched,
    now: u64,
    alarm: bool,
) -> Option<usize> {
    let world = shared.threads();
    let processor = &world.processors[number];
    let thread_number = processor.thread.load(Ordering::Acquire);
    let thread = world.thread(thread_number);
    let tick = thread.tick.load(Ordering::Relaxed);
    let running = thread.state.is_running();
    if !running || seen.thread != thread_number || seen.tick != tick {
        *seen = Watched {
            thread: thread_number,
            tick,
            since: now,
            used: None,
        };
        if running && processor.driver.next_deadline().saturating_add(OVERDUE) < now {
            processor.driver.fire(now);
        }
        return None;
    }
    // The same poll as one round ago, or no poll at all yet.
    let usage = usage_of(thread.kernel.load(Ordering::Acquire))?;
    let before = *seen.used.get_or_insert(usage);
    rescue_next(world, thread);
    if !thread.stealer.is_empty() {
        world.notify();
    }
    if processor.driver.has_sources() {
        processor.driver.turn();
    }
    processor.driver.fire(now);
    let stuck_for = now - seen.since;
    let blocked_after = if alarm {
        BLOCKED_AFTER_IN_ALARM
    } else {
        BLOCKED_AFTER
    };
    let computed = usage.cpu.saturating_sub(before.cpu) >= HOG_AFTER;
    let blocked = usage.blocked && before.blocked && stuck_for >= blocked_after;
    // `before` was taken one round after the poll was first seen; without it nothing can be said.
    if !(computed || blocked) {
        if usage.blocked != before.blocked {
            seen.used = Some(usage);
        }
        return None;
    }
    hand_off(shared, number, thread_number).then_some(thread_number)
}

fn usage_of(kernel: i32) -> Option<Usage> {
    if kernel == 0 {
        return None;
    }
    // Where the system does not tell, staying in one poll is taken for computing.
    Some(KernelThread::from_raw(kernel).usage().unwrap_or(Usage {
        cpu: u64::MAX,
        blocked: true,
    }))
}

/// Nobody waits behind a process that does not yield while there are others to run it.
fn rescue_next(world: &Threads, thread: &super::Thread) {
    if let Some(next) = thread.next.take() {
        // SAFETY: whoever takes it out of the slot owns it.
        let process = unsafe { crate::process::block::Runnable::from_raw(next) };
        world.injector.push(process);
        world.notify();
    }
}

/// Gives a stuck thread's processor to another thread.
fn hand_off(shared: &Arc<Shared>, processor: usize, stuck: usize) -> bool {
    let world = shared.threads();
    let standing_by = world.roster.lock().standing_by.pop();
    // The successor first: a processor that is taken away must have somewhere to go.
    let Some(number) = standing_by.or_else(|| worker::start_standby(shared)) else {
        return false;
    };
    let thread = world.thread(stuck);
    if !thread.state.try_detach() {
        world.roster.lock().standing_by.push(number);
        return false;
    }
    let next = world.thread(number);
    next.processor.store(processor, Ordering::Relaxed);
    world.processors[processor]
        .thread
        .store(number, Ordering::Release);
    {
        let _assigned = next.assigned.lock();
        next.state.assign();
        next.assignment.notify_all();
    }
    world.drain(thread);
    panics::contain("a subscriber", || {
        tracing::debug!(
            target: "hammerbeam::scheduler", thread = stuck, processor,
            "a process does not yield: its worker's processor goes to another thread"
        );
    });
    true
}

/// The lane's progress.
#[derive(Default)]
struct LaneWatch {
    taken: u64,
    since: u64,
}

impl LaneWatch {
    fn look_at(&mut self, shared: &Arc<Shared>, now: u64) {
        let world = shared.threads();
        let asked = world.sysmon.lane_thread.swap(false, Ordering::SeqCst);
        let (waiting, idle, taken) = world.lane.progress();
        if waiting == 0 || idle > 0 || taken != self.taken {
            self.taken = taken;
            self.since = now;
            if waiting == 0 || idle > 0 {
                return;
            }
        }
        let threads = world.lane.threads();
        let stuck = now - self.since > LANE_STUCK;
        if (asked || threads == 0) && threads < world.limits.workers || stuck {
            self.since = now;
            add_thread(shared);
        }
    }
}

fn add_thread(shared: &Arc<Shared>) {
    let world = shared.threads();
    if !world.lane.join(usize::MAX) {
        return;
    }
    let standing_by = world.roster.lock().standing_by.pop();
    let joined = match standing_by {
        Some(number) => {
            let thread = world.thread(number);
            let _assigned = thread.assigned.lock();
            thread.state.join_lane();
            thread.assignment.notify_all();
            true
        }
        None => worker::start_lane_thread(shared),
    };
    if !joined {
        world.lane.leave();
    }
}
