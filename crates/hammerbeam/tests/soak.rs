//! Thousands of short runs beside hogs: the hand-off of a stuck worker's processor loses no wake-up.
//!
//! The races it looks for are rare, so what counts is the number of runs and not their length: each starts hogs that do not yield, so
//! that processors change hands, while others talk, sleep and are woken from outside; and it ends when all of that is done. A
//! watchdog fails the test, and says what it saw, when nothing gets on. `HAMMERBEAM_SOAK_RUNS` sets the number of runs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hammerbeam::{Cx, Info, Reply, Runtime, call, process_info, send, spawn};

/// No run may take so long.
const STUCK: Duration = Duration::from_secs(20);
/// Runs in one runtime: enough to find its threads in all states, few enough to start afresh now and then.
const RUNS_PER_RUNTIME: u64 = 50;

fn runs(default: u64) -> u64 {
    std::env::var("HAMMERBEAM_SOAK_RUNS")
        .ok()
        .and_then(|runs| runs.parse().ok())
        .unwrap_or(default)
}

fn runtime() -> Arc<Runtime> {
    Arc::new(
        Runtime::builder()
            .workers(2)
            .background(false)
            .build()
            .unwrap(),
    )
}

/// Fails the test, with what is known of all processes, when `progress` stands still.
fn watchdog(
    progress: Arc<AtomicU64>,
    current: mpsc::Receiver<std::sync::Weak<Runtime>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut seen = (progress.load(Ordering::Relaxed), Instant::now());
        let mut runtime = std::sync::Weak::new();
        loop {
            match current.recv_timeout(Duration::from_millis(500)) {
                Ok(next) => runtime = next,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            let now = progress.load(Ordering::Relaxed);
            if now != seen.0 {
                seen = (now, Instant::now());
            } else if seen.1.elapsed() > STUCK {
                eprintln!("stuck in run {now} for {STUCK:?}\n{}", dump(&runtime));
                // The thread that waits for the run cannot be made to fail.
                std::process::abort();
            }
        }
    })
}

fn dump(runtime: &std::sync::Weak<Runtime>) -> String {
    let mut text = String::new();
    let Some(runtime) = runtime.upgrade() else {
        return "between two runtimes".into();
    };
    for pid in runtime.processes() {
        let _ = writeln!(text, "{:?}", process_info(pid));
    }
    if let Ok(threads) = std::fs::read_dir("/proc/self/task") {
        for thread in threads.flatten() {
            let read = |file| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let _ = write!(text, "{}  {}", read("stat"), read("wchan"));
            let _ = writeln!(text);
        }
    }
    text
}

async fn echo(mut cx: Cx<Reply<u64>>) {
    let mut count = 0;
    loop {
        cx.recv().await.send(count);
        count += 1;
    }
}

/// What a process does to its worker's thread.
async fn hog(mut cx: Cx<()>, kind: u64, stop: Arc<AtomicBool>) {
    let spin = |length: Duration| {
        let start = Instant::now();
        while start.elapsed() < length && !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    match kind {
        // Computes for as long as the run lasts.
        0 => spin(Duration::MAX),
        // Computes for long enough to be caught, and goes back among the others.
        1 | 2 => {
            spin(Duration::from_millis(6));
            cx.sleep(Duration::from_micros(50)).await;
            spin(Duration::from_millis(1));
        }
        // Blocks, which costs the others no core: so many processors change hands as fast as can be.
        _ => {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_micros(500 * kind));
                cx.sleep(Duration::from_micros(50)).await;
            }
        }
    }
}

/// Beside so many hogs: pairs that talk, processes that sleep, and one that is woken by this thread.
fn run(runtime: &Runtime, hogs: u64, seed: u64) {
    let stop = Arc::new(AtomicBool::new(false));
    for number in 0..hogs {
        let stop = Arc::clone(&stop);
        let kind = (seed + number) % 16;
        runtime
            .spawn(async move |cx: Cx<()>| hog(cx, kind.min(8), stop).await)
            .unwrap();
    }
    let (say, heard) = mpsc::channel();
    let outside = runtime
        .spawn(async move |mut cx: Cx<u64>| {
            loop {
                let number = cx.recv().await;
                if say.send(number).is_err() {
                    return;
                }
            }
        })
        .unwrap();
    let stop_hogs = Arc::clone(&stop);
    let work = async move |mut cx: Cx<()>| {
        for number in 0..6 {
            cx.spawn_monitor(async move |mut cx: Cx<()>| {
                let echo = spawn(echo).unwrap();
                for trip in 0..20 {
                    if (trip + number) % 5 == 0 {
                        cx.sleep(Duration::from_micros(100 * number)).await;
                    }
                    call(echo, |reply| reply)
                        .timeout(Duration::MAX)
                        .await
                        .unwrap();
                }
                hammerbeam::exit(echo, hammerbeam::Exit::Shutdown);
            })
            .unwrap();
        }
        for _ in 0..6 {
            let Info::Down(down) = cx.recv_info().await else {
                panic!("not a Down");
            };
            assert!(down.reason.is_normal(), "{down:?}");
        }
    };
    let done = std::thread::scope(|scope| {
        let inside = scope.spawn(|| runtime.run(work));
        for number in 0..20 {
            send(outside, number);
            assert_eq!(heard.recv(), Ok(number));
        }
        inside.join().unwrap()
    });
    stop_hogs.store(true, Ordering::Relaxed);
    done.unwrap();
    drop(heard);
    send(outside, 0);
    while runtime.process_count() > 0 {
        std::thread::yield_now();
    }
}

fn soak(hogs: u64, runs: u64) {
    let progress = Arc::new(AtomicU64::new(0));
    let (next, current) = mpsc::channel();
    let watchdog = watchdog(Arc::clone(&progress), current);
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut done = 0;
    while done < runs {
        let runtime = runtime();
        next.send(Arc::downgrade(&runtime)).unwrap();
        for _ in 0..RUNS_PER_RUNTIME.min(runs - done) {
            let begin = Instant::now();
            run(&runtime, hogs, done);
            slowest = slowest.max(begin.elapsed());
            done += 1;
            progress.store(done, Ordering::Relaxed);
        }
    }
    println!(
        "{runs} runs beside {hogs} hogs in {:?}; the slowest took {slowest:?}",
        start.elapsed()
    );
    drop(next);
    watchdog.join().unwrap();
}

#[test]
fn beside_four_hogs_nothing_gets_stuck() {
    soak(4, runs(1_200));
}

#[test]
fn beside_sixteen_hogs_nothing_gets_stuck() {
    soak(16, runs(800));
}
