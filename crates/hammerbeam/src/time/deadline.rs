//! Deadlines: the time limit of a wait.
//!
//! **Promise.** Waiting with a limit that is not reached costs two writes. A process has one timer for all its limits: each poll
//! notes the earliest limit of the futures that were polled, and the scheduler sets a timer only if none is set that fires
//! before. When it fires the process is polled, which notes the limits anew.
//! **State.** `deadline` and `armed` in the [extension](crate::process::extension). Polled by another waker than the process' own
//! (inside a `FuturesUnordered`, or outside of processes) a deadline sets a timer for itself.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::process::block::Header;
use crate::process::{current, waker};
use crate::time::{Action, TimerKey};
use crate::world::World;

/// From this on the limit of a wait is measured with the clock that the workers share, which is a load and not a call.
const LONG: Duration = Duration::from_secs(1);

/// When `duration` from now is over, by a world's clock.
pub(crate) fn at(world: &dyn World, duration: Duration) -> u64 {
    later(world.now(), duration)
}

/// The same for a limit that is seldom reached: a long one may be late by as much as the shared clock may be behind.
fn limit_at(world: &dyn World, duration: Duration) -> u64 {
    if duration < LONG {
        at(world, duration)
    } else {
        later(world.limit_base(), duration)
    }
}

fn later(now: u64, duration: Duration) -> u64 {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    // The last representable instant means never.
    now.saturating_add(nanos).clamp(1, u64::MAX - 1)
}

/// So and so long, from the first poll on.
#[derive(Debug)]
pub(crate) struct Deadline {
    duration: Duration,
    /// How the end is found from the duration.
    measure: fn(&dyn World, Duration) -> u64,
    /// Nanoseconds; 0 before the first poll.
    at: u64,
    own_timer: Option<TimerKey>,
}

impl Deadline {
    /// The limit of a wait for something else.
    pub(crate) const fn limit(duration: Duration) -> Self {
        Self::new(duration, limit_at)
    }

    /// A time that is waited for.
    pub(crate) const fn sleep(duration: Duration) -> Self {
        Self::new(duration, at)
    }

    const fn new(duration: Duration, measure: fn(&dyn World, Duration) -> u64) -> Self {
        Self {
            duration,
            measure,
            at: 0,
            own_timer: None,
        }
    }

    /// Ready when the time is over.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.duration == Duration::MAX {
            return Poll::Pending;
        }
        current::with_runtime(|runtime| {
            let world = &*runtime.world;
            if self.at == 0 {
                if self.duration.is_zero() {
                    return Poll::Ready(());
                }
                self.at = (self.measure)(world, self.duration);
            } else if world.coarse_now() >= self.at || world.now() >= self.at {
                self.forget_timer(world);
                return Poll::Ready(());
            }
            let noted = current::with_process(|header| note(header, context, self.at));
            if noted != Some(true) {
                self.forget_timer(world);
                let action = Action::Wake(context.waker().clone());
                self.own_timer = Some(world.set_timer(self.at, action));
            }
            Poll::Pending
        })
        .expect("time limits are measured by a runtime: use `run` or `Runtime::enter`")
    }

    fn forget_timer(&mut self, world: &dyn World) {
        if let Some(key) = self.own_timer.take() {
            world.cancel_timer(key);
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if self.own_timer.is_some() {
            current::with_runtime(|runtime| self.forget_timer(&*runtime.world));
        }
    }
}

/// Notes a limit of the running process, if it is the process itself that will be woken.
fn note(header: &Header, context: &Context<'_>, at: u64) -> bool {
    if !waker::is_of(context.waker(), header.pid()) {
        return false;
    }
    let deadline = &header.extension_or_new().deadline;
    let noted = deadline.get();
    if noted == 0 || at < noted {
        deadline.set(at);
    }
    true
}

/// Sets the process' timer for its earliest limit, unless one is set that fires before. After each poll.
pub(crate) fn arm(header: &Header, world: &dyn World) {
    let Some(extension) = header.extension() else {
        return;
    };
    let deadline = extension.deadline.get();
    if deadline == 0 {
        return;
    }
    match extension.armed.get() {
        Some((armed, _)) if armed <= deadline && armed > world.coarse_now() => {}
        armed => {
            if let Some((_, key)) = armed {
                world.cancel_timer(key);
            }
            let wake = Action::Wake(waker::waker(header.pid()));
            let key = world.set_timer(deadline, wake);
            extension.armed.set(Some((deadline, key)));
        }
    }
}

/// Cancels the process' timer, at its end.
pub(crate) fn disarm(header: &Header, world: &dyn World) {
    if let Some((_, key)) = header.extension().and_then(|e| e.armed.take()) {
        world.cancel_timer(key);
    }
}
