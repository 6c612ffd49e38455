//! Mailboxes: how messages get from one process into another.
//!
//! A send pushes a node onto the receiver's word and wakes it with the same instruction; the receiver takes the whole
//! stack at once into its private inbox, in order. Limits are off by default; a send never waits.

pub(crate) mod deliver;
pub(crate) mod inbox;
pub(crate) mod limit;
pub(crate) mod node;
pub(crate) mod pool;
pub(crate) mod receive;
mod sync;
#[cfg(test)]
mod tests;
pub(crate) mod word;

pub use limit::{MailboxLimit, OnFull};
#[doc(hidden)]
pub use receive::Select;
pub use receive::{Received, Recv, RecvAny, RecvInfo};
