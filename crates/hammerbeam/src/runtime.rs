//! The runtime: where processes live. Starting it, running a program in it, stopping it.
//!
//! **Promise.** G17: stopping asks every process to end, waits for them, kills those that do not, and says which ones did not end even
//! then. G18: it does not start where a panic would abort the program, unless told to.
//! **State.** `Shared` is what processes and threads refer to; it outlives them all.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use parking_lot::{Condvar, Mutex};

use crate::process::block::{Header, Runnable};
use crate::process::current::{self, Entered};
use crate::process::extension::Extension;
use crate::process::{Addr, Cx, Exit, IntoExit, Pid, SpawnError, info, panics, spawn::spawn};
use crate::registry::{Names, RegisterError};
use crate::scheduler::{Limits, MOST_WORKERS, Threads, sysmon, worker};
use crate::signal::exit;
use crate::world::World;

/// From this many processes on, the limit is looked at once in 64 starts of a thread.
const LARGE: usize = 1 << 16;
/// How long a stop waits for killed processes, and for its threads.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// What the processes of a runtime share.
pub(crate) struct Shared {
    /// Itself, as the `Arc` that it is.
    whole: Weak<Self>,
    id: u64,
    pub(crate) world: Arc<dyn World>,
    threads: Option<Arc<Threads>>,
    pub(crate) names: Names,
    epoch: Instant,
    max_processes: usize,
    /// Processes started less processes ended by threads that are not the world's; the world counts for its own.
    elsewhere: CachePadded<AtomicIsize>,
    stopping: AtomicBool,
    gone: Mutex<()>,
    all_gone: Condvar,
    background: Option<tokio::runtime::Handle>,
}

