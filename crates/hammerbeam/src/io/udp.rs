//! UDP.
//!
//! **Promise.** G20: a datagram is sent whole or not at all. A dropped `recv` has taken none.
//! **Not promised.** What UDP does not: that it arrives, once, in order.
//! **Tested by** `tests/udp.rs`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use crate::io::address::{ToAddrs, first_of};
use crate::io::registration::Direction;
use crate::io::socket::{Socket, here};

/// A UDP socket.
///
/// Any number of processes may send and receive on one socket, behind an `Arc`: each datagram goes to one of them. A datagram
/// that is longer than the buffer loses its rest.
///
/// In Erlang: a `gen_udp` socket in passive mode.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::UdpSocket};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.connect(server.local_addr()?).await?;
///     client.send(b"what time is it?").await?;
///     let mut buf = [0; 1500];
///     let (n, from) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..n], b"what time is it?");
///     assert_eq!(from, client.local_addr()?);
///     server.send_to(b"late", from).await?;
///     assert_eq!(client.recv(&mut buf).await?, 4);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Takes the first of the addresses that is free; port 0 is any free port.
    ///
    /// In Erlang: `gen_udp:open/2`.
    ///
    /// # Errors
    /// The last address' error if none can be bound; invalid input if there is none; unsupported in a deterministic world.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        first_of(addr.addrs()?.look_up().await?, |addr| {
            here()?;
            let socket = Socket::new(mio::net::UdpSocket::bind(addr)?)?;
            Ok(Self { socket })
        })
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::UdpSocket::from_std(socket))?;
        Ok(Self { socket })
    }

    /// Sets whom [`UdpSocket::send`] sends to, and whom alone it receives from. Nothing is sent by that.
    ///
    /// # Errors
    /// The last address' error if the system refuses all; invalid input if there is none; the look-up's.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn connect(&self, addr: impl ToAddrs) -> io::Result<()> {
        let addrs = addr.addrs()?.look_up().await?;
        first_of(addrs, |addr| self.socket.get().connect(addr))
    }

    /// Its own address.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// `NotConnected`, and others of the system.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// Sets whether it may send to broadcast addresses.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.get().set_broadcast(broadcast)
    }

    /// Sends a datagram to the address it is connected to.
    ///
    /// # Errors
    /// Not connected; too long; an earlier one was refused by the peer's system; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `send` has sent nothing.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket
            .io(Direction::Write, |socket| socket.send(bytes))
            .await
    }

    /// Sends a datagram. Of several addresses the first is used; a name is looked up each time.
    ///
    /// In Erlang: `gen_udp:send/3`.
    ///
    /// # Errors
    /// Too long; no way there; the look-up's; not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `send_to` has sent nothing.
    pub async fn send_to(&self, bytes: &[u8], to: impl ToAddrs) -> io::Result<usize> {
        let to = to.addrs()?.look_up().await?.next();
        let to = to.expect("a look-up finds something or fails");
        self.socket
            .io(Direction::Write, |socket| socket.send_to(bytes, to))
            .await
    }

    /// Waits for a datagram, from the address it is connected to if it is.
    ///
    /// # Errors
    /// `ConnectionRefused`: an earlier one of ours found nobody; go on. Not inside a runtime.
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
    /// In Erlang: `gen_udp:recv/2`.
    ///
    /// # Errors
    /// As for [`UdpSocket::recv`].
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `recv_from` has taken nothing.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket
            .io(Direction::Read, |socket| socket.recv_from(buf))
            .await
    }

    /// Sends a datagram to the address it is connected to, if the system takes it. Of several callers that poll to send the last one is
    /// woken.
    ///
    /// # Errors
    /// As for [`UdpSocket::send`].
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket
            .poll_io(Direction::Write, context, |socket| socket.send(bytes))
    }

    /// Sends a datagram, if the system takes it. Of several callers that poll to send the last one is woken.
    ///
    /// # Errors
    /// As for [`UdpSocket::send_to`].
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_io(Direction::Write, context, |socket| {
            socket.send_to(bytes, to)
        })
    }

    /// Takes a datagram if there is one. Of several callers that poll to receive the last one is woken.
    ///
    /// # Errors
    /// As for [`UdpSocket::recv`].
    pub fn poll_recv(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.socket
            .poll_io(Direction::Read, context, |socket| socket.recv(buf))
    }

    /// Takes a datagram if there is one and says whom it is from. Of several callers that poll to receive the last one is woken.
    ///
    /// # Errors
    /// As for [`UdpSocket::recv`].
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.socket
            .poll_io(Direction::Read, context, |socket| socket.recv_from(buf))
    }

    /// Sends a datagram now.
    ///
    /// # Errors
    /// `WouldBlock` if the system takes none; as for [`UdpSocket::send_to`].
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket
            .try_io(Direction::Write, |socket| socket.send_to(bytes, to))
    }

    /// Takes a datagram that is there.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; as for [`UdpSocket::recv`].
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket
            .try_io(Direction::Read, |socket| socket.recv_from(buf))
    }

    /// Waits until there may be a datagram.
    ///
    /// # Errors
    /// Not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.ready(Direction::Read).await
    }

    /// Waits until one may be sent.
    ///
    /// # Errors
    /// Not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.ready(Direction::Write).await
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
