//! A world in one thread, with virtual time and a seeded order: the same seed, the same run.
//!
//! Whichever process runs next is drawn from the seed among all that may run; when none may, time jumps to the next timer. It is
//! what the crate's own tests of links, monitors and timers use to go through thousands of interleavings.
//!
//! **Promise.** G19: two runs with one seed make the same choices, as long as the program asks the world for time and randomness.
//! **Not promised.** Sockets (there are none in this world), faults, delays of single signals: that is the simulator's part.
//!
//! ```
//! use hammerbeam::world::deterministic::Deterministic;
//! use hammerbeam::{Cx, time};
//! use std::time::{Duration, Instant};
//!
//! let before = Instant::now();
//! Deterministic::new(7)
//!     .run(async |_cx: Cx<()>| time::sleep(Duration::from_secs(3600)).await)
//!     .unwrap();
//! assert!(before.elapsed() < Duration::from_secs(60));
//! ```

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::io::registration::{Registration, Source};
use crate::process::block::Runnable;
use crate::process::current::Entered;
use crate::process::run::{Turn, turn};
use crate::process::{Cx, Exit, Pid, SpawnError, info, panics, spawn::spawn};
use crate::runtime::{Outcome, Report, Shared};
use crate::signal::exit;
use crate::time::wheel::Wheel;
use crate::time::{Action, TimerKey};
use crate::world::World;

/// A single-threaded run with virtual time.
#[derive(Debug, Clone)]
#[must_use = "nothing runs before `run`"]
pub struct Deterministic {
    seed: u64,
    max_turns: u64,
}

/// A run did not come to its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfinished {
    /// The first process could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The first process ended before its body returned.
    #[error("the first process ended early: {0}")]
    Exited(Exit),
    /// No process may run and no timer is set, but the first process waits still.
    #[error("deadlock under seed {seed}: all of {waiting:?} wait")]
    Deadlock {
        /// The seed.
        seed: u64,
        /// The processes that wait.
        waiting: Vec<Pid>,
    },
    /// More turns than allowed were taken.
    #[error("not finished after {turns} turns under seed {seed}")]
    TooLong {
        /// The seed.
        seed: u64,
        /// The turns that were taken.
        turns: u64,
    },
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Turns that were given.
    pub turns: u64,
    /// A number that tells runs with different choices apart.
    pub hash: u64,
}

impl Deterministic {
    /// A world whose choices are drawn from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            max_turns: 10_000_000,
        }
    }

    /// Turns after which a run is given up; ten million by default.
    pub const fn max_turns(mut self, turns: u64) -> Self {
        self.max_turns = turns;
        self
    }

    /// Runs a process until its body returns, then ends the others.
    ///
    /// # Errors
    /// [`Unfinished`].
    pub fn run<M, T, B, F>(self, body: B) -> Result<T, Unfinished>
    where
        M: Send + 'static,
        T: Send + 'static,
        B: FnOnce(Cx<M>) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        self.run_traced(body).map(|(value, _)| value)
    }

    /// As [`Deterministic::run`], and says what it did.
    ///
    /// # Errors
    /// [`Unfinished`].
    pub fn run_traced<M, T, B, F>(self, body: B) -> Result<(T, Trace), Unfinished>
    where
        M: Send + 'static,
        T: Send + 'static,
        B: FnOnce(Cx<M>) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        panics::install_hook();
        let world = Arc::new(Virtual::new(self.seed));
        let shared = Shared::new(
            Arc::clone(&world) as Arc<dyn World>,
            None,
            Instant::now(),
            1 << 20,
            None,
        );
        let entered = Entered::runtime(Arc::clone(&shared));
        let outcome = Arc::new(Outcome::default());
        let report = Report(Arc::clone(&outcome));
        spawn(move |cx| {
            let body = body(cx);
            async move { report.0.set(Ok(body.await)) }
        })?;
        let result = loop {
            if let Some(result) = outcome.try_take() {
                break result.map_err(Unfinished::Exited);
            }
            let turns = world.turns();
            if turns >= self.max_turns {
                break Err(Unfinished::TooLong {
                    seed: self.seed,
                    turns,
                });
            }
            if !world.step() {
                break Err(Unfinished::Deadlock {
                    seed: self.seed,
                    waiting: info::processes_of(&shared),
                });
            }
        };
        let trace = world.trace();
        shared.stop_admitting();
        for pid in info::processes_of(&shared) {
            exit(pid, Exit::Kill);
        }
        while shared.live() > 0 && world.step() {}
        if shared.live() > 0 {
            // Only a process that is kept elsewhere could be left; it refers to the runtime.
            std::mem::forget(Arc::clone(&shared));
        }
        drop(entered);
        result.map(|value| (value, trace))
    }
}