impl Shared {
    pub(crate) fn new(
        world: Arc<dyn World>,
        threads: Option<Arc<Threads>>,
        epoch: Instant,
        max_processes: usize,
        background: Option<tokio::runtime::Handle>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new_cyclic(|whole| Self {
            whole: Weak::clone(whole),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            world,
            threads,
            names: Names::default(),
            epoch,
            max_processes,
            elsewhere: CachePadded::new(AtomicIsize::new(0)),
            stopping: AtomicBool::new(false),
            gone: Mutex::default(),
            all_gone: Condvar::new(),
            background,
        })
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn epoch(&self) -> Instant {
        self.epoch
    }

    pub(crate) fn threads(&self) -> &Threads {
        self.threads
            .as_deref()
            .expect("asked by a thread of this runtime")
    }

    pub(crate) const fn background(&self) -> Option<&tokio::runtime::Handle> {
        self.background.as_ref()
    }

    /// Tenths of a second since the start.
    pub(crate) fn age(&self) -> u32 {
        u32::try_from(self.world.coarse_now() / 100_000_000).unwrap_or(u32::MAX)
    }

    /// Counts a process that is about to start.
    pub(crate) fn admit(&self) -> Result<(), SpawnError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(SpawnError::Stopping);
        }
        let here = self.count(1);
        if (self.max_processes < LARGE || here & 63 == 0) && self.live() > self.max_processes {
            self.count(-1);
            return Err(SpawnError::Full {
                limit: self.max_processes,
            });
        }
        Ok(())
    }

    fn count(&self, change: isize) -> isize {
        self.world
            .count(change)
            .unwrap_or_else(|| self.elsewhere.fetch_add(change, Ordering::AcqRel))
    }

    pub(crate) fn process_ended(&self) {
        self.count(-1);
        if self.stopping.load(Ordering::Relaxed) && self.live() == 0 {
            let _gone = self.gone.lock();
            self.all_gone.notify_all();
        }
    }

    /// Processes that live now.
    pub(crate) fn live(&self) -> usize {
        let sum = self.elsewhere.load(Ordering::Acquire) + self.world.counted();
        usize::try_from(sum).unwrap_or(0)
    }

    pub(crate) fn stop_admitting(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Tells every process to end, those too that are started meanwhile, and waits until none is left. Returns how many were told,
    /// and whether all ended in time.
    fn end_all(&self, reason: &Exit, deadline: Instant) -> (usize, bool) {
        let mut told = HashSet::new();
        for look in 0_u32.. {
            // The count is a sum over threads without a lock: alone it proves nothing, and a notification can be missed.
            let counted = self.live();
            if counted == 0 || look.is_multiple_of(16) {
                let processes = info::processes_of(self);
                if processes.is_empty() && self.live() == 0 {
                    break;
                }
                for pid in processes {
                    if told.insert(pid) {
                        exit(pid, reason.clone());
                    }
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return (told.len(), false);
            }
            let mut gone = self.gone.lock();
            if self.live() > 0 {
                let soon = now + Duration::from_millis(5);
                self.all_gone.wait_until(&mut gone, soon.min(deadline));
            }
        }
        (told.len(), true)
    }
}

/// The runtime of a process.
pub(crate) fn of(header: &Header) -> &Shared {
    // SAFETY: a runtime outlives its processes (see `Runtime::stop`).
    unsafe { header.runtime.as_ref() }
}

/// Queues a process, from any thread.
pub(crate) fn schedule(process: Runnable) {
    let runtime = process.header().runtime;
    let here = current::with_runtime(|here| std::ptr::eq(here, runtime.as_ptr()));
    if here == Some(true) {
        // SAFETY: this thread has entered it, so it is kept.
        return unsafe { runtime.as_ref() }.world.schedule(process);
    }
    // Once the process is queued it may end, and with it the runtime, before the call returns.
    // SAFETY: a runtime outlives its processes, of which this is one. It is counted through the pointer to the whole `Arc`: one
    // that was made from a reference to what is in it may not touch the count beside it.
    let keep = unsafe {
        let whole = runtime.as_ref().whole.as_ptr();
        Arc::increment_strong_count(whole);
        Arc::from_raw(whole)
    };
    keep.world.schedule(process);
}

pub(crate) fn register_name(
    header: &Header,
    pid: Pid,
    name: &'static str,
    message: TypeId,
) -> Result<(), RegisterError> {
    let name = of(header).names.register(name, pid, message)?;
    let mut relations = header.extension_or_new().relations.lock();
    if !relations.names.contains(&name) {
        relations.names.push(name);
    }
    Ok(())
}

pub(crate) fn unregister_name(header: &Header, pid: Pid, name: &str) -> bool {
    let Some(extension) = header.extension() else {
        return false;
    };
    let mut relations = extension.relations.lock();
    let Some(index) = relations.names.iter().position(|own| &**own == name) else {
        return false;
    };
    relations.names.swap_remove(index);
    of(header).names.release(name, pid);
    true
}

/// Frees the names of a process that ends.
pub(crate) fn release_names(header: &Header, extension: &Extension, pid: Pid) {
    let names = std::mem::take(&mut extension.relations.lock().names);
    for name in names {
        of(header).names.release(&name, pid);
    }
}

/// How to start a runtime.
///
/// ```
/// let runtime = hammerbeam::Runtime::builder()
///     .workers(2)
///     .max_processes(1_000)
///     .build()
///     .unwrap();
/// assert_eq!(runtime.run(async |cx: hammerbeam::Cx<()>| cx.pid().node()).unwrap(), 0);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before `build`"]
pub struct Builder {
    workers: Option<usize>,
    max_threads: usize,
    max_processes: usize,
    shutdown_timeout: Duration,
    background: bool,
    allow_abort: bool,
}

impl Builder {
    const fn new() -> Self {
        Self {
            workers: None,
            max_threads: 512,
            max_processes: 1 << 24,
            shutdown_timeout: Duration::from_secs(5),
            background: true,
            allow_abort: false,
        }
    }

    /// Worker threads that run processes; the number of cores by default, 64 at most.
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The most threads in all, those stuck in processes that do not yield included; 512 by default.
    pub const fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = threads;
        self
    }

    /// The most processes at once; 2^24 by default, 2^26 at most.
    pub const fn max_processes(mut self, processes: usize) -> Self {
        self.max_processes = processes;
        self
    }

    /// How long a stop waits for processes to end before it kills them; 5 s by default.
    pub const fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// Whether there is a background tokio runtime for libraries that need one; true by default.
    pub const fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// Starts even where a panic aborts the whole program, and not just its process.
    pub const fn allow_abort(mut self, allow: bool) -> Self {
        self.allow_abort = allow;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// [`StartError`]: impossible numbers, a build that aborts on panic, or the system gives no threads or files.
    pub fn build(self) -> Result<Runtime, StartError> {
        if cfg!(panic = "abort") && !self.allow_abort {
            return Err(StartError::PanicAborts);
        }
        let workers = self.workers.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_WORKERS))
        });
        if workers == 0 || workers > MOST_WORKERS {
            return Err(StartError::Workers { asked: workers });
        }
        if self.max_threads < workers {
            return Err(StartError::Threads {
                asked: self.max_threads,
                workers,
            });
        }
        panics::install_hook();
        let tokio = if self.background {
            Some(
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .thread_name("hammerbeam-background")
                    .enable_all()
                    .build()?,
            )
        } else {
            None
        };
        let epoch = Instant::now();
        let limits = Limits {
            workers,
            threads: self.max_threads,
        };
        let threads = Arc::new(Threads::new(limits, epoch)?);
        let shared = Shared::new(
            Arc::clone(&threads) as Arc<dyn World>,
            Some(threads),
            epoch,
            self.max_processes,
            tokio.as_ref().map(|tokio| tokio.handle().clone()),
        );
        let runtime = Runtime {
            shared,
            tokio,
            shutdown_timeout: self.shutdown_timeout,
            stopped: false,
        };
        if !worker::start_workers(&runtime.shared) {
            return Err(StartError::System(io::Error::other(
                "cannot start worker threads",
            )));
        }
        sysmon::start(&runtime.shared)?;
        Ok(runtime)
    }
}

