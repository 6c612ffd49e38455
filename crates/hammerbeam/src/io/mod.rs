//! Sockets: TCP, UDP and Unix domain, served by the worker that runs the process.
//!
//! Streams implement tokio's `AsyncRead` and `AsyncWrite`, so hyper, rustls and whatever else builds on these traits works over them,
//! without another thread in between. Other options of a socket are set through its [`AsFd`](std::os::fd::AsFd), for example with
//! `socket2::SockRef`.
//!
//! **Promise.** G20: an operation that is dropped before it is done has done nothing: reads lose no bytes, accepts lose no connection. A
//! busy socket does not starve others: each operation costs its process reductions, and a process that has spent them gives way.
//! **Shape.** A socket joins the reactor of a worker when it is first waited for, and stays there until it is closed. What all sockets do
//! is in `socket.rs`, the reactor in `driver.rs`, one socket's place in it in `registration.rs` and what is known
//! of its readiness in `readiness.rs`.
//! **Not here.** There are no sockets in a deterministic world: making one there fails with
//! [`Unsupported`](std::io::ErrorKind::Unsupported).
//!
//! ```
//! use hammerbeam::{Cx, Exit, io::{TcpListener, TcpStream}, spawn};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! hammerbeam::run(async |_cx: Cx<()>| {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     spawn(async move |_: Cx<()>| -> Result<(), Exit> {
//!         loop {
//!             let (mut stream, _peer) = listener.accept().await?;
//!             // A process for each connection; if it fails, it fails alone.
//!             spawn(async move |_: Cx<()>| -> Result<(), Exit> {
//!                 let mut name = String::new();
//!                 stream.read_to_string(&mut name).await?;
//!                 stream.write_all(format!("hello {name}").as_bytes()).await?;
//!                 Ok(())
//!             })?;
//!         }
//!     })?;
//!
//!     let mut stream = TcpStream::connect(addr).await?;
//!     stream.write_all(b"Joe").await?;
//!     stream.shutdown().await?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "hello Joe");
//!     Ok::<_, Exit>(())
//! })
//! .unwrap()
//! .unwrap();
//! ```

mod address;
pub(crate) mod driver;
mod readiness;
pub(crate) mod registration;
mod socket;
mod split;
mod sync;
pub mod tcp;
pub mod udp;
pub mod unix;

pub use address::ToAddrs;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
