//! The workloads: their names and sizes, what a peer must be able to do, and how a run is measured.
//!
//! **Promise.** Shapes, sizes and warm-ups are decided here, once, for all peers; a peer only writes
//! down the processes and the messages, and times the part that counts.
//! **State.** None: a run is one workload on one fresh peer in one OS process.
//! **Ends.** `fairness` and `lateness` by the clock, even when the peer starves; the others when the
//! work is done.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;

use crate::report::{self, Report};
use crate::samples::{Hogs, Log};

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// N processes that end at once
    Spawn,
    /// N live processes that handled one message and wait for the next
    Idle,
    /// N round trips between two processes
    Pingpong,
    /// N requests to a server, each awaited
    Call,
    /// 100 senders, N messages each, one counter
    Fanin,
    /// A token, N hops round a ring of 10,000
    Ring,
    /// 1000 processes ping random others, N times each, and answer pings meanwhile
    Big,
    /// N messages through 8 stages
    Pipeline,
    /// 100 processes: a timer of 1 ms, then a round trip, beside hogs
    Fairness,
    /// N timers started, all outstanding at once, then cancelled
    Timers,
    /// N requests from a plain OS thread that blocks for each answer
    Outside,
    /// 100 processes that wait for a timer of 1 ms again and again
    Lateness,
    /// An echo server, for a load generator; it runs until it is ended
    Echo,
}

impl Workload {
    pub(crate) fn default_n(self) -> u64 {
        match self {
            Self::Spawn | Self::Idle | Self::Pingpong | Self::Pipeline | Self::Timers => 1_000_000,
            Self::Call => 500_000,
            Self::Fanin => 100_000,
            Self::Ring => 2_000_000,
            Self::Big => 1_000,
            Self::Outside => 20_000,
            Self::Fairness | Self::Lateness | Self::Echo => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Idle => "idle",
            Self::Pingpong => "pingpong",
            Self::Call => "call",
            Self::Fanin => "fanin",
            Self::Ring => "ring",
            Self::Big => "big",
            Self::Pipeline => "pipeline",
            Self::Fairness => "fairness",
            Self::Timers => "timers",
            Self::Outside => "outside",
            Self::Lateness => "lateness",
            Self::Echo => "echo",
        }
    }

    /// Whether the run lasts for a time and not for a number.
    fn is_timed(self) -> bool {
        matches!(self, Self::Fairness | Self::Lateness)
    }
}

/// One run as asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    pub(crate) n: u64,
    pub(crate) hogs: usize,
    pub(crate) seconds: f64,
    pub(crate) workers: usize,
    pub(crate) addr: Option<SocketAddr>,
}

impl Plan {
    /// # Errors
    ///
    /// What is wrong with the plan, as a phrase.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.workers == 0 {
            return Err("--workers must be positive".into());
        }
        if !(self.seconds > 0.0 && self.seconds <= 3600.0) {
            return Err("--seconds must be in (0, 3600]".into());
        }
        match self.workload {
            Workload::Echo if self.addr.is_none() => Err("echo needs --addr".into()),
            Workload::Echo => Ok(()),
            timed if timed.is_timed() => Ok(()),
            _ if self.n == 0 => Err("--n must be positive".into()),
            _ => Ok(()),
        }
    }
}

/// A runtime under test.
///
/// Each method runs its workload once, from a process inside the runtime where the BEAM's version
/// does so too, and returns the time that the workload itself took.
pub(crate) trait Peer: Sized {
    /// Starts the runtime.
    fn start(workers: usize) -> Self;

    /// Starts `n` processes that end at once; done when the last one ends.
    fn spawn(&self, n: u64) -> Duration;

