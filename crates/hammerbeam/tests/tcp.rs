//! G20. TCP streams and listeners: nothing lost, nothing twice.

mod sockets;

use std::io::{ErrorKind, IoSlice, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::{Cx, send, spawn};
use sockets::{Done, byte_at, bytes_at, echo, listen, once, pair, run, within};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

#[test]
fn shutting_down_ends_one_direction_and_leaves_the_other() {
    run(async |_| {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"question").await?;
        client.shutdown().await?;
        let mut heard = String::new();
        server.read_to_string(&mut heard).await?;
        assert_eq!(heard, "question");
        server.write_all(b"a long answer").await?;
        drop(server);
        heard.clear();
        client.read_to_string(&mut heard).await?;
        assert_eq!(heard, "a long answer");
        assert_eq!(client.read(&mut [0; 8]).await?, 0, "the end stays the end");
        let error = client.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn a_large_transfer_waits_for_its_reader_and_arrives_whole() {
    const SIZE: usize = 48 << 20;
    run(async |mut cx| {
        let (mut client, mut server) = pair().await?;
        // Until the system takes no more, which proves that the writer will have to wait.
        let mut sent = 0;
        loop {
            match client.try_write(&bytes_at(sent, 50_000)) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        assert!(sent < SIZE);
        let first = once(client.write(&bytes_at(sent, 1))).await;
        assert!(first.is_none(), "it waits");
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            while sent < SIZE {
                let n = (SIZE - sent).min(100_000);
                client.write_all(&bytes_at(sent, n)).await?;
                sent += n;
            }
            Ok(())
        })?;
        let mut buf = vec![0; 30_000];
        let mut got = 0;
        loop {
            let n = server.read(&mut buf).await?;
            if n == 0 {
                break;
            }
            assert!(buf[..n] == bytes_at(got, n), "the bytes at {got}");
            got += n;
        }
        assert_eq!(got, SIZE);
        Ok(())
    });
}

#[test]
fn a_thousand_connections_are_open_and_served_at_once() {
    const COUNT: usize = 1000;
    raise_file_limit();
    run(async |mut cx| {
        let (listener, addr) = listen().await?;
        cx.spawn_link(async move |mut cx: Cx<()>| -> Done {
            loop {
                let (stream, _) = listener.accept().await?;
                cx.spawn_link(move |_: Cx<()>| echo(stream))?;
            }
        })?;
        let mut clients = Vec::new();
        for _ in 0..COUNT {
            clients.push(TcpStream::connect(addr).await?);
        }
        let gatherer = spawn(async move |mut cx: Cx<usize>| {
            let mut all = vec![false; COUNT];
            while all.iter().any(|seen| !seen) {
                all[cx.recv().await] = true;
            }
        })?;
        let done = cx.monitor(gatherer);
        for (number, mut client) in clients.into_iter().enumerate() {
            cx.spawn_link(async move |_: Cx<()>| -> Done {
                let line = bytes_at(number, 700);
                client.write_all(&line).await?;
                client.shutdown().await?;
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).await?;
                assert!(heard == line);
                send(gatherer, number);
                Ok(())
            })?;
        }
        loop {
            if let hammerbeam::Info::Down(down) = cx.recv_info().await
                && down.monitor == done
            {
                break;
            }
        }
        Ok(())
    });
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < 4096) {
        let more = Rlimit {
            current: Some(limit.maximum.map_or(4096, |most| most.min(4096))),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, more).expect("up to its maximum it may be raised");
    }
}

