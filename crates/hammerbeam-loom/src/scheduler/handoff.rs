//! The hand-off: sysmon takes a processor from a thread that does not come back from its poll and gives it to another one.
//!
//! One processor and two threads, of which one stands by; sysmon takes the processor away whenever it can, so also between two
//! polls, which is where the trouble is: the thread that lost it must not touch the idle set on its successor's behalf.

use std::ptr::NonNull;
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::Queue;
use super::idle::IdleSet;
use super::next_slot::NextSlot;
use super::state::ThreadState;
use crate::model::{Parker, check};

/// What of the protocol is done wrongly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsInTheScheduler,
    /// The thread touches the idle bit before it has claimed its processor.
    IdleBitFirst,
    /// A thread that loses its processor while it searches goes on counting as a searcher.
    KeepsSearching,
    /// Whoever loses its processor does not hand over what it has.
    WithoutDrain,
    /// A thread that loses its processor before it got to work does not retire.
    WaitsThoughDetached,
}

/// The one processor's number; a thread that has never had it knows another one.
const PROCESSOR: usize = 1;

struct Thread {
    state: ThreadState,
    processor: AtomicUsize,
    next: NextSlot<Job>,
    queue: Queue,
    assigned: Mutex<()>,
    assignment: Condvar,
}

/// Stands for a process in a next slot; only its address is used.
struct Job;

struct World {
    order: Order,
    idle: IdleSet,
    injector: Queue,
    /// Where the thread that has the processor sleeps: the driver.
    driver: Parker,
    /// The thread that has the processor.
    holder: AtomicUsize,
    threads: [Thread; 2],
    standing_by: Mutex<Vec<usize>>,
    /// How many others the first job wakes.
    wakes: AtomicUsize,
    jobs: usize,
    done: AtomicUsize,
    stopping: AtomicBool,
}

// SAFETY: the slots hold no pointer that anybody follows.
unsafe impl Send for World {}
// SAFETY: likewise.
unsafe impl Sync for World {}