/// A runtime could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is built with `panic = "abort"`, so that a panic would end all processes at once.
    #[error(
        "this program is built with panic = \"abort\": a panic would end every process, not one; \
         remove it from the Cargo profile, or accept that with `Builder::allow_abort(true)`"
    )]
    PanicAborts,
    /// The number of workers must lie between 1 and 64.
    #[error("cannot start with {asked} workers: between 1 and 64 are possible")]
    Workers {
        /// What was asked for.
        asked: usize,
    },
    /// There must be at least as many threads as workers.
    #[error("cannot start with {asked} threads for {workers} workers")]
    Threads {
        /// What was asked for.
        asked: usize,
        /// The number of workers.
        workers: usize,
    },
    /// The system gives no threads or files.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A program did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The runtime could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The first process could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The first process ended before its body returned: it panicked, or was told to end.
    #[error("the first process ended early: {0}")]
    Exited(Exit),
}

/// A runtime. Dropping it stops it.
pub struct Runtime {
    shared: Arc<Shared>,
    tokio: Option<tokio::runtime::Runtime>,
    shutdown_timeout: Duration,
    stopped: bool,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("processes", &self.shared.live())
            .finish_non_exhaustive()
    }
}

/// What [`Runtime::stop`] found.
#[derive(Debug, Clone)]
#[must_use = "processes that did not end are stuck"]
#[non_exhaustive]
pub struct Stopped {
    /// Processes that had to be killed because they did not end in time.
    pub killed: usize,
    /// Processes that did not end even so: they do not await. Their threads go on.
    pub stuck: Vec<Pid>,
}

impl Runtime {
    /// A runtime with as many workers as the machine has cores.
    ///
    /// # Errors
    /// As for [`Builder::build`].
    pub fn new() -> Result<Self, StartError> {
        Self::builder().build()
    }

