//! The idle set: work that was queued is found, though everybody was just going to sleep.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::Queue;
use super::idle::IdleSet;
use crate::model::{Parker, check};

struct World {
    idle: IdleSet,
    queue: Queue,
    parkers: Vec<Parker>,
    jobs: usize,
    done: AtomicUsize,
    stopping: AtomicBool,
}

/// In which order a worker looks and goes to sleep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    AsInTheScheduler,
    WithoutLookingAgain,
}

impl World {
    fn new(workers: usize, jobs: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: IdleSet::new(),
            queue: Queue::new(),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            jobs,
            done: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    fn notify(&self) {
        if let Some(processor) = self.idle.notify() {
            self.parkers[processor].unpark();
        }
    }

    fn produce(&self) {
        self.queue.push();
        self.notify();
    }

    /// Stops everybody only when all jobs are done: a lost wake-up stays one.
    fn run_job(&self) {
        if self.done.fetch_add(1, Ordering::AcqRel) + 1 == self.jobs {
            self.stopping.store(true, Ordering::Release);
            for parker in &self.parkers {
                parker.unpark();
            }
        }
    }

    /// The loop of `worker::work`.
    fn work(&self, me: usize, sleep: Sleep) {
        let mut searching = false;
        while !self.stopping.load(Ordering::Acquire) {
            if self.queue.take() {
                if std::mem::take(&mut searching)
                    && self.idle.found_work()
                    && !self.queue.is_empty()
                {
                    self.notify();
                }
                self.run_job();
                continue;
            }
            self.idle.going_to_sleep(me, std::mem::take(&mut searching));
            let look = sleep == Sleep::WithoutLookingAgain || self.queue.is_empty();
            if look && !self.stopping.load(Ordering::Acquire) {
                self.parkers[me].park();
            }
            searching = self.idle.awake(me);
        }
    }
}

fn model(workers: usize, producers: usize, jobs: usize, sleep: Sleep) {
    let world = World::new(workers, producers * jobs);
    let mut threads: Vec<_> = (1..workers)
        .map(|me| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.work(me, sleep))
        })
        .collect();
    for _ in 0..producers {
        let world = Arc::clone(&world);
        threads.push(thread::spawn(move || {
            for _ in 0..jobs {
                world.produce();
            }
        }));
    }
    world.work(0, sleep);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_worker_that_goes_to_sleep_sees_what_is_queued_meanwhile() {
    check(3, || model(1, 1, 2, Sleep::AsInTheScheduler));
}

#[test]
fn two_producers_wake_the_one_worker() {
    check(3, || model(1, 2, 1, Sleep::AsInTheScheduler));
}

/// The second job's producer may skip its wake-up because a searcher is about; that one may just give up.
#[test]
fn a_searcher_that_gives_up_is_relied_on_by_nobody() {
    check(2, || model(2, 1, 2, Sleep::AsInTheScheduler));
}

#[test]
fn two_workers_and_two_producers_lose_nothing() {
    check(2, || model(2, 2, 1, Sleep::AsInTheScheduler));
}

/// Must fail: whoever sleeps without a second look misses what came between the first one and the announcement.
#[test]
#[should_panic(expected = "deadlock")]
fn a_worker_that_does_not_look_again_sleeps_for_ever() {
    check(2, || model(1, 1, 1, Sleep::WithoutLookingAgain));
}

/// Must fail: a producer that wakes before it has queued wakes for nothing.
#[test]
#[should_panic(expected = "deadlock")]
fn a_producer_that_notifies_first_is_not_heard() {
    check(2, || {
        let world = World::new(1, 1);
        let producer = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.notify();
                world.queue.push();
            })
        };
        world.work(0, Sleep::AsInTheScheduler);
        producer.join().unwrap();
    });
}
