//! G16. A process that computes for ever or blocks its thread does not keep the others from running.
//!
//! The limits asserted here are loose, and widened by how long the kernel keeps a plain thread waiting at the same time, since the
//! machine may have other things to do. The measured values are printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hammerbeam::{Addr, Cx, Exit, Info, Reply, Runtime, call, exit, send, spawn};

/// The longest that a process may be kept waiting.
const FAIR: Duration = Duration::from_millis(500);

/// Measures how late a thread of its own wakes up.
struct Kernel {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Duration>,
}

impl Kernel {
    fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    std::thread::sleep(Duration::from_millis(1));
                    longest = longest.max(start.elapsed());
                }
                longest
            }
        });
        Self { stop, thread }
    }

    /// Says what was measured, and fails if our processes waited for much longer than the kernel accounts for.
    fn judge(self, what: &str, longest: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let kernel = self.thread.join().unwrap();
        println!("longest wait beside {what}: {longest:?}; of a plain thread: {kernel:?}");
        assert!(longest < FAIR + 5 * kernel, "{longest:?} beside {what}");
    }
}

fn runtime() -> Runtime {
    Runtime::builder()
        .workers(2)
        .background(false)
        .shutdown_timeout(Duration::from_millis(100))
        .build()
        .unwrap()
}

async fn echo(mut cx: Cx<Reply<()>>) {
    loop {
        cx.recv().await.send(());
    }
}

/// Computes without ever awaiting, until it is told to stop.
fn spin(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

/// Computes for so long without awaiting.
fn burst(length: Duration) {
    let start = Instant::now();
    while start.elapsed() < length {
        std::hint::spin_loop();
    }
}

/// Makes round trips, and asks for a timer now and then, for so long; the longest that either took.
async fn longest_wait(cx: &mut Cx<()>, echo: Addr<Reply<()>>, length: Duration) -> Duration {
    let start = Instant::now();
    let mut last = start;
    let mut longest = Duration::ZERO;
    let mut trips = 0_u64;
    while last.duration_since(start) < length {
        call(echo, |reply| reply).await.unwrap();
        if trips.is_multiple_of(100) {
            cx.sleep(Duration::from_millis(1)).await;
        }
        trips += 1;
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
    }
    longest
}

#[test]
fn fifty_processes_that_block_their_threads_delay_nobody() {
    const BLOCKED: usize = 50;
    let runtime = runtime();
    let kernel = Kernel::watch();
    let longest = runtime
        .run(async |mut cx: Cx<()>| {
            let echo = spawn(echo).unwrap();
            let me = cx.addr();
            for _ in 0..BLOCKED {
                spawn(async move |_: Cx<()>| {
                    send(me, ());
                    std::thread::sleep(Duration::from_secs(5));
                })
                .unwrap();
            }
            let start = Instant::now();
            for _ in 0..BLOCKED {
                cx.recv().await;
            }
            println!("all {BLOCKED} block after {:?}", start.elapsed());
            longest_wait(&mut cx, echo, Duration::from_secs(1)).await
        })
        .unwrap();
    kernel.judge("50 blocked threads", longest);
    // Those that still block are named; they end with the program.
    let stopped = runtime.stop();
    println!("{} of them block still", stopped.stuck.len());
}

#[test]
fn four_endless_loops_on_two_workers_leave_the_others_alive() {
    const TRIPS: u32 = 10_000;
    let runtime = runtime();
    let kernel = Kernel::watch();
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let stop = Arc::clone(&stop);
        runtime.spawn(async move |_: Cx<()>| spin(&stop)).unwrap();
    }
    let (time, longest) = runtime
        .run(async |mut cx: Cx<()>| {
            let echo = spawn(echo).unwrap();
            let start = Instant::now();
            for _ in 0..TRIPS {
                call(echo, |reply| reply).await.unwrap();
            }
            let time = start.elapsed();
            (
                time,
                longest_wait(&mut cx, echo, Duration::from_secs(1)).await,
            )
        })
        .unwrap();
    println!("{TRIPS} round trips beside four endless loops: {time:?}");
    kernel.judge("four endless loops", longest);
    stop.store(true, Ordering::Relaxed);
    let stopped = runtime.stop();
    assert!(stopped.stuck.is_empty(), "{stopped:?}");
}

