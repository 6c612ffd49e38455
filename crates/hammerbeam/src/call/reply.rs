//! `Reply`: the slot in a message into which the answer goes.

use std::fmt;

use super::answer::Answering;
use crate::process::{Exit, current};

/// What becomes of a call.
pub(crate) enum Outcome<T> {
    Answer(T),
    /// The slot was dropped; with the reason if it was the end of the process that held it.
    Dropped(Option<Exit>),
}

/// The right, and the duty, to answer one call.
///
/// [`Reply::send`] answers. To answer later, keep it; to let another process answer, move it there. Dropped without an answer it
/// fails the caller when the process that dropped it awaits next, and says so in one log line. If that process ends instead, the
/// caller is told why it ended: whether it returned, failed with `?`, panicked or was killed.
///
/// In Erlang: the `From` of `handle_call/3`.
#[must_use = "a call waits for this; answer it with `send`"]
pub struct Reply<T: 'static> {
    to: Option<Answering<Outcome<T>>>,
}

impl<T> Reply<T> {
    pub(super) const fn new(to: Answering<Outcome<T>>) -> Self {
        Self { to: Some(to) }
    }

    /// Answers the call. If nobody waits any more, the answer vanishes.
    ///
    /// In Erlang: `gen_server:reply/2`.
    pub fn send(mut self, answer: T) {
        if let Some(to) = self.to.take() {
            current::spend(1);
            drop(to.complete(Outcome::Answer(answer)));
        }
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.to.as_ref().is_none_or(Answering::is_abandoned)
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let Some(to) = self.to.take() else { return };
        let by = current::self_pid();
        current::owe(move |ended| {
            if ended.is_none() && !to.is_abandoned() {
                tracing::warn!(
                    target: "hammerbeam::call",
                    by = by.map(tracing::field::display), question = to.question(),
                    "a reply was dropped without an answer"
                );
            }
            drop(to.complete(Outcome::Dropped(ended)));
        });
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = self.to.as_ref().map_or("", Answering::question);
        write!(f, "Reply<{}> to {question}", std::any::type_name::<T>())
    }
}