#[test]
fn a_peer_that_resets_is_an_error_and_not_an_end() {
    run(async |_| {
        let (client, mut server) = pair().await?;
        let mut buf = [0; 8];
        assert!(once(server.read(&mut buf)).await.is_none());
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
        drop(client);
        let error = server.read(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Ok(())
    });
}

#[test]
fn a_connection_that_was_closed_before_its_accept_is_still_heard() {
    run(async |_| {
        let (listener, addr) = listen().await?;
        for round in 0..3 {
            let mut client = TcpStream::connect(addr).await?;
            client.write_all(&[round]).await?;
            drop(client);
            let (mut server, _) = listener.accept().await?;
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await?;
            assert_eq!(heard, [round]);
        }
        drop(listener);
        let error = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn bytes_that_come_together_with_the_end_are_read_and_then_the_end() {
    run(async |mut cx| {
        let (listener, addr) = listen().await?;
        for round in 0..300 {
            let mut client = TcpStream::connect(addr).await?;
            let (mut server, _) = listener.accept().await?;
            if round % 2 == 0 {
                // It has a place in the reactor, so the end is an event that could be missed.
                assert!(once(server.read(&mut [0; 8])).await.is_none());
            }
            if round % 3 == 0 {
                client.write_all(b"last words").await?;
                drop(client);
            } else {
                cx.spawn_link(async move |_: Cx<()>| -> Done {
                    Ok(client.write_all(b"last words").await?)
                })?;
            }
            let mut buf = [0; 64];
            assert_eq!(server.read(&mut buf).await?, 10);
            assert_eq!(server.read(&mut buf).await?, 0);
        }
        Ok(())
    });
}

#[test]
fn one_byte_at_a_time_arrives_in_order() {
    const COUNT: usize = 5000;
    run(async |mut cx| {
        let (mut client, mut server) = pair().await?;
        client.set_nodelay(true)?;
        assert!(client.nodelay()?);
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            for place in 0..COUNT {
                client.write_all(&[byte_at(place)]).await?;
            }
            Ok(())
        })?;
        for place in 0..COUNT {
            assert_eq!(server.read_u8().await?, byte_at(place), "byte {place}");
        }
        assert_eq!(server.read(&mut [0]).await?, 0);
        Ok(())
    });
}

#[test]
fn a_read_that_is_dropped_has_taken_nothing() {
    const COUNT: usize = 3000;
    run(async |mut cx| {
        let (mut client, mut server) = pair().await?;
        client.set_nodelay(true)?;
        cx.spawn_link(async move |mut cx: Cx<()>| -> Done {
            for place in 0..COUNT {
                client.write_all(&[byte_at(place)]).await?;
                if place % 100 == 0 {
                    cx.sleep(Duration::from_micros(300)).await;
                }
            }
            Ok(())
        })?;
        let mut got = 0;
        let mut dropped = 0;
        let mut buf = [0; 3];
        loop {
            match within(Duration::from_micros(50), server.read(&mut buf)).await {
                None => dropped += 1,
                Some(n) => {
                    let n = n?;
                    if n == 0 {
                        break;
                    }
                    assert_eq!(&buf[..n], bytes_at(got, n));
                    got += n;
                }
            }
            // One that is dropped without having waited.
            drop(server.read(&mut buf));
        }
        assert_eq!(got, COUNT);
        assert!(dropped > 0, "some were dropped while they waited");
        Ok(())
    });
}

#[test]
fn an_accept_that_is_dropped_has_taken_no_connection() {
    run(async |_| {
        let (listener, addr) = listen().await?;
        for _ in 0..20 {
            assert!(once(listener.accept()).await.is_none());
            let client = TcpStream::connect(addr).await?;
            let (_, peer) = listener.accept().await?;
            assert_eq!(client.local_addr()?, peer);
        }
        Ok(())
    });
}

#[test]
fn any_number_of_processes_accept_from_one_listener() {
    run(async |mut cx| {
        let (listener, addr) = listen().await?;
        let listener = Arc::new(listener);
        for _ in 0..4 {
            let listener = Arc::clone(&listener);
            cx.spawn_link(async move |_: Cx<()>| -> Done {
                loop {
                    let (stream, _) = listener.accept().await?;
                    echo(stream).await?;
                }
            })?;
        }
        // As many at once as accept: one that does not wake up is missed.
        for _ in 0..50 {
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(TcpStream::connect(addr).await?);
            }
            for client in &mut clients {
                client.write_all(b"x").await?;
                assert_eq!(client.read_u8().await?, b'x');
            }
        }
        Ok(())
    });
}

#[test]
fn the_halves_of_a_stream_work_in_two_processes_and_make_one_again() {
    run(async |mut cx| {
        let (client, server) = pair().await?;
        cx.spawn_link(move |_: Cx<()>| echo(server))?;
        let (mut read, mut write) = client.into_split();
        let me = cx.pid();
        let writer = cx.spawn_link(async move |_: Cx<()>| -> Done {
            for place in (0..200_000).step_by(1000) {
                write.write_all(&bytes_at(place, 1000)).await?;
            }
            assert!(me.is_alive());
            // Dropping the half ends our direction, and so the echo's.
            drop(write);
            Ok(())
        })?;
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await?;
        assert!(heard == bytes_at(0, 200_000));
        cx.unlink(writer);

        let (one, other) = pair().await?;
        let (read, write) = one.into_split();
        let (mut wrong, _write) = other.into_split();
        let apart = read.reunite(_write).unwrap_err();
        assert_eq!(apart.to_string(), "cannot reunite halves of two streams");
        let mut one = apart.0.reunite(write)?;
        let (_, mut write) = one.split();
        write.write_all(b"still open").await?;
        let mut heard = [0; 10];
        wrong.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"still open");
        Ok(())
    });
}

