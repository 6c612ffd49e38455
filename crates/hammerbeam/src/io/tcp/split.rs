//! A TCP connection in two halves, so that one side's reading does not wait for its writing.
//!
//! **Promise.** Each half wakes its own waiter. The connection is closed when both halves are gone, and our direction is ended when the
//! writing half is.

use crate::io::split::halves;
use crate::io::tcp::TcpStream;

halves! {
    /// The peer may go on sending.
    TcpStream
}
