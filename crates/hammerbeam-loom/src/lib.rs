//! Models of hammerbeam's lock-free protocols.
//!
//! Each module compiles the very source files of the `hammerbeam` crate, which take their atomics from a neighbouring `sync`
//! module; here that module gives loom's. `cargo test -p hammerbeam-loom` then tries every interleaving of a model's threads, up to
//! a bound of preemptions, and every value that a relaxed load may see.
//!
//! | Module | Files | What must never happen |
//! | --- | --- | --- |
//! | `mailbox` | `mailbox/{word,node,inbox}.rs` | a message or wake-up lost, a process queued twice, an order turned round, a node leaked |
//! | `call` | `call/answer.rs` | an answer taken and dropped, or neither; a waiter that sleeps on |
//! | `io` | `io/readiness.rs` | a socket's event lost, or a reader that sleeps beside bytes |
//! | `scheduler` | `scheduler/{idle,state,next_slot}.rs` | work that waits while all sleep, also when a processor changes hands |
//!
//! A lost wake-up shows as a deadlock, a leak as an allocation that is left, a missing barrier as a race on the payload. Every
//! group has models that *must* fail, in which the protocol is used wrongly: they show that the others could.

#[cfg(test)]
mod call;
#[cfg(test)]
mod io;
#[cfg(test)]
mod mailbox;
#[cfg(test)]
mod model;
#[cfg(test)]
mod process;
#[cfg(test)]
mod scheduler;
