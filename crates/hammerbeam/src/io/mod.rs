//! Sockets on hammerbeam's own reactor.

pub(crate) mod driver;
pub(crate) mod registration;
