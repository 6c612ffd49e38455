//! A connection over a Unix domain socket.
//!
//! **Promise.** As for a TCP stream.
//! **Tested by** `tests/unix.rs`.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::registration::Direction;
use crate::io::socket::Socket;
use crate::io::unix::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};

/// A connection over a Unix domain socket.
///
/// It is read and written with tokio's `AsyncReadExt` and `AsyncWriteExt`; shutting it down ([`AsyncWrite`]) ends our direction, and
/// dropping it closes it.
///
/// # Cancellation
/// As for [`TcpStream`](crate::io::TcpStream): `read` and `write` are cancel-safe, what consists of several of them is not.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::UnixStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let (mut one, mut other) = UnixStream::pair()?;
///     one.write_all(b"ping").await?;
///     let mut ping = [0; 4];
///     other.read_exact(&mut ping).await?;
///     assert_eq!(&ping, b"ping");
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixStream {
    socket: Socket<mio::net::UnixStream>,
}

impl UnixStream {
    pub(crate) const fn of(socket: Socket<mio::net::UnixStream>) -> Self {
        Self { socket }
    }

    /// Connects to whoever listens on a path. It does not wait: the listener's queue has room or not.
    ///
    /// # Errors
    /// `WouldBlock` if the queue is full; nobody listens; others of the system; not inside a runtime; unsupported in a
    /// deterministic world.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let socket = Socket::open(|| mio::net::UnixStream::connect(path))?;
        Ok(Self { socket })
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// Those of the system; unsupported in a deterministic world.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::of(Socket::new(one)?), Self::of(Socket::new(other)?)))
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::UnixStream::from_std(stream))?;
        Ok(Self { socket })
    }

    /// Two halves that borrow the stream, to read and write at the same time in one process. They cost nothing.
    pub const fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf { stream: self }, WriteHalf { stream: self })
    }

    /// Two halves for two processes, at the price of one allocation. Dropping the writing half shuts down that direction.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        let read = OwnedReadHalf {
            stream: Arc::clone(&stream),
        };
        (read, OwnedWriteHalf::new(stream))
    }

    /// The other side's address; mostly unnamed on the listening side.
    ///
    /// # Errors
    /// Those of the system: it is no longer connected, say.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// Our address.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// Takes the error that the system holds for this socket, if there is one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.get().take_error()
    }

    /// Reads without taking: the next read gets the same bytes again. 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of the system; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.peek(buf).await
    }

    /// Reads what is there. 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, until [`readable`](Self::readable) says otherwise; those of the system.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.try_read(buf)
    }

    /// Writes what the system takes.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing, until [`writable`](Self::writable) says otherwise; those of the system.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.try_write(bytes)
    }

    /// Waits until there may be something to read, the end of the stream and errors included. It may be wrong: be ready for a
    /// `try_read` that says `WouldBlock`.
    ///
    /// For servers with many idle connections: no buffer is held while waiting.
    ///
    /// # Errors
    /// Not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.ready(Direction::Read).await
    }

    /// Waits until something may be written, or an error be found. It may be wrong, as [`readable`](Self::readable).
    ///
    /// # Errors
    /// Not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.ready(Direction::Write).await
    }

    pub(super) fn poll_read_shared(
        &self,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket.poll_read(context, buf)
    }

    pub(super) fn poll_write_shared(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write(context, bytes)
    }

    pub(super) fn poll_write_vectored_shared(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(context, slices)
    }

    pub(super) fn shut_down_write(&self) -> io::Result<()> {
        self.socket.get().shutdown(Shutdown::Write)
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_shared(context, buf)
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_shared(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored_shared(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: nothing is held back here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends our direction; the other side reads the end of the stream after all that was written.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_write())
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
