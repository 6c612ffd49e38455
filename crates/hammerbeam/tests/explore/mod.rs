//! Going through interleavings: the same body on threads and under many seeds.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::fmt::Debug;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{Cx, Down, Exit, ExitSignal, Info, Runtime, process_info};

/// Seeds that a body goes through.
pub const SEEDS: u64 = 200;

/// Runs a body under many seeds. A failure names its seed.
#[track_caller]
pub fn under_seeds<M, B, F>(body: B)
where
    M: Send + 'static,
    B: Fn(Cx<M>) -> F,
    F: Future<Output = Result<(), Exit>> + Send + 'static,
{
    for seed in 0..SEEDS {
        let outcome = Deterministic::new(seed).run(&body);
        assert_done(&format!("under seed {seed}"), outcome);
    }
}

/// Runs a body on threads, and under many seeds.
#[track_caller]
pub fn everywhere<M, B, F>(body: B)
where
    M: Send + 'static,
    B: Fn(Cx<M>) -> F,
    F: Future<Output = Result<(), Exit>> + Send + 'static,
{
    on_threads(&body);
    under_seeds(body);
}

/// Runs a body on threads. Processes that it leaves behind are killed.
#[track_caller]
pub fn on_threads<M, B, F>(body: B)
where
    M: Send + 'static,
    B: FnOnce(Cx<M>) -> F,
    F: Future<Output = Result<(), Exit>> + Send + 'static,
{
    let runtime = threads();
    assert_done("on threads", runtime.run(body));
    let stopped = runtime.stop();
    assert!(stopped.stuck.is_empty(), "{stopped:?}");
}

/// A runtime that stops at once.
pub fn threads() -> Runtime {
    Runtime::builder()
        .workers(2)
        .background(false)
        .shutdown_timeout(Duration::ZERO)
        .build()
        .expect("two workers are possible")
}

#[track_caller]
fn assert_done<E: Debug>(place: &str, outcome: Result<Result<(), Exit>, E>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(exit)) => panic!("{place}: {exit}"),
        Err(error) => panic!("{place}: {error:?}"),
    }
}

/// The next information, which must be a `Down`.
pub async fn down<M: Send + 'static>(cx: &mut Cx<M>) -> Down {
    match cx.recv_info().await {
        Info::Down(down) => down,
        other => panic!("expected a Down, got {other:?}"),
    }
}

/// The next information, which must be a trapped exit signal.
pub async fn trapped<M: Send + 'static>(cx: &mut Cx<M>) -> ExitSignal {
    match cx.recv_info().await {
        Info::Exit(signal) => signal,
        other => panic!("expected an exit signal, got {other:?}"),
    }
}

/// Waits until every other process waits (under a seed), or for a moment (on threads), and asserts that nothing is in the mailbox.
pub async fn assert_quiet<M: Send + 'static>(cx: &mut Cx<M>) {
    cx.sleep(Duration::from_millis(10)).await;
    assert!(cx.try_recv().is_none(), "a message came");
    let mailbox = process_info(cx.pid()).expect("it runs").mailbox;
    assert_eq!(mailbox, 0, "something came that the system tells");
}

/// Gives way once: under a seed the others have some turns, or none.
pub async fn pause() {
    let mut gave_way = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until something that must come true is true.
pub async fn until<M: Send + 'static>(cx: &mut Cx<M>, fact: impl Fn() -> bool) {
    while !fact() {
        cx.sleep(Duration::from_micros(100)).await;
    }
}

/// Waits for ever.
pub async fn idle<M: Send + 'static>(mut cx: Cx<M>) {
    loop {
        cx.recv().await;
    }
}

/// A reason of the test's own.
pub fn boom() -> Exit {
    Exit::term("boom")
}
