//! Datagrams over Unix domain sockets.
//!
//! **Promise.** A datagram is sent whole or not at all, none is lost on the way, and the order stays: a receiver that does not keep up
//! makes its senders wait. A dropped `recv` has taken none.
//! **Tested by** `tests/unix.rs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};

use crate::io::registration::Direction;
use crate::io::socket::{Moved as _, Socket, here};
use crate::process::current;

/// A Unix domain socket for datagrams.
///
/// A datagram that is longer than the buffer loses its rest. The file stays when the socket is dropped.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::UnixDatagram};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"first").await?;
///     one.send(b"second").await?;
///     let mut buf = [0; 64];
///     let n = other.recv(&mut buf).await?;
///     assert_eq!(&buf[..n], b"first");
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    socket: Socket<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Makes the file and receives what is sent to it.
    ///
    /// # Errors
    /// `AddrInUse` if the file exists; others of the system; unsupported in a deterministic world.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        here()?;
        let socket = Socket::new(mio::net::UnixDatagram::bind(path)?)?;
        Ok(Self { socket })
    }

    /// A socket without an address: it can send, and receive what comes from where it is connected to.
    ///
    /// # Errors
    /// Those of the system; unsupported in a deterministic world.
    pub fn unbound() -> io::Result<Self> {
        let socket = Socket::new(mio::net::UnixDatagram::unbound()?)?;
        Ok(Self { socket })
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// Those of the system; unsupported in a deterministic world.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        let of = |socket| Socket::new(socket).map(|socket| Self { socket });
        Ok((of(one)?, of(other)?))
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::UnixDatagram::from_std(socket))?;
        Ok(Self { socket })
    }

    /// Sets whom [`UnixDatagram::send`] sends to.
    ///
    /// # Errors
    /// Nobody has that path; others of the system.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.get().connect(path)
    }

    /// Its own address.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// Sends a datagram to where it is connected to, when the receiver has room.
    ///
    /// # Errors
    /// Not connected; the receiver has gone; too long; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `send` has sent nothing.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket
            .io(Direction::Write, |socket| socket.send(bytes))
            .await
    }

    /// Sends a datagram to a path, now. There is no waiting variant, since the system does not tell a socket that is not connected when
    /// the receiver has room again: connect it and [`send`](Self::send), or try again later.
    ///
    /// # Errors
    /// `WouldBlock` if the receiver has no room; nobody has that path; the receiver has gone; too long.
    pub fn try_send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        current::spend(bytes.len().reductions());
        self.socket.get().send_to(bytes, path)
    }

    /// Waits for a datagram.
    ///
    /// # Errors
    /// Those of the system; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv` has taken nothing.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket
            .io(Direction::Read, |socket| socket.recv(buf))
            .await
    }

    /// Waits for a datagram and says whom it is from.
    ///
    /// # Errors
    /// Those of the system; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv_from` has taken nothing.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket
            .io(Direction::Read, |socket| socket.recv_from(buf))
            .await
    }

    /// Sends a datagram to where it is connected to, if there is room. Of several callers that poll to send the last one is woken.
    ///
    /// # Errors
    /// As for [`UnixDatagram::send`].
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket
            .poll_io(Direction::Write, context, |socket| socket.send(bytes))
    }

    /// Takes a datagram if there is one. Of several callers that poll to receive the last one is woken.
    ///
    /// # Errors
    /// As for [`UnixDatagram::recv`].
    pub fn poll_recv(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.socket
            .poll_io(Direction::Read, context, |socket| socket.recv(buf))
    }

    /// Takes a datagram if there is one and says whom it is from. Of several callers that poll to receive the last one is woken.
    ///
    /// # Errors
    /// As for [`UnixDatagram::recv_from`].
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.socket
            .poll_io(Direction::Read, context, |socket| socket.recv_from(buf))
    }
}

impl AsFd for UnixDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
