//! Listening for TCP connections.
//!
//! **Promise.** G20: a connection that was accepted is handed to exactly one caller; a dropped `accept` has taken none.
//! **Tested by** `tests/tcp.rs`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Type};

use crate::io::address::{ToAddrs, first_of};
use crate::io::registration::Direction;
use crate::io::socket::{Accepted, Socket, here};
use crate::io::tcp::TcpStream;

/// Connections that the kernel keeps for us until we accept them; it may have a lower limit of its own.
const BACKLOG: i32 = 4096;

/// A listening TCP socket.
///
/// It takes connections from where it was bound until it is dropped. Any number of processes may accept from one listener, behind an
/// `Arc`. An accepted stream belongs to no worker yet: it is served by the one that runs the process which first waits for it.
///
/// In Erlang: `gen_tcp:listen/2`.
///
/// ```
/// use hammerbeam::{Cx, Exit, io::{TcpListener, TcpStream}};
/// hammerbeam::run(async |_cx: Cx<()>| {
///     let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (_server, peer) = listener.accept().await?;
///     assert_eq!(client.local_addr()?, peer);
///     Ok::<_, Exit>(())
/// })
/// .unwrap()
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpListener {
    socket: Socket<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of the addresses that is free, with `SO_REUSEADDR`, so that a server can be restarted at once. Port 0
    /// takes any free port, which [`TcpListener::local_addr`] tells.
    ///
    /// # Errors
    /// The last address' error if none can be bound; invalid input if there is none; unsupported in a deterministic world.
    ///
    /// # Cancellation
    /// Cancel-safe.
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        first_of(addr.addrs()?.look_up().await?, Self::listen)
    }

    fn listen(addr: SocketAddr) -> io::Result<Self> {
        here()?;
        let domain = Domain::for_address(addr);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Self::from_std(socket.into())
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    /// It cannot be made non-blocking; unsupported in a deterministic world.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let socket = Socket::new(mio::net::TcpListener::from_std(listener))?;
        Ok(Self { socket })
    }

    /// Waits for the next connection.
    ///
    /// In Erlang: `gen_tcp:accept/1`.
    ///
    /// # Errors
    /// `ConnectionAborted` and its like: the peer went away before it was accepted; go on with the next. Out of descriptors or memory: the
    /// connection stays in the kernel's queue and accepting fails again until there are some, so wait a little before the next try.
    /// Not inside a runtime.
    ///
    /// # Cancellation
    /// Cancel-safe: a dropped `accept` has taken no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self
            .socket
            .io(Direction::Read, |listener| self.accept_now(listener));
        accepted.await.map(|Accepted(stream, peer)| (stream, peer))
    }

    /// Takes the next connection if there is one. Of several callers of `poll_accept` the last one is woken.
    ///
    /// # Errors
    /// As for [`TcpListener::accept`].
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.socket
            .poll_io(Direction::Read, context, |listener| {
                self.accept_now(listener)
            })
            .map_ok(|Accepted(stream, peer)| (stream, peer))
    }

    fn accept_now(
        &self,
        listener: &mio::net::TcpListener,
    ) -> io::Result<Accepted<TcpStream, SocketAddr>> {
        let (stream, peer) = listener.accept()?;
        let stream = TcpStream::of(self.socket.offspring(stream));
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

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
