//! Unix domain sockets: streams, listeners, datagrams.

mod sockets;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hammerbeam::Cx;
use hammerbeam::io::{UnixDatagram, UnixListener, UnixStream};
use sockets::{Done, bytes_at, once, run, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A path for a socket; the file is removed when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hammerbeam-unix-{}-{number}.sock", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_listener_serves_connections_by_path() {
    run(async |mut cx| {
        let place = Place::new();
        let listener = UnixListener::bind(&place.0)?;
        let taken = UnixListener::bind(&place.0).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        assert_eq!(listener.local_addr()?.as_pathname(), Some(&*place.0));
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            for _ in 0..50 {
                let (mut stream, peer) = listener.accept().await?;
                assert!(peer.is_unnamed());
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await?;
                stream.write_all(&heard).await?;
            }
            Ok(())
        })?;
        for round in 0..50 {
            let mut client = UnixStream::connect(&place.0).await?;
            assert_eq!(client.peer_addr()?.as_pathname(), Some(&*place.0));
            client.write_all(&[round]).await?;
            client.shutdown().await?;
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await?;
            assert_eq!(heard, [round]);
        }
        Ok(())
    });
}

#[test]
fn a_large_transfer_waits_for_its_reader_and_arrives_whole() {
    const SIZE: usize = 20 << 20;
    run(async |mut cx| {
        let (mut one, mut other) = UnixStream::pair()?;
        let mut sent = 0;
        loop {
            match one.try_write(&bytes_at(sent, 10_000)) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        assert!(once(one.write(b"x")).await.is_none(), "it waits");
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            while sent < SIZE {
                let n = (SIZE - sent).min(70_000);
                one.write_all(&bytes_at(sent, n)).await?;
                sent += n;
            }
            Ok(())
        })?;
        let mut buf = vec![0; 30_000];
        let mut got = 0;
        loop {
            let n = other.read(&mut buf).await?;
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
fn shutting_down_ends_one_direction_and_leaves_the_other() {
    run(async |mut cx| {
        let (one, mut other) = UnixStream::pair()?;
        let (mut read, mut write) = one.into_split();
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            write.write_all(b"question").await?;
            // The half's end is the direction's end.
            Ok(())
        })?;
        let mut heard = String::new();
        other.read_to_string(&mut heard).await?;
        assert_eq!(heard, "question");
        other.write_all(b"answer").await?;
        drop(other);
        heard.clear();
        read.read_to_string(&mut heard).await?;
        assert_eq!(heard, "answer");
        Ok(())
    });
}

#[test]
fn a_read_that_is_dropped_has_taken_nothing() {
    const COUNT: usize = 2000;
    run(async |mut cx| {
        let (mut one, mut other) = UnixStream::pair()?;
        cx.spawn_link(async move |mut cx: Cx<()>| -> Done {
            for place in 0..COUNT {
                one.write_all(&bytes_at(place, 1)).await?;
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
            match within(Duration::from_micros(50), other.read(&mut buf)).await {
                None => dropped += 1,
                Some(Ok(0)) => break,
                Some(n) => {
                    let n = n?;
                    assert_eq!(&buf[..n], bytes_at(got, n));
                    got += n;
                }
            }
        }
        assert_eq!(got, COUNT);
        assert!(dropped > 0);
        Ok(())
    });
}

#[test]
fn readiness_is_told_and_a_peek_takes_nothing() {
    run(async |_| {
        let (one, other) = UnixStream::pair()?;
        let mut buf = [0; 8];
        assert!(once(other.readable()).await.is_none());
        one.writable().await?;
        assert_eq!(one.try_write(b"hello")?, 5);
        other.readable().await?;
        assert_eq!(other.peek(&mut buf).await?, 5);
        assert_eq!(other.try_read(&mut buf)?, 5);
        assert_eq!(
            other.try_read(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(one);
        other.readable().await?;
        assert_eq!(other.try_read(&mut buf)?, 0);
        Ok(())
    });
}

#[test]
fn datagrams_wait_for_a_slow_receiver_and_none_is_lost() {
    const COUNT: u32 = 2000;
    run(async |mut cx| {
        let place = Place::new();
        let server = UnixDatagram::bind(&place.0)?;
        let client = UnixDatagram::unbound()?;
        client.connect(&place.0)?;
        // Until the receiver's queue is full.
        let mut sent = 0_u32;
        while once(client.send(&sent.to_be_bytes())).await.is_some() {
            sent += 1;
        }
        assert!(sent < COUNT);
        cx.spawn_link(async move |_: Cx<()>| -> Done {
            for number in sent..COUNT {
                client.send(&number.to_be_bytes()).await?;
            }
            Ok(())
        })?;
        let mut buf = [0; 8];
        for number in 0..COUNT {
            let n = server.recv(&mut buf).await?;
            assert_eq!(buf[..n], number.to_be_bytes());
        }
        Ok(())
    });
}

#[test]
fn datagrams_say_whom_they_are_from() {
    run(async |_| {
        let (here, there) = (Place::new(), Place::new());
        let one = UnixDatagram::bind(&here.0)?;
        let other = UnixDatagram::bind(&there.0)?;
        assert_eq!(one.local_addr()?.as_pathname(), Some(&*here.0));
        assert_eq!(one.try_send_to(b"hello", &there.0)?, 5);
        let mut buf = [0; 64];
        let (n, from) = other.recv_from(&mut buf).await?;
        assert_eq!(from.as_pathname(), Some(&*here.0));
        assert_eq!(&buf[..n], b"hello");
        // An unconnected socket is not told when there is room again, so it does not wait.
        let full = loop {
            if let Err(error) = one.try_send_to(b"x", &there.0) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);

        let (left, right) = UnixDatagram::pair()?;
        poll_fn(|context| left.poll_send(context, b"abc")).await?;
        assert_eq!(
            poll_fn(|context| right.poll_recv(context, &mut buf)).await?,
            3
        );
        poll_fn(|context| left.poll_send(context, b"d")).await?;
        let (n, from) = poll_fn(|context| right.poll_recv_from(context, &mut buf)).await?;
        assert!(n == 1 && from.is_unnamed());
        Ok(())
    });
}

#[test]
fn sockets_of_the_standard_library_can_be_taken_over() {
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    let (left, right) = std::os::unix::net::UnixDatagram::pair().unwrap();
    run(async move |_| {
        let mut one = UnixStream::from_std(one)?;
        let mut other = UnixStream::from_std(other)?;
        one.write_all(b"ab").await?;
        assert_eq!(other.read_u16().await?, u16::from_be_bytes(*b"ab"));
        let left = UnixDatagram::from_std(left)?;
        let right = UnixDatagram::from_std(right)?;
        left.send(b"x").await?;
        assert_eq!(right.recv(&mut [0; 8]).await?, 1);
        let place = Place::new();
        let listener = std::os::unix::net::UnixListener::bind(&place.0)?;
        let listener = UnixListener::from_std(listener)?;
        let _client = UnixStream::connect(&place.0).await?;
        poll_fn(|context| listener.poll_accept(context)).await?;
        Ok(())
    });
}
