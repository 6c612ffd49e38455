//! What the tests of sockets share.
#![allow(dead_code)] // Each test file uses a part of it.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::{Cx, Exit, time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) type Done = Result<(), Exit>;

/// Runs a program; fails if it, or a process linked to it, does, and after a minute.
pub(crate) fn run<F>(body: impl FnOnce(Cx<()>) -> F + Send + 'static)
where
    F: Future<Output = Done> + Send + 'static,
{
    let outcome = hammerbeam::run(async move |mut cx: Cx<()>| {
        cx.spawn_link(async |_: Cx<()>| -> Done {
            time::sleep(Duration::from_secs(60)).await;
            Err(Exit::Timeout)
        })?;
        body(cx).await
    });
    outcome
        .expect("no linked process fails")
        .expect("it succeeds");
}

/// The outcome of `future`, unless `limit` passes first, when it is dropped.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut limit = pin!(time::sleep(limit));
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Polls once and drops.
pub(crate) async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A byte that depends on its place, so that a lost, doubled or moved one shows.
pub(crate) fn byte_at(place: usize) -> u8 {
    (place.wrapping_mul(31) ^ (place >> 8).wrapping_mul(17) ^ (place >> 16)) as u8
}

pub(crate) fn bytes_at(place: usize, n: usize) -> Vec<u8> {
    (place..place + n).map(byte_at).collect()
}

pub(crate) async fn listen() -> Result<(TcpListener, SocketAddr), Exit> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

pub(crate) async fn pair() -> Result<(TcpStream, TcpStream), Exit> {
    let (listener, addr) = listen().await?;
    let client = TcpStream::connect(addr).await?;
    let (server, peer) = listener.accept().await?;
    assert_eq!(client.local_addr()?, peer);
    assert_eq!(client.peer_addr()?, addr);
    Ok((client, server))
}

/// Sends back what comes until the end.
pub(crate) async fn echo(mut stream: TcpStream) -> Done {
    let mut buf = vec![0; 4096];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(stream.shutdown().await?);
        }
        stream.write_all(&buf[..n]).await?;
    }
}
