//! The same scenarios on Erlang and on hammerbeam, and the traces compared.
//!
//! A [`Scenario`] is a process that observes something of the runtime and says it in a neutral text, one line per observation. The
//! module it is in and its own name are those of its counterpart under `erlang/`; [`erlang`] runs those. Where hammerbeam differs on
//! purpose, [`DIFFERENCES`](differences::DIFFERENCES) says how, and why.
#![forbid(unsafe_code)]

pub mod calls;
pub mod differences;
pub mod erlang;
pub mod exit_signals;
pub mod links;
pub mod mailboxes;
pub mod monitors;
pub mod observe;
mod scenario;
pub mod timers;

pub use scenario::{Body, Say, Scenario, all, named};
