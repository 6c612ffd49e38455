//! Links: on both sides or on neither, and one exit signal each.

mod explore;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use explore::{SEEDS, assert_quiet, boom, down, everywhere, idle, pause, trapped, under_seeds};
use hammerbeam::signal::link::LinkError;
use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{
    Addr, Cx, Exit, ExitSignal, Info, Pid, Received, Reply, call, exit, process_info, send, spawn,
};

/// A body that ends with boom at its first message.
async fn at_go(mut cx: Cx<()>) -> Exit {
    cx.recv().await;
    boom()
}

/// G8.
#[test]
fn a_double_link_signals_once() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let peer = spawn(at_go)?;
        cx.link(peer)?;
        cx.link(peer)?;
        send(peer, ());
        assert_eq!(trapped(&mut cx).await.reason, boom());
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G7, G8. Both sides link at the same moment.
#[test]
fn a_link_made_by_both_sides_at_once_signals_once() {
    under_seeds(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let me = cx.pid();
        let peer = spawn(async move |mut cx: Cx<()>| {
            cx.link(me)?;
            cx.recv().await;
            Err::<(), _>(boom())
        })?;
        pause().await;
        cx.link(peer)?;
        send(peer, ());
        let signal = trapped(&mut cx).await;
        assert_eq!((signal.from, signal.reason), (Some(peer.pid()), boom()));
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G7. One side links while the other takes the link back: both agree in the end.
#[test]
fn links_and_unlinks_of_both_sides_at_once_leave_both_sides_agreeing() {
    for seed in 0..4 * SEEDS {
        storm(seed);
    }
}

/// Three processes link and unlink each other at random. Then all is quiet, and for each pair both sides say the same; then one ends,
/// and exactly those who are linked to it get a signal.
fn storm(seed: u64) {
    enum Peer {
        Peers([Addr<Self>; 3]),
        Signals { reply: Reply<usize> },
        Saw(#[allow(dead_code, reason = "only counted")] ExitSignal),
        End,
    }

    async fn peer(mut cx: Cx<Peer>, number: usize, mut random: u64) -> Result<(), Exit> {
        cx.trap_exit_as(Peer::Saw);
        let Peer::Peers(peers) = cx.recv().await else {
            return Ok(());
        };
        for _ in 0..8 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let other = peers[(number + 1 + (random >> 60) as usize % 2) % 3];
            if random >> 40 & 1 == 0 {
                cx.link(other)?;
            } else {
                cx.unlink(other);
            }
            if random >> 50 & 1 == 0 {
                pause().await;
            }
        }
        let mut signals = 0;
        loop {
            match cx.recv().await {
                Peer::Saw(_) => signals += 1,
                Peer::Signals { reply } => reply.send(signals),
                Peer::End => return Err(boom()),
                Peer::Peers(_) => {}
            }
        }
    }

    Deterministic::new(seed)
        .run(async move |mut cx: Cx<()>| {
            let mut peers = Vec::new();
            for number in 0..3 {
                peers.push(spawn(move |cx| peer(cx, number, seed * 3 + number as u64))?);
            }
            let all: [Addr<Peer>; 3] = peers.try_into().expect("there are three");
            for one in all {
                send(one, Peer::Peers(all));
            }
            cx.sleep(Duration::from_secs(1)).await;
            let linked = |a: usize, b: usize| {
                let info = process_info(all[a].pid()).expect("it lives");
                info.links.contains(&all[b].pid())
            };
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                assert_eq!(linked(a, b), linked(b, a), "seed {seed}, {a} and {b}");
            }
            let expected = [linked(1, 0), linked(2, 0)];
            send(all[0], Peer::End);
            cx.sleep(Duration::from_secs(1)).await;
            for (one, expected) in all[1..].iter().zip(expected) {
                let signals = call(*one, |reply| Peer::Signals { reply }).await?;
                assert_eq!(signals, usize::from(expected), "seed {seed}");
            }
            Ok::<_, Exit>(())
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
        .unwrap_or_else(|exit| panic!("seed {seed}: {exit}"));
}

/// G7. A link that reaches a process while it ends: one signal, with its reason or `NoProc`.
#[test]
fn a_link_that_races_with_the_end_tells_once() {
    static IN_TIME: AtomicUsize = AtomicUsize::new(0);
    under_seeds(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let peer = spawn(async |_: Cx<()>| boom())?;
        pause().await;
        cx.link(peer)?;
        let reason = trapped(&mut cx).await.reason;
        assert!(reason == boom() || reason == Exit::NoProc, "{reason}");
        IN_TIME.fetch_add(usize::from(reason == boom()), Ordering::Relaxed);
        assert_quiet(&mut cx).await;
        Ok(())
    });
    let in_time = IN_TIME.load(Ordering::Relaxed) as u64;
    assert!(
        (1..SEEDS).contains(&in_time),
        "both ways were taken: {in_time}"
    );
}

/// G7. As above, and the caller does not trap: it is told by the error, or ends.
#[test]
fn a_link_that_races_with_the_end_fails_or_ends_the_caller() {
    under_seeds(async |mut cx: Cx<()>| {
        let peer = spawn(async |_: Cx<()>| boom())?;
        cx.spawn_monitor(async move |mut cx: Cx<()>| {
            pause().await;
            match cx.link(peer) {
                Err(LinkError::NoProc(pid)) => {
                    assert_eq!(pid, peer.pid());
                }
                Err(other) => panic!("{other}"),
                Ok(()) => idle(cx).await,
            }
        })?;
        let reason = down(&mut cx).await.reason;
        assert!(
            [Exit::Normal, Exit::NoProc, boom()].contains(&reason),
            "{reason}"
        );
        Ok(())
    });
}

/// G8. What an unlink leaves is what was in the mailbox before: nothing comes later.
#[test]
fn after_an_unlink_no_signal_of_that_link_arrives() {
    under_seeds(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let peer = cx.spawn_link(async |_: Cx<()>| boom())?;
        pause().await;
        cx.unlink(peer);
        let mailbox = || process_info(cx.pid()).map(|me| me.mailbox);
        let before = mailbox();
        time_passes().await;
        assert_eq!(mailbox(), before);
        Ok(())
    });
}

async fn time_passes() {
    hammerbeam::time::sleep(Duration::from_secs(1)).await;
}

/// G8. An old signal does not hit a newer link.
#[test]
fn a_link_made_again_signals_once_whenever_the_peer_ends() {
    under_seeds(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let peer = cx.spawn_link(async |_: Cx<()>| {
            pause().await;
            boom()
        })?;
        cx.unlink(peer);
        pause().await;
        cx.link(peer)?;
        let signal = trapped(&mut cx).await;
        assert_eq!(signal.from, Some(peer.pid()));
        assert!(signal.reason == boom() || signal.reason == Exit::NoProc);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G7.
#[test]
fn a_link_to_an_ended_process_is_an_error() {
    everywhere(async |mut cx: Cx<()>| {
        let dead = dead(&mut cx).await?;
        assert_eq!(cx.link(dead), Err(LinkError::NoProc(dead)));
        assert!(process_info(cx.pid()).expect("it runs").links.is_empty());
        Ok(())
    });
}

/// G7.
#[test]
fn a_link_to_an_ended_process_is_a_signal_to_one_that_traps() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let dead = dead(&mut cx).await?;
        cx.link(dead)?;
        let signal = trapped(&mut cx).await;
        assert_eq!((signal.from, signal.reason), (Some(dead), Exit::NoProc));
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

async fn dead(cx: &mut Cx<()>) -> Result<Pid, Exit> {
    let (child, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
    down(cx).await;
    Ok(child.pid())
}

/// G11.
#[test]
fn a_linked_start_has_the_bodys_reason_however_short_it_lives() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let child = cx.spawn_link(async |_: Cx<()>| boom())?;
        let signal = trapped(&mut cx).await;
        assert_eq!((signal.from, signal.reason), (Some(child.pid()), boom()));
        Ok(())
    });
}

/// G6.
#[test]
fn a_linked_process_that_ends_ends_the_other_with_its_reason() {
    everywhere(async |mut cx: Cx<()>| {
        for reason in [boom(), Exit::Shutdown, Exit::Killed] {
            let ends = reason.clone();
            cx.spawn_monitor(async move |mut cx: Cx<()>| {
                cx.spawn_link(async move |_: Cx<()>| ends)?;
                idle(cx).await;
                Ok::<_, Exit>(())
            })?;
            assert_eq!(down(&mut cx).await.reason, reason);
        }
        Ok(())
    });
}

/// G6.
#[test]
fn a_normal_end_passes_no_link_but_is_told_to_one_that_traps() {
    everywhere(async |mut cx: Cx<()>| {
        cx.spawn_link(async |_: Cx<()>| {})?;
        assert_quiet(&mut cx).await;
        cx.trap_exit(true);
        cx.spawn_link(async |_: Cx<()>| {})?;
        assert_eq!(trapped(&mut cx).await.reason, Exit::Normal);
        Ok(())
    });
}

/// G8. Unlinking does not look into the mailbox.
#[test]
fn an_unlink_leaves_a_signal_that_was_trapped_before() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let peer = cx.spawn_link(async |_: Cx<()>| boom())?;
        while process_info(cx.pid()).is_some_and(|me| me.mailbox == 0) {
            cx.sleep(Duration::from_micros(100)).await;
        }
        cx.unlink(peer);
        assert_eq!(trapped(&mut cx).await.reason, boom());
        Ok(())
    });
}