#[test]
fn a_process_in_a_loop_is_killed_when_it_awaits() {
    let runtime = runtime();
    let stop = Arc::new(AtomicBool::new(false));
    let (killed, went_on) = runtime
        .run({
            let stop = Arc::clone(&stop);
            async move |mut cx: Cx<()>| {
                let went_on = Arc::new(AtomicBool::new(false));
                let me = cx.addr();
                let (hog, _) = cx
                    .spawn_monitor({
                        let (stop, went_on) = (Arc::clone(&stop), Arc::clone(&went_on));
                        async move |mut cx: Cx<()>| {
                            send(me, ());
                            spin(&stop);
                            cx.recv().await;
                            went_on.store(true, Ordering::Relaxed);
                        }
                    })
                    .unwrap();
                cx.recv().await;
                send(hog, ());
                exit(hog, Exit::Kill);
                let echo = spawn(echo).unwrap();
                longest_wait(&mut cx, echo, Duration::from_millis(50)).await;
                assert!(hog.pid().is_alive(), "it cannot be interrupted");
                stop.store(true, Ordering::Relaxed);
                let Info::Down(down) = cx.recv_info().await else {
                    panic!("not a Down");
                };
                (down.reason, went_on.load(Ordering::Relaxed))
            }
        })
        .unwrap();
    assert_eq!(killed, Exit::Killed);
    // The message was there before it awaited, but so was the order.
    assert!(!went_on, "it went on after the await");
}

/// Bursts of a few milliseconds would each stall a worker for the time that a hand-off takes to set in.
#[test]
fn processes_that_compute_in_bursts_go_to_their_own_lane() {
    let runtime = runtime();
    let kernel = Kernel::watch();
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..4)
        .map(|_| {
            let stop = Arc::clone(&stop);
            runtime
                .spawn(async move |mut cx: Cx<()>| {
                    while !stop.load(Ordering::Relaxed) {
                        burst(Duration::from_millis(5));
                        cx.sleep(Duration::from_micros(100)).await;
                    }
                })
                .unwrap()
        })
        .collect();
    let longest = runtime
        .run(async move |mut cx: Cx<()>| {
            let echo = spawn(echo).unwrap();
            let in_lane =
                |hog: &Addr<()>| hammerbeam::process_info(hog.pid()).is_some_and(|info| info.hog);
            while !hogs.iter().all(in_lane) {
                cx.sleep(Duration::from_millis(1)).await;
            }
            longest_wait(&mut cx, echo, Duration::from_secs(1)).await
        })
        .unwrap();
    kernel.judge("four processes that burst", longest);
    stop.store(true, Ordering::Relaxed);
}

/// While everything sleeps or is stuck, sysmon dozes. A wake-up from outside of a process whose lane is full must wake it.
#[test]
fn a_slow_process_woken_from_outside_runs_though_its_lane_is_stuck() {
    let runtime = runtime();
    let stop = Arc::new(AtomicBool::new(false));
    let (say, heard) = mpsc::channel();
    // Slow enough for the lane once, and quick ever after.
    let slow = runtime
        .spawn({
            let say = say.clone();
            async move |mut cx: Cx<()>| {
                burst(Duration::from_millis(20));
                loop {
                    say.send("slow").unwrap();
                    cx.recv().await;
                }
            }
        })
        .unwrap();
    assert_eq!(heard.recv(), Ok("slow"));
    // One for each thread of the lane, which they never leave.
    for _ in 0..2 {
        let (stop, say) = (Arc::clone(&stop), say.clone());
        runtime
            .spawn(async move |mut cx: Cx<()>| {
                burst(Duration::from_millis(30));
                cx.sleep(Duration::from_millis(1)).await;
                say.send("stuck").unwrap();
                spin(&stop);
            })
            .unwrap();
    }
    for _ in 0..2 {
        assert_eq!(heard.recv(), Ok("stuck"));
    }
    for _ in 0..5 {
        // Nothing happens for long enough that sysmon dozes: that is what is tested.
        std::thread::sleep(Duration::from_millis(300));
        send(slow, ());
        let answer = heard.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok("slow"), "woken, and never run");
    }
    stop.store(true, Ordering::Relaxed);
}
