//! Listening for connections on a Unix domain socket.
//!
//! **Promise.** As for a TCP listener.
//! **Tested by** `tests/unix.rs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};

use crate::io::registration::Direction;
use crate::io::socket::{Accepted, Socket, here};
use crate::io::unix::UnixStream;

/// A listening Unix domain socket.
///
/// The file stays when the listener is dropped: remove it before the next bind.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::{UnixListener, UnixStream}};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let path = std::env::temp_dir().join(format!("listener-{}.sock", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let _client = UnixStream::connect(&path).await?;
///     let (_server, _peer) = listener.accept().await?;
///     std::fs::remove_file(&path)?;
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixListener {
    socket: Socket<mio::net::UnixListener>,
}

impl UnixListener {
    /// Makes the file and listens.
    ///
    /// # Errors
    /// `AddrInUse` if the file exists, even if nobody listens; others of the system; unsupported in a deterministic world.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        here()?;
        let socket = Socket::new(mio::net::UnixListener::bind(path)?)?;
        Ok(Self { socket })
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::UnixListener::from_std(listener))?;
        Ok(Self { socket })
    }

    /// Waits for the next connection. The peer's address is mostly unnamed.
    ///
    /// # Errors
    /// Out of descriptors or memory; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `accept` has taken no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let accepted = self
            .socket
            .io(Direction::Read, |listener| self.accept_now(listener));
        accepted.await.map(|Accepted(stream, peer)| (stream, peer))
    }

    /// Takes the next connection if there is one. Of several callers of `poll_accept` the last one is woken.
    ///
    /// # Errors
    /// As for [`UnixListener::accept`].
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.socket
            .poll_io(Direction::Read, context, |listener| {
                self.accept_now(listener)
            })
            .map_ok(|Accepted(stream, peer)| (stream, peer))
    }

    fn accept_now(
        &self,
        listener: &mio::net::UnixListener,
    ) -> io::Result<Accepted<UnixStream, SocketAddr>> {
        let (stream, peer) = listener.accept()?;
        let stream = UnixStream::of(self.socket.offspring(stream));
        Ok(Accepted(stream, peer))
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
