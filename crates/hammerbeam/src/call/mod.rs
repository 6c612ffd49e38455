//! Calls: asking a process and waiting for its answer.
//!
//! **Promise.** G13: every call ends, with exactly one of: the answer; the callee's end; a dropped [`Reply`]; the time limit. An
//! answer that comes later vanishes. Answers do not pass through the mailbox.
//! **Difference from OTP.** A reply slot that was handed to another process outlives the callee: that process may still answer.
//! **Tested by** `tests/calls.rs`.

mod answer;
mod pending;
mod reply;
mod sync;
#[cfg(test)]
mod tests;

pub use pending::{Call, PendingCall, call};
pub use reply::Reply;

use std::fmt;
use std::time::Duration;

use crate::process::{Exit, Pid};

/// The time limit of a call that sets none: 5 s, as in OTP.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Who was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Callee {
    /// Its pid, if it was found.
    pub pid: Option<Pid>,
    /// The name it was called by.
    pub name: Option<&'static str>,
    /// The type of the message.
    pub message: &'static str,
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.pid) {
            (Some(name), Some(pid)) => write!(f, "{name} ({pid})"),
            (Some(name), None) => f.write_str(name),
            (None, Some(pid)) => write!(f, "{pid}"),
            (None, None) => f.write_str("nobody"),
        }?;
        write!(f, " with {}", self.message)
    }
}

/// Why a call has no answer.
///
/// In Erlang: the exit reasons of `gen_server:call/3`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such process, or nobody has the name.
    #[error("call to {callee} failed: no such process")]
    NoProc {
        /// Who was called.
        callee: Callee,
    },
    /// The callee ended before it answered.
    #[error("call to {callee} failed: it ended: {reason}")]
    Exited {
        /// Who was called.
        callee: Callee,
        /// Why it ended.
        reason: Exit,
    },
    /// The callee, or whoever it gave the slot to, dropped the [`Reply`] without answering.
    #[error("call to {callee} failed: the reply was dropped")]
    NoReply {
        /// Who was called.
        callee: Callee,
    },
    /// No answer came in time.
    #[error("call to {callee} timed out after {limit:?}; it had {queued} messages queued")]
    Timeout {
        /// Who was called.
        callee: Callee,
        /// The time limit.
        limit: Duration,
        /// Messages in the callee's mailbox at that moment.
        queued: usize,
    },
    /// A process called itself.
    #[error("call to {callee} failed: a process cannot call itself")]
    CallingSelf {
        /// Who was called.
        callee: Callee,
    },
    /// The callee's mailbox is full.
    #[error("call to {callee} failed: its mailbox is full")]
    Full {
        /// Who was called.
        callee: Callee,
    },
}
