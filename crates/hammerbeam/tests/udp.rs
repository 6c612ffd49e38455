//! UDP sockets.

mod sockets;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use hammerbeam::io::UdpSocket;
use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{Addr, Cx, Exit, send};
use sockets::{Done, once, run, within};

async fn pair() -> Result<(UdpSocket, UdpSocket), Exit> {
    let one = UdpSocket::bind("127.0.0.1:0").await?;
    let other = UdpSocket::bind("127.0.0.1:0").await?;
    one.connect(other.local_addr()?).await?;
    other.connect(one.local_addr()?).await?;
    Ok((one, other))
}

#[test]
fn datagrams_keep_their_bounds() {
    run(async |_| {
        let (one, other) = pair().await?;
        assert_eq!(one.peer_addr()?, other.local_addr()?);
        one.send(b"first").await?;
        one.send(b"").await?;
        one.send(b"third, and longer").await?;
        let mut buf = [0; 64];
        assert_eq!(other.recv(&mut buf).await?, 5);
        assert_eq!(other.recv(&mut buf).await?, 0);
        let (n, from) = other.recv_from(&mut buf[..5]).await?;
        assert_eq!((&buf[..n], from), (&b"third"[..], one.local_addr()?));
        assert!(
            once(other.recv(&mut buf)).await.is_none(),
            "the rest is gone"
        );
        Ok(())
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    run(async |_| {
        let (one, other) = pair().await?;
        let stranger = UdpSocket::bind("127.0.0.1:0").await?;
        stranger.send_to(b"psst", other.local_addr()?).await?;
        one.send(b"hello").await?;
        let mut buf = [0; 64];
        let n = other.recv(&mut buf).await?;
        assert_eq!(&buf[..n], b"hello");
        Ok(())
    });
}

#[test]
fn each_datagram_goes_to_one_of_those_who_wait() {
    const COUNT: u8 = 200;
    run(async |mut cx| {
        let server = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let addr = server.local_addr()?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        client.connect(addr).await?;
        let gatherer: Addr<u8> = cx.spawn_link(async move |mut cx: Cx<u8>| -> Done {
            let mut seen = vec![false; usize::from(COUNT)];
            for _ in 0..COUNT {
                let number = usize::from(cx.recv().await);
                assert!(!std::mem::replace(&mut seen[number], true), "twice");
            }
            Ok(())
        })?;
        for _ in 0..5 {
            let server = Arc::clone(&server);
            cx.spawn_link(async move |_: Cx<()>| -> Done {
                let mut buf = [0; 8];
                loop {
                    let (n, from) = server.recv_from(&mut buf).await?;
                    send(gatherer, buf[0]);
                    server.send_to(&buf[..n], from).await?;
                }
            })?;
        }
        let gathered = cx.monitor(gatherer);
        let mut buf = [0; 8];
        for number in 0..COUNT {
            client.send(&[number]).await?;
            assert_eq!(client.recv(&mut buf).await?, 1);
            assert_eq!(buf[0], number);
        }
        let hammerbeam::Info::Down(down) = cx.recv_info().await else {
            panic!("only a monitor was asked for");
        };
        assert!(down.monitor == gathered && down.reason.is_normal());
        Ok(())
    });
}

#[test]
fn a_receive_that_is_dropped_has_taken_nothing() {
    const COUNT: u16 = 1000;
    run(async |mut cx| {
        let (one, other) = pair().await?;
        cx.spawn_link(async move |mut cx: Cx<()>| -> Done {
            let mut ack = [0];
            for number in 0..COUNT {
                if number % 50 == 0 {
                    cx.sleep(Duration::from_micros(300)).await;
                }
                one.send(&number.to_be_bytes()).await?;
                // So that no buffer overflows.
                one.recv(&mut ack).await?;
            }
            Ok(())
        })?;
        let mut expected = 0;
        let mut dropped = 0;
        let mut buf = [0; 8];
        while expected < COUNT {
            match within(Duration::from_micros(50), other.recv(&mut buf)).await {
                None => dropped += 1,
                Some(n) => {
                    assert_eq!(buf[..n?], expected.to_be_bytes());
                    expected += 1;
                    other.send(b"k").await?;
                }
            }
        }
        assert!(dropped > 0);
        Ok(())
    });
}

#[test]
fn nobody_at_home_is_an_error_once_and_then_the_socket_works() {
    run(async |_| {
        let (one, other) = pair().await?;
        let addr = other.local_addr()?;
        drop(other);
        one.send(b"anybody?").await?;
        let mut buf = [0; 64];
        let error = one.recv(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let other = UdpSocket::bind(addr).await?;
        other.send_to(b"moved in", one.local_addr()?).await?;
        assert_eq!(one.recv(&mut buf).await?, 8);
        Ok(())
    });
}

#[test]
fn the_poll_functions_do_what_the_futures_do() {
    run(async |_| {
        let (one, other) = pair().await?;
        let to = other.local_addr()?;
        let mut buf = [0; 8];
        assert!(
            once(poll_fn(|context| other.poll_recv(context, &mut buf)))
                .await
                .is_none()
        );
        poll_fn(|context| one.poll_send(context, b"a")).await?;
        assert_eq!(
            poll_fn(|context| other.poll_recv(context, &mut buf)).await?,
            1
        );
        let stranger = UdpSocket::bind("127.0.0.1:0").await?;
        let open = UdpSocket::bind("127.0.0.1:0").await?;
        let open_addr = open.local_addr()?;
        poll_fn(|context| stranger.poll_send_to(context, b"bc", open_addr)).await?;
        let (n, from) = poll_fn(|context| open.poll_recv_from(context, &mut buf)).await?;
        assert_eq!((n, from), (2, stranger.local_addr()?));

        let error = open.try_recv_from(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        open.writable().await?;
        assert_eq!(open.try_send_to(b"xyz", stranger.local_addr()?)?, 3);
        stranger.readable().await?;
        assert_eq!(stranger.try_recv_from(&mut buf)?, (3, open_addr));
        drop(one);
        assert_eq!(other.local_addr()?, to);
        Ok(())
    });
}

#[test]
fn a_socket_of_the_standard_library_can_be_taken_over() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    run(async move |_| {
        let socket = UdpSocket::from_std(socket)?;
        socket.set_broadcast(true)?;
        let addr = socket.local_addr()?;
        socket.send_to(b"to myself", addr).await?;
        let mut buf = [0; 64];
        assert_eq!(socket.recv_from(&mut buf).await?, (9, addr));
        Ok(())
    });
}

#[test]
fn in_a_deterministic_world_there_are_no_sockets() {
    Deterministic::new(1)
        .run(async move |_: Cx<()>| {
            let error = UdpSocket::bind("127.0.0.1:0").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        })
        .unwrap();
}
