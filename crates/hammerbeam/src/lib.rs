//! Processes for network programs, with the guarantees of Erlang's BEAM, at native speed.
//!
//! A process is an `async` function with a mailbox and a [`Pid`]. There can be millions. Telling one something never waits
//! ([`send`]), listening does ([`Cx::recv`], [`receive!`]). What is told is moved, so nothing is shared. Processes
//! [link](Cx::link) and [monitor](Cx::monitor) each other as in OTP, and one that computes for ever, blocks its thread or panics
//! harms no other.
//!
//! ```
//! use hammerbeam::{Cx, Exit, Reply, call, send, spawn};
//!
//! enum Counter {
//!     Add(u64),
//!     Total { reply: Reply<u64> },
//! }
//!
//! async fn counter(mut cx: Cx<Counter>) {
//!     let mut total = 0;
//!     loop {
//!         match cx.recv().await {
//!             Counter::Add(n) => total += n,
//!             Counter::Total { reply } => reply.send(total),
//!         }
//!     }
//! }
//!
//! let total = hammerbeam::run(async |_cx: Cx<()>| {
//!     let counter = spawn(counter)?;
//!     send(counter, Counter::Add(40));
//!     send(counter, Counter::Add(2));
//!     Ok::<_, Exit>(call(counter, |reply| Counter::Total { reply }).await?)
//! });
//! assert_eq!(total.unwrap(), Ok(42));
//! ```
//!
//! # Where to find what
//!
//! | | |
//! | --- | --- |
//! | start a process, and what is true before it runs | [`spawn`], [`Spawn`], [`Cx::spawn_link`], [`Cx::spawn_monitor`] |
//! | tell, listen, ask | [`send`], [`try_send`], [`Cx::recv`], [`receive!`], [`call()`], [`Reply`] |
//! | ends and their reasons | [`Exit`], [`exit`], [`Cx::link`], [`Cx::monitor`], [`Cx::trap_exit`], [`Down`] |
//! | handles and names | [`Pid`], [`Addr`], [`Alias`], [`Name`] |
//! | too many messages | [`MailboxLimit`], [`OnFull`] |
//! | time | [`time`], [`Cx::send_after`] |
//! | sockets | [`io`] |
//! | look at processes | [`process_info`], [`processes`] |
//! | the runtime itself | [`run`], [`Runtime`] |
//! | tests with virtual time | [`world::deterministic`] |
//!
//! # Long computations, and blocking
//!
//! A process yields at its awaits: every receive, send, spawn and socket operation spends *reductions*, and when those are
//! spent it goes to the back of the queue. A loop that does none of these can [`step`](Cx::step). One that does not, or that
//! blocks its thread, is found out after some milliseconds: its worker's queue goes to another thread, and it goes on in a lane
//! with its like. So blocking is allowed, and costs a thread for as long as it lasts; [`runtime::Builder::max_threads`] bounds
//! them. An exit signal cannot interrupt a computation: it takes effect at the next await.
//!
//! Libraries made for tokio (hyper, tonic, sqlx, redis) work unchanged inside a process: a background tokio runtime is entered on
//! every worker.
//!
//! The numbered promises, and the differences from Erlang, are in the repository's `GUARANTEES.md`.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod call;
pub mod io;
pub mod mailbox;
pub mod process;
pub mod registry;
pub mod runtime;
mod scheduler;
pub mod signal;
pub mod time;
pub mod world;

pub use call::{CallError, PendingCall, Reply, call};
pub use mailbox::{MailboxLimit, OnFull, Received};
pub use process::{
    Addr, Alias, Cx, Dest, Exit, Pid, ProcessInfo, Spawn, SpawnError, TrySendError, process_info,
    processes, self_pid, send, spawn, try_send,
};
pub use registry::Name;
pub use runtime::{Runtime, run};
pub use signal::{Down, ExitSignal, Info, MonitorRef, exit};