/// G7.
#[test]
fn an_unlink_takes_the_link_back_on_both_sides() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(idle::<()>)?;
        cx.link(child)?;
        cx.unlink(child);
        exit(child, boom());
        assert_eq!(down(&mut cx).await.reason, boom());
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G7.
#[test]
fn unlinking_whoever_is_not_linked_does_nothing() {
    everywhere(async |mut cx: Cx<()>| {
        let peer = spawn(idle::<()>)?;
        cx.unlink(peer);
        cx.unlink(cx.pid());
        let dead = dead(&mut cx).await?;
        cx.unlink(dead);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G7.
#[test]
fn a_link_to_oneself_is_no_link() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        cx.link(cx.pid())?;
        assert!(process_info(cx.pid()).expect("it runs").links.is_empty());
        Ok(())
    });
}

/// G2.
#[test]
fn a_chain_of_links_passes_the_first_reason_to_its_end() {
    everywhere(async |mut cx: Cx<()>| {
        let me = cx.addr();
        let mut peers: Vec<Pid> = Vec::new();
        for _ in 0..5 {
            let peer = peers.last().copied();
            let (next, _) = cx.spawn_monitor(async move |mut cx: Cx<()>| {
                if let Some(peer) = peer {
                    cx.link(peer)?;
                }
                send(me, ());
                idle(cx).await;
                Ok::<_, Exit>(())
            })?;
            cx.recv().await;
            peers.push(next.pid());
        }
        exit(peers[2], Exit::Kill);
        for _ in 0..5 {
            assert_eq!(down(&mut cx).await.reason, Exit::Killed);
        }
        Ok(())
    });
}