impl World {
    fn new(order: Order, injected: usize, wakes: usize) -> Arc<Self> {
        let thread = |state, processor| Thread {
            state,
            processor: AtomicUsize::new(processor),
            next: NextSlot::new(),
            queue: Queue::new(),
            assigned: Mutex::new(()),
            assignment: Condvar::new(),
        };
        let standing_by = thread(ThreadState::running(), PROCESSOR + 1);
        standing_by.state.stand_by();
        Arc::new(Self {
            order,
            idle: IdleSet::new(),
            injector: Queue::new(),
            driver: Parker::new(),
            holder: AtomicUsize::new(0),
            threads: [thread(ThreadState::running(), PROCESSOR), standing_by],
            standing_by: Mutex::new(vec![1]),
            wakes: AtomicUsize::new(wakes),
            jobs: injected + wakes,
            done: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn notify(&self) {
        if self.idle.notify().is_some() {
            self.driver.unpark();
        }
    }

    fn inject(&self) {
        self.injector.push();
        self.notify();
    }

    fn run_job(&self) {
        if self.done.fetch_add(1, Ordering::AcqRel) + 1 == self.jobs {
            self.stopping.store(true, Ordering::Release);
            self.driver.unpark();
            for thread in &self.threads {
                let _assigned = thread.assigned.lock().unwrap();
                thread.assignment.notify_all();
            }
        }
    }

    fn work_is_waiting(&self) -> bool {
        let holder = &self.threads[self.holder.load(Ordering::Acquire)];
        !self.injector.is_empty() || !holder.queue.is_empty()
    }

    fn drain(&self, thread: &Thread) {
        let mut moved = false;
        if thread.next.take().is_some() {
            self.injector.push();
            moved = true;
        }
        while thread.queue.take() {
            self.injector.push();
            moved = true;
        }
        if moved {
            self.notify();
        }
    }

    /// A process that runs on this thread wakes another one.
    fn schedule(&self, me: usize) {
        let me = &self.threads[me];
        if !me.state.is_running() {
            return self.inject();
        }
        if me.next.put(NonNull::dangling()).is_some() {
            me.queue.push();
            self.notify();
        }
    }

    /// A thread's life.
    fn serve(&self, number: usize) {
        let me = &self.threads[number];
        let mut searching = false;
        while !self.is_stopping() {
            if me.state.is_running() {
                self.work(number, &mut searching);
            } else if me.state.is_detached() && self.order != Order::WaitsThoughDetached {
                self.retire(number, &mut searching);
            } else {
                let mut assigned = me.assigned.lock().unwrap();
                while me.state.is_standing_by() && !self.is_stopping() {
                    assigned = me.assignment.wait(assigned).unwrap();
                }
            }
        }
    }

    /// The loop of `worker::work`.
    fn work(&self, number: usize, searching: &mut bool) {
        let me = &self.threads[number];
        assert_eq!(
            me.processor.load(Ordering::Relaxed),
            PROCESSOR,
            "a stale processor"
        );
        while !self.is_stopping() {
            if me.state.is_detached() {
                return self.retire(number, searching);
            }
            let found = me.next.take().is_some() || me.queue.take() || self.injector.take();
            if found {
                if std::mem::take(searching) && self.idle.found_work() && self.work_is_waiting() {
                    self.notify();
                }
                for _ in 0..self.wakes.swap(0, Ordering::Relaxed) {
                    self.schedule(number);
                }
                self.run_job();
            } else if !self.sleep(me, searching) {
                return self.retire(number, searching);
            }
        }
    }

    /// `worker::sleep`.
    fn sleep(&self, me: &Thread, searching: &mut bool) -> bool {
        if self.order == Order::IdleBitFirst {
            return self.sleep_in_the_old_order(me, searching);
        }
        if !me.state.try_park() {
            return false;
        }
        self.idle
            .going_to_sleep(PROCESSOR, std::mem::take(searching));
        if !self.work_is_waiting() && me.next.is_empty() && !self.is_stopping() {
            self.driver.park();
        }
        *searching = self.idle.awake(PROCESSOR);
        me.state.unpark();
        true
    }

    fn sleep_in_the_old_order(&self, me: &Thread, searching: &mut bool) -> bool {
        self.idle
            .going_to_sleep(PROCESSOR, std::mem::take(searching));
        let claimed = me.state.try_park();
        if claimed && !self.work_is_waiting() && me.next.is_empty() && !self.is_stopping() {
            self.driver.park();
        }
        *searching = self.idle.awake(PROCESSOR);
        if claimed {
            me.state.unpark();
        }
        claimed
    }

    /// `worker::retire`, without the lane.
    fn retire(&self, number: usize, searching: &mut bool) {
        let me = &self.threads[number];
        if self.order != Order::KeepsSearching
            && std::mem::take(searching)
            && self.idle.found_work()
            && self.work_is_waiting()
        {
            self.notify();
        }
        if self.order != Order::WithoutDrain {
            self.drain(me);
        }
        me.state.stand_by();
        self.standing_by.lock().unwrap().push(number);
    }

    /// `sysmon::hand_off`. Returns the thread that lost the processor.
    fn hand_off(&self) -> Option<usize> {
        let stuck = self.holder.load(Ordering::Acquire);
        if !self.threads[stuck].state.is_running() {
            return None;
        }
        let next = self.standing_by.lock().unwrap().pop()?;
        if !self.threads[stuck].state.try_detach() {
            self.standing_by.lock().unwrap().push(next);
            return None;
        }
        let thread = &self.threads[next];
        thread.processor.store(PROCESSOR, Ordering::Relaxed);
        self.holder.store(next, Ordering::Release);
        {
            let _assigned = thread.assigned.lock().unwrap();
            thread.state.assign();
            thread.assignment.notify_all();
        }
        if self.order != Order::WithoutDrain {
            self.drain(&self.threads[stuck]);
        }
        Some(stuck)
    }
}

/// Thread 0 has the processor, thread 1 stands by, sysmon hands over as often as it is told, and a producer queues from outside. If
/// the first job wakes others, it is there from the start.
fn model(order: Order, hand_offs: usize, injected: usize, wakes: usize) {
    let first = usize::from(wakes > 0);
    let world = World::new(order, first + injected, wakes);
    if wakes > 0 {
        world.injector.push();
    }
    let standing_by = {
        let world = Arc::clone(&world);
        thread::spawn(move || world.serve(1))
    };
    let sysmon = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            for _ in 0..hand_offs {
                world.hand_off();
            }
        })
    };
    let producer = (injected > 0).then(|| {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            for _ in 0..injected {
                world.inject();
            }
        })
    });
    world.serve(0);
    for thread in [standing_by, sysmon].into_iter().chain(producer) {
        thread.join().unwrap();
    }
}

#[test]
fn work_from_outside_is_done_while_the_processor_changes_hands() {
    check(2, || model(Order::AsInTheScheduler, 1, 2, 0));
}

#[test]
fn a_thread_that_stood_by_gets_the_processor_again() {
    check(2, || model(Order::AsInTheScheduler, 2, 1, 0));
}

/// The processes that a stuck one woke sit in its thread's next slot and queue.
#[test]
fn what_a_thread_had_queued_when_it_lost_its_processor_is_done() {
    check(2, || model(Order::AsInTheScheduler, 1, 0, 2));
}

/// Must fail.
#[test]
#[should_panic(expected = "deadlock")]
fn touching_the_idle_bit_before_the_claim_loses_a_wake_up() {
    check(3, || model(Order::IdleBitFirst, 1, 2, 0));
}

/// Must fail.
#[test]
#[should_panic(expected = "deadlock")]
fn a_thread_that_keeps_searching_without_a_processor_silences_all_producers() {
    check(3, || model(Order::KeepsSearching, 1, 2, 0));
}

/// Must fail.
#[test]
#[should_panic(expected = "deadlock")]
fn a_thread_that_hands_nothing_over_takes_its_queue_with_it() {
    check(3, || model(Order::WithoutDrain, 1, 0, 2));
}

/// Must fail: that thread neither works nor stands by, and turns in its loop for ever.
#[test]
#[should_panic(expected = "exceeded maximum number of branches")]
fn a_thread_that_loses_its_processor_before_it_got_to_work_is_not_forgotten() {
    check(2, || model(Order::WaitsThoughDetached, 2, 1, 0));
}