struct State {
    random: u64,
    ready: Vec<Runnable>,
    wheel: Wheel,
    turns: u64,
    hash: u64,
}

struct Virtual {
    now: AtomicU64,
    state: Mutex<State>,
}

impl Virtual {
    fn new(seed: u64) -> Self {
        Self {
            now: AtomicU64::new(1),
            state: Mutex::new(State {
                random: seed,
                ready: Vec::new(),
                wheel: Wheel::new(),
                turns: 0,
                hash: 0xcbf2_9ce4_8422_2325,
            }),
        }
    }

    fn turns(&self) -> u64 {
        self.state.lock().turns
    }

    fn trace(&self) -> Trace {
        let state = self.state.lock();
        Trace {
            turns: state.turns,
            hash: state.hash,
        }
    }

    /// One choice: a process has its turn, or time moves on. False: nothing can happen any more.
    fn step(&self) -> bool {
        let next = {
            let mut state = self.state.lock();
            state.turns += 1;
            let count = state.ready.len() as u64;
            if count > 0 {
                let choice = state.random() % count;
                state.note(count << 32 | choice);
                Some(state.ready.remove(choice as usize))
            } else {
                None
            }
        };
        if let Some(process) = next {
            if let Turn::Again(process) = turn(process, |_| 0) {
                self.state.lock().ready.push(process);
            }
            return true;
        }
        let mut due = Vec::new();
        {
            let mut state = self.state.lock();
            let Some(next) = state.wheel.next_deadline() else {
                return false;
            };
            let now = next.max(self.now.load(Ordering::Relaxed));
            self.now.store(now, Ordering::Relaxed);
            state.note(now);
            state.wheel.advance(now, &mut due);
        }
        for action in due {
            action.run();
        }
        true
    }
}

impl State {
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn note(&mut self, choice: u64) {
        self.hash = (self.hash ^ choice).wrapping_mul(0x0100_0000_01b3);
    }
}

impl World for Virtual {
    fn schedule(&self, process: Runnable) {
        self.state.lock().ready.push(process);
    }

    fn count(&self, _: isize) -> Option<isize> {
        None
    }

    fn counted(&self) -> isize {
        0
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn coarse_now(&self) -> u64 {
        self.now()
    }

    fn set_timer(&self, at: u64, action: Action) -> TimerKey {
        let entry = self.state.lock().wheel.insert(at, action);
        TimerKey { wheel: 0, entry }
    }

    fn cancel_timer(&self, key: TimerKey) -> Option<u64> {
        let cancelled = self.state.lock().wheel.cancel(key.entry);
        cancelled.map(|(deadline, _action)| deadline)
    }

    fn random(&self) -> u64 {
        self.state.lock().random()
    }

    fn sockets(&self) -> io::Result<()> {
        Err(no_sockets())
    }

    fn register(&self, _: &mut dyn Source) -> io::Result<Registration> {
        Err(no_sockets())
    }
}

fn no_sockets() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "there are no sockets in a deterministic world",
    )
}