    /// Starts `n` processes, sends each a message and waits for all answers. Returns the time that
    /// the starts took, and whatever keeps the processes alive.
    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>);

    /// `warmup` and then `n` timed round trips between two processes.
    fn pingpong(&self, warmup: u64, n: u64) -> Duration;

    /// `warmup` and then `n` timed requests to one server process.
    fn call(&self, warmup: u64, n: u64) -> Duration;

    /// `senders` processes send `n` messages each to one that counts them.
    fn fanin(&self, senders: u64, n: u64) -> Duration;

    /// A token makes `size` hops and then `n` timed hops round a ring.
    fn ring(&self, size: u64, n: u64) -> Duration;

    /// Each process pings `n` times a random one and awaits the pong, answering pings meanwhile.
    fn big(&self, processes: u64, n: u64) -> Duration;

    /// `n` messages from a source through `stages`, of which the last one counts.
    fn pipeline(&self, stages: u64, n: u64) -> Duration;

    /// Starts `n` timers that are all outstanding at once, then cancels them.
    fn timers(&self, n: u64) -> Timers;

    /// `warmup` and then `n` timed requests to a process from the calling OS thread.
    fn outside(&self, warmup: u64, n: u64) -> Duration;

    /// Starts one process for each client of `log.begin()`; it waits for ticks until the client is
    /// over. Need not wait for them.
    fn lateness(&self, log: &Arc<Log>);

    /// Starts a responder and the hogs; then, with `log.begin()`, one process for each client, which
    /// waits for a tick and makes a round trip to the responder until it is over. Need not wait for
    /// them, and may block for ever when the hogs leave it no choice.
    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>);

    /// Prints `ready` and serves until the OS process is ended.
    ///
    /// # Errors
    ///
    /// When the peer has no echo server, or cannot listen.
    fn echo(&self, _addr: SocketAddr) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this peer has no echo server",
        ))
    }
}

/// How long the deadlines of [`Peer::timers`] are: none comes during the run.
pub(crate) const FAR: Duration = Duration::from_secs(60);

/// What [`Peer::timers`] measured.
#[derive(Debug)]
pub(crate) struct Timers {
    pub(crate) start: Duration,
    pub(crate) cancel: Duration,
    /// Resident bytes while all timers were outstanding.
    pub(crate) full_rss: u64,
}

/// Random numbers for `big`, the same ones for every peer.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(process: u64) -> Self {
        Self((process + 1) * 7919)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = (self.0 * 1_103_515_245 + 12_345) & 0x7fff_ffff;
        (self.0 >> 8) as usize % sides
    }
}

const SENDERS: u64 = 100;
const RING: u64 = 10_000;
const PROCESSES: u64 = 1_000;
const STAGES: u64 = 8;

/// How long after its time a run is given up: then the peer starves.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the plan on a fresh peer.
pub(crate) fn run<P: Peer>(name: &str, plan: &Plan) -> Report {
    let mut report = Report::start();
    report.put("peer", name);
    report.put("workload", plan.workload.name());
    if plan.workload.is_timed() {
        run_for_a_time::<P>(plan, &mut report);
    } else {
        run_once(&P::start(plan.workers), plan, &mut report);
    }
    report.finish();
    report
}

fn run_once<P: Peer>(peer: &P, plan: &Plan, report: &mut Report) {
    let n = plan.n;
    let warmup = (n / 100).max(1);
    match plan.workload {
        Workload::Spawn => {
            peer.spawn(warmup);
            basics(report, plan, n, peer.spawn(n));
        }
        Workload::Idle => idle(peer, plan, report),
        Workload::Pingpong => basics(report, plan, n, peer.pingpong(warmup, n)),
        Workload::Call => basics(report, plan, n, peer.call(warmup, n)),
        Workload::Fanin => {
            basics(report, plan, SENDERS * n, peer.fanin(SENDERS, n));
            report.put("peak_rss", report::peak_rss());
        }
        Workload::Ring => {
            basics(report, plan, n, peer.ring(RING, n));
            report.put("processes", RING);
        }
        Workload::Big => {
            basics(report, plan, PROCESSES * n, peer.big(PROCESSES, n));
            report.put("processes", PROCESSES);
        }
        Workload::Pipeline => {
            peer.pipeline(STAGES, warmup);
            let took = peer.pipeline(STAGES, n);
            basics(report, plan, n, took);
            report.put("stages", STAGES);
            report.put("ns_per_stage", per(took, STAGES * n));
            report.put("peak_rss", report::peak_rss());
        }
        Workload::Timers => timers(peer, plan, report),
        Workload::Outside => basics(report, plan, n, peer.outside(warmup, n)),
        Workload::Echo => echo(peer, plan),
        Workload::Fairness | Workload::Lateness => unreachable!("these are timed"),
    }
}

