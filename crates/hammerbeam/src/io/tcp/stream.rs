//! A TCP connection.
//!
//! **Promise.** G20: a read or write that is dropped before it is done has moved no bytes. The end of the stream is seen by every read after
//! it, however the bytes before it were read.
//! **Tested by** `tests/tcp.rs`.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::address::ToAddrs;
use crate::io::registration::Direction;
use crate::io::socket::Socket;
use crate::io::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};

/// A TCP connection.
///
/// It is read and written with tokio's `AsyncReadExt` and `AsyncWriteExt`; shutting it down ([`AsyncWrite`]) ends our direction, and
/// dropping it closes it. It is served by the worker of the process that first waits for it.
///
/// # Cancellation
/// `read` and `write` are cancel-safe. What consists of several of them (`read_exact`, `write_all`, `read_to_end`) is not: when such a
/// future is dropped, what it has moved so far is known to nobody.
///
/// In Erlang: a `gen_tcp` socket in passive mode.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::{TcpListener, TcpStream}};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.set_nodelay(true)?;
///     client.write_all(b"ping").await?;
///     let mut ping = [0; 4];
///     server.read_exact(&mut ping).await?;
///     assert_eq!(&ping, b"ping");
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket<mio::net::TcpStream>,
}

impl TcpStream {
    pub(crate) const fn of(socket: Socket<mio::net::TcpStream>) -> Self {
        Self { socket }
    }

    /// Connects to the first of the addresses that answers. A host name is looked up on a thread for blocking calls; there is no time
    /// limit but the system's.
    ///
    /// In Erlang: `gen_tcp:connect/3`.
    ///
    /// # Errors
    /// The last address' error if none answers; invalid input if there is none; the look-up's; not inside a runtime; unsupported in
    /// a deterministic world.
    ///
    /// # Cancellation
    /// Cancel-safe: the attempt is given up.
    pub async fn connect(addr: impl ToAddrs) -> io::Result<Self> {
        let mut last = Err(ErrorKind::InvalidInput.into());
        for addr in addr.addrs()?.look_up().await? {
            last = Self::connect_to(addr).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn connect_to(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::open(|| mio::net::TcpStream::connect(addr))?;
        socket
            .io(Direction::Write, |stream| {
                let Err(pending) = stream.peer_addr() else {
                    return Ok(0);
                };
                match stream.take_error()? {
                    Some(error) => Err(error),
                    None if pending.kind() == ErrorKind::NotConnected => {
                        Err(ErrorKind::WouldBlock.into())
                    }
                    None => Err(pending),
                }
            })
            .await?;
        Ok(Self { socket })
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::TcpStream::from_std(stream))?;
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

    /// The other side's address.
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

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.get().nodelay()
    }

    /// Sets whether small writes are sent at once, or wait for the answer to earlier ones; the latter by default.
    ///
    /// In Erlang: the option `{nodelay, Boolean}`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.get().set_nodelay(nodelay)
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

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_shared(context, buf)
    }
}

impl AsyncWrite for TcpStream {
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

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