#[test]
fn slices_are_written_in_their_order() {
    run(async |_| {
        let (mut client, mut server) = pair().await?;
        assert!(client.is_write_vectored());
        let slices = [&b"one "[..], b"", b"two ", b"three"].map(IoSlice::new);
        let n = client.write_vectored(&slices).await?;
        assert_eq!(n, 13);
        let mut heard = [0; 13];
        server.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"one two three");
        Ok(())
    });
}

#[test]
fn a_peek_leaves_the_bytes_where_they_are() {
    run(async |_| {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"abc").await?;
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert_eq!(server.peek(&mut buf).await?, 3);
        }
        server.read_exact(&mut buf[..3]).await?;
        assert_eq!(&buf[..3], b"abc");
        drop(client);
        assert_eq!(server.peek(&mut buf).await?, 0);
        Ok(())
    });
}

#[test]
fn a_try_says_would_block_until_the_stream_is_ready() {
    run(async |mut cx| {
        let (client, server) = pair().await?;
        let mut buf = [0; 8];
        let error = server.try_read(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(once(server.readable()).await.is_none(), "not on a guess");
        client.writable().await?;
        assert_eq!(client.try_write(b"hello")?, 5);
        let mut got = 0;
        while got < 5 {
            server.readable().await?;
            match server.try_read(&mut buf[got..]) {
                Ok(n) => got += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => cx.step().await,
                Err(error) => return Err(error.into()),
            }
        }
        assert_eq!(&buf[..5], b"hello");
        assert!(once(server.readable()).await.is_none());
        drop(client);
        server.readable().await?;
        assert_eq!(server.try_read(&mut buf)?, 0);
        Ok(())
    });
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    run(async |_| {
        let (gone, refused) = listen().await?;
        drop(gone);
        let (_listener, addr) = listen().await?;
        let stream = TcpStream::connect([refused, addr]).await?;
        assert_eq!(stream.peer_addr()?, addr);
        let error = TcpStream::connect([refused]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let none: [SocketAddr; 0] = [];
        let error = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_host_name_is_looked_up() {
    run(async |_| {
        let (_listener, addr) = listen().await?;
        let stream = TcpStream::connect(("localhost", addr.port())).await?;
        assert_eq!(stream.peer_addr()?, addr);
        let stream = TcpStream::connect(format!("localhost:{}", addr.port())).await?;
        assert_eq!(stream.peer_addr()?, addr);
        Ok(())
    });
}

#[test]
fn sockets_of_the_standard_library_can_be_taken_over() {
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = std_listener.local_addr().unwrap();
    let mut std_client = std::net::TcpStream::connect(addr).unwrap();
    std_client.write_all(b"from std").unwrap();
    // Made outside of the runtime, used inside.
    let listener = TcpListener::from_std(std_listener).unwrap();
    let client = TcpStream::from_std(std_client).unwrap();
    run(async move |_| {
        let (mut server, _) = listener.accept().await?;
        let mut heard = [0; 8];
        server.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"from std");
        let mut client = client;
        assert!(once(client.read(&mut heard)).await.is_none());
        server.write_all(b"to std").await?;
        assert_eq!(client.read(&mut heard).await?, 6);
        Ok(())
    });
}