fn idle<P: Peer>(peer: &P, plan: &Plan, report: &mut Report) {
    let before = report::rss();
    let (took, alive) = peer.idle(plan.n);
    // Allocators and runtimes get the same time to give back what they only needed to start.
    thread::sleep(Duration::from_secs(2));
    let after = report::rss();
    drop(alive);
    let bytes = after.saturating_sub(before) as f64 / plan.n as f64;
    basics(report, plan, plan.n, took);
    report.put("bytes_per_process", bytes);
    // The BEAM's workload also counts by its own allocators; for the others both are the same.
    report.put("rss_bytes_per_process", bytes);
    report.put("rss_bytes", after);
}

fn timers<P: Peer>(peer: &P, plan: &Plan, report: &mut Report) {
    peer.timers((plan.n / 100).max(1));
    let before = report::rss();
    let Timers {
        start,
        cancel,
        full_rss,
    } = peer.timers(plan.n);
    basics(report, plan, plan.n, start + cancel);
    report.put("start_ns", per(start, plan.n));
    report.put("cancel_ns", per(cancel, plan.n));
    let bytes = full_rss.saturating_sub(before) as f64 / plan.n as f64;
    report.put("bytes_per_timer", bytes);
    report.put("rss_bytes", full_rss);
}

fn echo<P: Peer>(peer: &P, plan: &Plan) -> ! {
    let addr = plan.addr.expect("the plan was checked");
    match peer.echo(addr) {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("hammerbeam-bench: echo on {addr}: {error}");
            std::process::exit(1);
        }
    }
}

/// The peer works in a thread of its own, so that this one is a watchdog that no hog can stop.
fn run_for_a_time<P: Peer>(plan: &Plan, report: &mut Report) {
    let length = Duration::from_secs_f64(plan.seconds);
    let log = Log::new(length);
    let fair = plan.workload == Workload::Fairness;
    let hogs = Hogs::new(if fair { plan.hogs } else { 0 });
    let workers = plan.workers;
    thread::spawn({
        let (log, hogs) = (Arc::clone(&log), Arc::clone(&hogs));
        move || {
            let peer = P::start(workers);
            if fair {
                peer.fairness(&hogs, &log);
            } else {
                peer.lateness(&log);
            }
            // The peer must stay: most runtimes end with the value.
            loop {
                thread::park();
            }
        }
    });
    let ended = log.wait(length + GRACE);
    let (trips, lates) = (log.trips(), log.lates());
    let n = lates.len() as u64;
    basics(report, plan, n, length);
    if fair {
        report.put("hogs", hogs.len());
        report.put("hog_kind", "loop");
        report.put("starved", !ended);
        report.put("trip_p50_us", trips.us(0.5));
        report.put("trip_p99_us", trips.us(0.99));
        report.put("trip_p999_us", trips.us(0.999));
        report.put("trip_max_us", trips.us(1.0));
    }
    report.put("timer_p50_us", lates.us(0.5));
    report.put("timer_p99_us", lates.us(0.99));
    report.put("timer_p999_us", lates.us(0.999));
    report.put("timer_max_us", lates.us(1.0));
    if let Some((slowest, fastest)) = hogs.spread() {
        report.put("hog_min", slowest);
        report.put("hog_max", fastest);
    }
}

fn basics(report: &mut Report, plan: &Plan, operations: u64, took: Duration) {
    report.put("n", operations);
    report.put("seconds", took.as_secs_f64());
    report.put("ns_per_op", per(took, operations));
    // The BEAM's word for worker threads.
    report.put("schedulers", plan.workers);
}

/// Nanoseconds; not finite, and so missing in the report, when nothing was done.
fn per(took: Duration, operations: u64) -> f64 {
    took.as_nanos() as f64 / operations as f64
}
