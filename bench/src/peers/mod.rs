//! The runtimes under test, one file each, all of the same shape: read one, then see where the next
//! one differs.
//!
//! Each is written as its users would write it, with its fastest sane settings. Where a peer cannot
//! express a workload, a comment says what it does instead.

pub(crate) mod actix;
pub(crate) mod hammerbeam;
pub(crate) mod kameo;
pub(crate) mod ractor;
pub(crate) mod tokio;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::tokio::runtime::{Builder, Runtime};
use ::tokio::sync::{Notify, mpsc};
use ::tokio::time;

/// A multi-thread runtime, as tokio and the actor crates on top of it want it.
fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("the system has threads and an epoll for a runtime")
}

/// Runs a future as a task and waits for it. In `block_on` itself it would run on the calling
/// thread, beside the workers, and each message to it would cross threads.
fn on_worker<F>(runtime: &Runtime, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime
        .block_on(runtime.spawn(future))
        .expect("a panic would have ended the process")
}

/// Counts processes down; the last one tells who waits.
#[derive(Debug)]
struct Countdown {
    left: AtomicU64,
    last: Notify,
}

impl Countdown {
    fn new(n: u64) -> Self {
        Self {
            left: AtomicU64::new(n),
            last: Notify::new(),
        }
    }

    fn one_ended(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.last.notify_one();
        }
    }

    async fn wait(&self) {
        self.last.notified().await;
    }
}

/// A batch of timers that live as tasks, the way the actor crates' `send_after` does it.
///
/// Such a timer begins to tick when its task first runs, which nobody can wait for: the time until
/// then is not in the start, only the call is. The end of the tasks is in the cancelling.
async fn timers_as_tasks<T>(
    n: u64,
    start: impl Fn() -> ::tokio::task::JoinHandle<T>,
) -> crate::workload::Timers {
    let metrics = ::tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let mut handles = Vec::with_capacity(n as usize);
    let began = Instant::now();
    for _ in 0..n {
        handles.push(start());
    }
    let started = began.elapsed();
    time::sleep(Duration::from_secs(1)).await;
    let full_rss = crate::report::rss();
    let began = Instant::now();
    for handle in handles {
        handle.abort();
    }
    while metrics.num_alive_tasks() > before {
        ::tokio::task::yield_now().await;
    }
    crate::workload::Timers {
        start: started,
        cancel: began.elapsed(),
        full_rss,
    }
}

/// Waits for `n` answers.
async fn collect(answers: &mut mpsc::UnboundedReceiver<()>, n: u64) {
    for _ in 0..n {
        answers.recv().await;
    }
}
