//! A Unix domain stream in two halves.
//!
//! **Promise.** As for the halves of a TCP stream.

use crate::io::split::halves;
use crate::io::unix::UnixStream;

halves! {
    /// The peer may go on sending.
    UnixStream
}
