//! G20. A busy socket gives way to other processes; and where a socket works, and what it says where it does not.

mod sockets;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::Poll;

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{Cx, Exit, spawn};
use sockets::{Done, bytes_at, echo, listen, pair, run};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

#[test]
fn a_process_that_always_finds_bytes_gives_way() {
    run(async |_| {
        let (mut client, mut server) = pair().await?;
        client.write_all(&[7; 10_000]).await?;
        server.peek(&mut [0; 1]).await?;
        // In one poll of the process.
        let reads = poll_fn(|context| {
            let mut reads = 0;
            loop {
                let mut byte = [0];
                let polled = Pin::new(&mut server).poll_read(context, &mut ReadBuf::new(&mut byte));
                if polled.is_pending() {
                    return Poll::Ready(reads);
                }
                reads += 1;
            }
        })
        .await;
        assert!((10..1000).contains(&reads), "{reads} reads in a row");
        let mut rest = vec![0; 10_000 - reads];
        server.read_exact(&mut rest).await?;
        Ok(())
    });
}

#[test]
fn a_process_that_can_always_write_gives_way() {
    run(async |_| {
        let (mut client, _server) = pair().await?;
        let writes = poll_fn(|context| {
            let mut writes = 0;
            while Pin::new(&mut client).poll_write(context, b"x").is_ready() {
                writes += 1;
            }
            Poll::Ready(writes)
        })
        .await;
        assert!((10..1000).contains(&writes), "{writes} writes in a row");
        Ok(())
    });
}

#[test]
fn a_process_that_always_finds_connections_gives_way() {
    run(async |_| {
        let (listener, addr) = listen().await?;
        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(TcpStream::connect(addr).await?);
        }
        let mut accepted = Vec::new();
        let in_a_row = poll_fn(|context| {
            while let Poll::Ready(stream) = listener.poll_accept(context) {
                accepted.push(stream);
            }
            Poll::Ready(accepted.len())
        })
        .await;
        assert!((2..100).contains(&in_a_row), "{in_a_row} in a row");
        while accepted.len() < 200 {
            accepted.push(Ok(listener.accept().await?));
        }
        Ok(())
    });
}

#[test]
fn a_stream_that_was_made_in_a_process_may_be_used_in_a_tokio_task() {
    run(async |_| {
        let (mut client, mut server) = pair().await?;
        let echo = tokio::spawn(async move {
            let mut buf = [0; 64];
            let n = server.read(&mut buf).await?;
            server.write_all(&buf[..n]).await
        });
        client.write_all(b"over there").await?;
        let mut heard = [0; 10];
        client.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"over there");
        echo.await??;
        Ok(())
    });
}

#[test]
fn a_nested_executor_reads_on_when_the_reductions_are_spent() {
    run(async |mut cx| {
        let (mut client, mut server) = pair().await?;
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            Ok(client.write_all(&bytes_at(0, 20_000)).await?)
        })?;
        let heard = tokio::runtime::Handle::current().block_on(async {
            let mut heard = Vec::new();
            while heard.len() < 20_000 {
                heard.push(server.read_u8().await?);
            }
            Ok::<_, Exit>(heard)
        })?;
        assert!(heard == bytes_at(0, 20_000));
        Ok(())
    });
}

#[test]
fn outside_of_a_runtime_waiting_is_an_error_that_says_so() {
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from_std(std_listener).unwrap();
    let addr = listener.local_addr().unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let error = tokio.block_on(listener.accept()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not inside a hammerbeam runtime")
    );
    let error = tokio.block_on(TcpStream::connect(addr)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not inside a hammerbeam runtime")
    );
}

#[test]
fn in_a_deterministic_world_there_are_no_sockets() {
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::from_std(std_listener).unwrap();
    let addr = listener.local_addr().unwrap();
    Deterministic::new(1)
        .run(async move |_: Cx<()>| {
            let bound = TcpListener::bind("127.0.0.1:0").await;
            let connected = TcpStream::connect(addr).await;
            for error in [
                bound.map(drop).unwrap_err(),
                connected.map(drop).unwrap_err(),
                listener.accept().await.map(drop).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
            }
        })
        .unwrap();
}

#[test]
fn without_a_background_runtime_addresses_work_and_names_say_what_is_missing() {
    let runtime = hammerbeam::Runtime::builder()
        .background(false)
        .build()
        .unwrap();
    runtime
        .run(async |_: Cx<()>| {
            let (listener, addr) = listen().await?;
            spawn(async move |_: Cx<()>| -> Done { echo(listener.accept().await?.0).await })?;
            let mut client = TcpStream::connect(addr).await?;
            client.write_all(b"x").await?;
            assert_eq!(client.read_u8().await?, b'x');
            let error = TcpStream::connect("localhost:1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            Ok::<_, Exit>(())
        })
        .unwrap()
        .unwrap();
}
