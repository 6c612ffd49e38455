//! Runs one workload on one peer, in this process, and prints one line about it.
//!
//! **Promise.** One run, one line: JSON with `--json`, a readable one without. A panic anywhere, in
//! any process or task, ends the run with exit code 101 and no line.
//! **Ends.** By `exit`: tearing down a million processes would take time and tell nothing.
//! **See** `README.md` for what each workload is, `compare.py` for rounds over several peers.

#![forbid(unsafe_code)]

mod peers;
mod report;
mod samples;
mod workload;

use std::net::SocketAddr;
use std::process;
use std::thread;

use clap::{Parser, ValueEnum};

use crate::report::Report;
use crate::workload::{Plan, Workload};

/// The same allocator for every peer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Process, message, timer and fairness workloads for hammerbeam and its peers.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Who does the work.
    #[arg(long, value_enum, default_value_t = PeerName::Hammerbeam)]
    peer: PeerName,

    #[arg(value_enum)]
    workload: Workload,

    /// How often; each workload has its own default.
    #[arg(long)]
    n: Option<u64>,

    /// Print one JSON object on one line.
    #[arg(long)]
    json: bool,

    /// Processes that compute for ever and never wait (fairness).
    #[arg(long, default_value_t = 4)]
    hogs: usize,

    /// How long to measure (fairness, lateness).
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,

    /// Worker threads; the number of cores when not given.
    #[arg(long)]
    workers: Option<usize>,

    /// Where to listen (echo).
    #[arg(long)]
    addr: Option<SocketAddr>,
}

/// The peers, as they are called on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PeerName {
    Hammerbeam,
    Tokio,
    /// Tokio tasks with bounded channels.
    TokioBounded,
    Kameo,
    Ractor,
    Actix,
}

impl PeerName {
    fn run(self, plan: &Plan) -> Report {
        match self {
            Self::Hammerbeam => workload::run::<peers::hammerbeam::Hammerbeam>("hammerbeam", plan),
            Self::Tokio => workload::run::<peers::tokio::Unbounded>("tokio", plan),
            Self::TokioBounded => workload::run::<peers::tokio::Bounded>("tokio-bounded", plan),
            Self::Kameo => workload::run::<peers::kameo::Kameo>("kameo", plan),
            Self::Ractor => workload::run::<peers::ractor::Ractor>("ractor", plan),
            Self::Actix => workload::run::<peers::actix::Actix>("actix", plan),
        }
    }
}

fn main() {
    die_of_panics();
    let args = Args::parse();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan {
        workload: args.workload,
        n: args.n.unwrap_or(args.workload.default_n()),
        hogs: args.hogs,
        seconds: args.seconds,
        workers: args.workers.unwrap_or(cores),
        addr: args.addr,
    };
    if let Err(what) = plan.check() {
        refuse(&what);
    }
    let report = args.peer.run(&plan);
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    process::exit(0);
}

/// Runtimes turn a panic in a task into a value that nobody here would look at, and the run would
/// wait for ever for the answer that task owed.
fn die_of_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        process::exit(101);
    }));
}

fn refuse(what: &str) -> ! {
    eprintln!("hammerbeam-bench: {what}");
    process::exit(2);
}
