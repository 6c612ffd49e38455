//! Samples of the workloads that run for a time, readable at any moment.
//!
//! **Promise.** What was recorded can be read even when no process gets to run any more: a starved
//! run still reports what it saw.
//! **State.** Each client has a list behind a lock that nobody else wants before the end.
//! **Ends.** A client counts as done when its [`Client`] is dropped.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What each client asks of the timer.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// How many clients measure.
const CLIENTS: usize = 100;

/// Everything the clients of one run measured.
#[derive(Debug)]
pub(crate) struct Log {
    length: Duration,
    end: OnceLock<Instant>,
    samples: Vec<Mutex<Vec<Sample>>>,
    done: Mutex<usize>,
    all_done: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    late: i64,
    trip: Option<i64>,
}

impl Log {
    pub(crate) fn new(length: Duration) -> Arc<Self> {
        Arc::new(Self {
            length,
            end: OnceLock::new(),
            samples: (0..CLIENTS).map(|_| Mutex::default()).collect(),
            done: Mutex::new(0),
            all_done: Condvar::new(),
        })
    }

    /// Gives the hogs a moment to take the workers, then starts the clock. Blocks the calling
    /// thread, which must not be one of the runtime's.
    pub(crate) fn begin(self: &Arc<Self>) -> impl Iterator<Item = Client> + use<> {
        thread::sleep(Duration::from_millis(200));
        self.end.get_or_init(|| Instant::now() + self.length);
        let log = Arc::clone(self);
        (0..CLIENTS).map(move |i| Client {
            log: Arc::clone(&log),
            i,
        })
    }

    /// Whether all clients ended within this time.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, _) = self
            .all_done
            .wait_timeout_while(done, limit, |done| *done < CLIENTS)
            .unwrap_or_else(PoisonError::into_inner);
        *done == CLIENTS
    }

    /// Sorted nanoseconds by which the timers were late, beyond the tick that was asked for.
    pub(crate) fn lates(&self) -> Sorted {
        self.sorted(|sample| Some(sample.late))
    }

    /// Sorted nanoseconds of the round trips.
    pub(crate) fn trips(&self) -> Sorted {
        self.sorted(|sample| sample.trip)
    }

    fn sorted(&self, pick: impl Fn(&Sample) -> Option<i64>) -> Sorted {
        let mut all = Vec::new();
        for one in &self.samples {
            let one = one.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(one.iter().filter_map(&pick));
        }
        all.sort_unstable();
        Sorted(all)
    }
}

/// One measuring process's hold on the log.
#[derive(Debug)]
pub(crate) struct Client {
    log: Arc<Log>,
    i: usize,
}

impl Client {
    /// Whether the time of the run is up.
    pub(crate) fn is_over(&self) -> bool {
        self.log.end.get().is_none_or(|end| Instant::now() >= *end)
    }

    /// A timer was set, and came at `rang`.
    pub(crate) fn rang(&self, set: Instant, rang: Instant) {
        self.record(set, rang, None);
    }

    /// A timer was set, came at `sent`, and the round trip begun then ended at `got`.
    pub(crate) fn went(&self, set: Instant, sent: Instant, got: Instant) {
        self.record(set, sent, Some((got - sent).as_nanos() as i64));
    }

    fn record(&self, set: Instant, rang: Instant, trip: Option<i64>) {
        let late = (rang - set).as_nanos() as i64 - TICK.as_nanos() as i64;
        let mut own = self.log.samples[self.i]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        own.push(Sample { late, trip });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        *self.log.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.log.all_done.notify_all();
    }
}

/// Sorted samples in nanoseconds.
#[derive(Debug)]
pub(crate) struct Sorted(Vec<i64>);

impl Sorted {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The sample that the share `q` of all samples does not exceed, in microseconds.
    pub(crate) fn us(&self, q: f64) -> Option<f64> {
        let rank = (q * self.0.len() as f64).ceil() as usize;
        let last = self.0.len().checked_sub(1)?;
        let ns = self.0[rank.saturating_sub(1).min(last)];
        Some(ns as f64 / 1e3)
    }
}

/// How far each hog got.
#[derive(Debug)]
pub(crate) struct Hogs(Vec<AtomicU64>);

impl Hogs {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self((0..count).map(|_| AtomicU64::new(0)).collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Computes for ever, without waiting for anything.
    pub(crate) fn spin(&self, i: usize) -> ! {
        loop {
            for turn in 0..1_000_000 {
                hint::black_box(turn);
            }
            self.0[i].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Turns of the slowest and of the fastest hog.
    pub(crate) fn spread(&self) -> Option<(u64, u64)> {
        let turns = || self.0.iter().map(|turns| turns.load(Ordering::Relaxed));
        Some((turns().min()?, turns().max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_and_the_last_one_is_the_maximum() {
        let sorted = Sorted((1..=1000).map(|us| us * 1000).collect());
        assert_eq!(sorted.us(0.5), Some(500.0));
        assert_eq!(sorted.us(0.99), Some(990.0));
        assert_eq!(sorted.us(1.0), Some(1000.0));
        assert_eq!(Sorted(vec![7000]).us(0.5), Some(7.0));
        assert_eq!(Sorted(Vec::new()).us(0.5), None);
    }

    #[test]
    fn what_was_recorded_can_be_read_before_the_end() {
        let log = Log::new(Duration::from_secs(3600));
        let clients: Vec<Client> = log.begin().collect();
        let set = Instant::now();
        clients[3].went(set, set + 2 * TICK, set + 3 * TICK);
        assert!(!clients[3].is_over());
        assert!(!log.wait(Duration::ZERO));
        assert_eq!(log.lates().us(1.0), Some(1000.0));
        assert_eq!(log.trips().us(1.0), Some(1000.0));
        drop(clients);
        assert!(log.wait(Duration::ZERO));
    }
}
