//! Exit signals: asking a process to end.
//!
//! **Promise.** G5: `exit(pid, Kill)` ends the process whatever it traps, and everybody sees `Killed`. G6: any other reason ends a
//! process that does not trap, `Normal` ends none (but the sender itself), and one that traps gets a message.
//! **Not promised.** An order takes effect when the process awaits next; a loop without await is not interrupted.

use crate::mailbox::deliver;
use crate::process::current;
use crate::process::{Exit, Pid};
use crate::signal::Signal;

/// An exit signal that was trapped.
///
/// In Erlang: `{'EXIT', From, Reason}`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExitSignal {
    /// The process that ended, or that sent the order; none if the order came from outside all processes.
    pub from: Option<Pid>,
    /// Why.
    pub reason: Exit,
}

/// Asks a process to end.
///
/// `Exit::Kill` ends it whatever it traps, and others see `Exit::Killed`. Any other reason ends a process that does not trap
/// exits; one that does gets an [`ExitSignal`]. `Exit::Normal` is ignored by a process that does not trap, unless it sends it to
/// itself. To an ended process nothing happens.
///
/// It takes effect when the process next awaits: a computation without an await point cannot be interrupted. The body is
/// dropped there, so its destructors run.
///
/// In Erlang: `exit/2`.
///
/// ```
/// use hammerbeam::{Cx, Exit, exit, spawn};
/// hammerbeam::run(async |mut cx: Cx<()>| {
///     let (child, _watch) = cx.spawn_monitor(async |mut cx: Cx<()>| cx.recv().await)?;
///     exit(child.pid(), Exit::Kill);
///     let hammerbeam::Info::Down(down) = cx.recv_info().await else { unreachable!() };
///     assert_eq!(down.reason, Exit::Killed);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
pub fn exit(pid: impl Into<Pid>, reason: Exit) {
    let from = current::self_pid();
    deliver::signal(pid.into(), Signal::ExitOrder { from, reason });
}