/// G8.
#[test]
fn a_signal_of_a_mapped_link_is_a_message_even_without_trapping() {
    everywhere(async |mut cx: Cx<ExitSignal>| {
        let peer = spawn(at_go)?;
        cx.link_as(peer, |signal| signal)?;
        send(peer, ());
        assert_eq!(cx.recv().await.reason, boom());
        // The peer is gone: that is told in the same way.
        cx.link_as(peer, |signal| signal)?;
        assert_eq!(cx.recv().await.reason, Exit::NoProc);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8. Both relations tell.
#[test]
fn a_link_and_a_monitor_of_one_process_tell_once_each() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let (peer, _) = cx.spawn_monitor(at_go)?;
        cx.link(peer)?;
        send(peer, ());
        let mut told = [false; 2];
        for _ in 0..2 {
            match cx.recv_any().await {
                Received::Info(Info::Down(_)) => told[0] = true,
                Received::Info(Info::Exit(_)) => told[1] = true,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, [true; 2]);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_link_stands_after_an_exit_order_of_the_peer() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let me = cx.pid();
        cx.spawn_link(async move |_: Cx<()>| {
            exit(me, boom());
            Exit::Shutdown
        })?;
        assert_eq!(trapped(&mut cx).await.reason, boom());
        assert_eq!(trapped(&mut cx).await.reason, Exit::Shutdown);
        Ok(())
    });
}
