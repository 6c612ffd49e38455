//! Time: sleeping, sending later, and what waits for at most so long.
//!
//! **Promise.** G15: a timer never fires early. Cancelling it says how much time was left, or that it has fired.
//! **State.** A wheel per worker. A process that waits with a time limit has *one* timer, whatever number of limits it
//! goes through: moving a limit writes a number, and the timer looks at it when it fires.
//! **Tested by** `tests/timers.rs` and the wheel's own tests.

pub(crate) mod deadline;
pub(crate) mod wheel;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::mailbox::deliver;
use crate::mailbox::node::Owned;
use crate::process::send::Dest;
use crate::process::{Addr, current, panics};
use crate::time::deadline::Deadline;
use crate::time::wheel::EntryKey;

/// What a timer does when it fires.
#[derive(Debug)]
pub(crate) enum Action {
    Wake(Waker),
    Deliver { slot: u32, node: Owned },
}

impl Action {
    pub(crate) fn run(self) {
        match self {
            Self::Wake(waker) => panics::contain("a waker", || waker.wake()),
            // If nobody is there any more, the message is dropped here.
            Self::Deliver { slot, node } => {
                panics::contain("a message's destructor", || deliver::node(slot, node));
            }
        }
    }
}

/// A timer of a runtime: which wheel, which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    pub(crate) wheel: u32,
    pub(crate) entry: EntryKey,
}

/// A timer that was set by [`send_after`]: 24 bytes, `Copy`. Dropping it does not cancel the timer.
///
/// In Erlang: the reference that `erlang:send_after/3` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerRef {
    key: TimerKey,
    runtime: u64,
}

impl TimerRef {
    /// Cancels the timer. `Some`: it had not fired, and so much time was left; its message is dropped. `None`: it has fired (the
    /// message is in the mailbox, or was received) or was cancelled before, or the caller is not inside the timer's runtime.
    ///
    /// In Erlang: `erlang:cancel_timer/1`.
    #[allow(clippy::must_use_candidate)]
    pub fn cancel(self) -> Option<Duration> {
        current::with_runtime(|runtime| {
            if runtime.id() != self.runtime {
                return None;
            }
            let deadline = runtime.world.cancel_timer(self.key)?;
            let left = deadline.saturating_sub(runtime.world.now());
            Some(Duration::from_nanos(left))
        })
        .flatten()
    }
}

/// The calling thread is not inside a runtime, which has the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no timer set: this thread is not inside a hammerbeam runtime; use `run` or `Runtime::enter`"
)]
pub struct NoRuntime;

/// Sends `message` to a process after `duration`. If the process has ended by then, it is dropped.
///
/// In Erlang: `erlang:send_after/3`.
///
/// # Errors
/// [`NoRuntime`] outside of a runtime.
///
/// ```
/// use hammerbeam::{Cx, time};
/// use std::time::Duration;
/// hammerbeam::run(async |mut cx: Cx<&'static str>| {
///     let late = time::send_after(cx.addr(), Duration::from_secs(60), "late").unwrap();
///     time::send_after(cx.addr(), Duration::from_millis(1), "soon").unwrap();
///     assert_eq!(cx.recv().await, "soon");
///     assert!(late.cancel().unwrap() > Duration::from_secs(50));
///     assert!(late.cancel().is_none());
/// })
/// .unwrap();
/// ```
pub fn send_after<M: Send + 'static>(
    dest: Addr<M>,
    duration: Duration,
    message: M,
) -> Result<TimerRef, NoRuntime> {
    let pid = dest.resolve().unwrap_or_else(|_| dest.pid());
    current::with_runtime(|runtime| {
        current::spend(1);
        let node = Owned::message(pid.generation(), message);
        let slot = pid.slot();
        let at = deadline::at(&*runtime.world, duration);
        TimerRef {
            key: runtime.world.set_timer(at, Action::Deliver { slot, node }),
            runtime: runtime.id(),
        }
    })
    .ok_or(NoRuntime)
}

/// Waits for `duration`. Inside a runtime only.
///
/// # Panics
/// When polled outside of a runtime.
///
/// # Cancellation
/// Cancel-safe.
pub async fn sleep(duration: Duration) {
    Sleep(Deadline::sleep(duration)).await;
}

struct Sleep(Deadline);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let polled = self.0.poll(context);
        if polled.is_pending() {
            current::with_process(|header| {
                use std::sync::atomic::Ordering;
                let sleeping = crate::process::info::Wait::SLEEP;
                header.wait.store(sleeping, Ordering::Relaxed);
            });
        }
        polled
    }
}

/// The time, by the clock of the runtime that this thread is inside of: virtual in a deterministic world.
#[must_use]
pub fn now() -> Instant {
    current::with_runtime(|runtime| runtime.epoch() + Duration::from_nanos(runtime.world.now()))
        .unwrap_or_else(Instant::now)
}

/// Ticks at a fixed rate.
///
/// A tick that was missed is made up for at once, so that the number of ticks is right in the long run; after a long pause
/// (more than 1,000 ticks) it goes on from now.
///
/// In Erlang: `timer:send_interval/2`, but as a future.
///
/// # Panics
/// [`Interval::tick`] panics when polled outside of a runtime.
///
/// ```
/// use hammerbeam::{Cx, time};
/// use std::time::{Duration, Instant};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let start = Instant::now();
///     let mut every = time::interval(Duration::from_millis(2));
///     for _ in 0..3 {
///         every.tick().await;
///     }
///     assert!(start.elapsed() >= Duration::from_millis(6));
/// })
/// .unwrap();
/// ```
#[must_use]
pub fn interval(period: Duration) -> Interval {
    Interval {
        period: period.max(Duration::from_nanos(1)),
        next: now() + period,
    }
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    next: Instant,
}

impl Interval {
    /// Waits for the next tick: one period after the last, the first one period after the interval was made.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `tick` has not used one up.
    pub async fn tick(&mut self) {
        let now = now();
        if self.next > now {
            sleep(self.next - now).await;
        } else if now - self.next > self.period.saturating_mul(1_000) {
            self.next = now;
        }
        self.next += self.period;
    }
}