    /// How to start a runtime.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// Runs a process and waits, on this thread, until its body returns. The other processes go on.
    ///
    /// # Errors
    /// [`RunError`]: the process could not be started, or it ended before its body returned.
    pub fn run<M, T, B, F>(&self, body: B) -> Result<T, RunError>
    where
        M: Send + 'static,
        T: Send + 'static,
        B: FnOnce(Cx<M>) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        let result = Arc::new(Outcome::default());
        let report = Report(Arc::clone(&result));
        self.spawn(move |cx| {
            let body = body(cx);
            async move { report.0.set(Ok(body.await)) }
        })?;
        result.wait().map_err(RunError::Exited)
    }

    /// Starts a process, from outside.
    ///
    /// # Errors
    /// [`SpawnError`]: the runtime is full or stopping.
    pub fn spawn<M, B, F>(&self, body: B) -> Result<Addr<M>, SpawnError>
    where
        M: Send + 'static,
        B: FnOnce(Cx<M>) -> F,
        F: Future + Send + 'static,
        F::Output: IntoExit,
    {
        let _entered = self.enter();
        spawn(body)
    }

    /// Makes this runtime the one of the calling thread, until the guard is dropped: names are looked up in it, and processes started
    /// in it.
    #[must_use = "the runtime is left when this is dropped"]
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _entered: Entered::runtime(Arc::clone(&self.shared)),
            _runtime: self,
        }
    }

    /// Processes that live now.
    #[must_use]
    pub fn process_count(&self) -> usize {
        self.shared.live()
    }

    /// The pids of all its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        info::processes_of(&self.shared)
    }

    /// Stops: no process is started any more, all are asked to end with [`Exit::Shutdown`], killed after the shutdown time, and the
    /// threads end.
    pub fn stop(mut self) -> Stopped {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Stopped {
        if std::mem::replace(&mut self.stopped, true) {
            return Stopped {
                killed: 0,
                stuck: Vec::new(),
            };
        }
        let shared = &self.shared;
        shared.stop_admitting();
        let (_, mut empty) =
            shared.end_all(&Exit::Shutdown, Instant::now() + self.shutdown_timeout);
        let mut killed = 0;
        if !empty {
            (killed, empty) = shared.end_all(&Exit::Kill, Instant::now() + LAST_WAIT);
        }
        let stuck = if empty {
            Vec::new()
        } else {
            info::processes_of(shared)
        };
        let threads = shared.threads();
        threads.stop();
        let left = threads.wait_until_gone(Instant::now() + LAST_WAIT);
        if !stuck.is_empty() || left > 0 {
            // They refer to it for as long as they live.
            std::mem::forget(Arc::clone(shared));
            tracing::warn!(
                target: "hammerbeam::runtime", ?stuck, threads = left,
                "the runtime stopped without these: they do not yield"
            );
        }
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
        Stopped { killed, stuck }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.shut_down();
    }
}

/// See [`Runtime::enter`].
pub struct EnterGuard<'a> {
    _entered: Entered,
    _runtime: &'a Runtime,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnterGuard")
    }
}

/// The result of the first process.
pub(crate) struct Outcome<T> {
    value: Mutex<Option<Result<T, Exit>>>,
    there: Condvar,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self {
            value: Mutex::new(None),
            there: Condvar::new(),
        }
    }
}

impl<T> Outcome<T> {
    pub(crate) fn set(&self, value: Result<T, Exit>) {
        self.value.lock().get_or_insert(value);
        self.there.notify_all();
    }

    pub(crate) fn try_take(&self) -> Option<Result<T, Exit>> {
        self.value.lock().take()
    }

    fn wait(&self) -> Result<T, Exit> {
        let mut value = self.value.lock();
        loop {
            if let Some(value) = value.take() {
                return value;
            }
            self.there.wait(&mut value);
        }
    }
}

/// Says so when the first process is dropped before it has a result.
pub(crate) struct Report<T: 'static>(pub(crate) Arc<Outcome<T>>);

impl<T: 'static> Drop for Report<T> {
    fn drop(&mut self) {
        let outcome = Arc::clone(&self.0);
        current::owe(move |ended| outcome.set(Err(ended.unwrap_or(Exit::Killed))));
    }
}

/// Starts a runtime, runs a process in it, and stops it when the body returns: `main` in one call.
///
/// The other processes are asked to end, as in [`Runtime::stop`].
///
/// # Errors
/// [`RunError`]: the runtime could not be started, or the process ended before its body returned.
///
/// ```
/// let answer = hammerbeam::run(async |_cx: hammerbeam::Cx<()>| 6 * 7).unwrap();
/// assert_eq!(answer, 42);
/// ```
pub fn run<M, T, B, F>(body: B) -> Result<T, RunError>
where
    M: Send + 'static,
    T: Send + 'static,
    B: FnOnce(Cx<M>) -> F,
    F: Future<Output = T> + Send + 'static,
{
    let runtime = Runtime::new()?;
    let result = runtime.run(body);
    let _ = runtime.stop();
    result
}
