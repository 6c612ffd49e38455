//! Relations between processes hold whatever happens at the same moment: on real threads, many thousand times.
//!
//! Each test runs rounds of a few processes that link, watch, name and end one another at random moments, and checks the exact
//! outcome of every round. A signal that is lost shows as a round that does not end.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use hammerbeam::{
    Addr, Alias, Cx, Exit, Info, Name, Pid, Received, Runtime, Spawn, call, exit, process_info,
    send, spawn,
};

/// More workers than cores: the kernel interrupts them where it hurts.
const WORKERS: usize = 4;
/// Rounds go on in so many processes at once.
const LANES: u64 = 8;

/// Runs `rounds` rounds, told apart by a random number, and sees that no process is left.
fn rounds<B, F>(rounds: u64, round: B)
where
    B: Fn(Cx<u64>, Random) -> F + Send + Sync + Copy + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (done, wait) = mpsc::channel();
    let test = std::thread::spawn(move || {
        let runtime = Runtime::builder()
            .workers(WORKERS)
            .background(false)
            .build()
            .unwrap();
        runtime
            .run(async move |mut cx: Cx<()>| {
                for lane in 0..LANES {
                    cx.spawn_monitor(async move |mut cx: Cx<()>| {
                        for number in 0..rounds / LANES {
                            let random = Random::new(lane << 32 | number);
                            cx.spawn_monitor(async move |cx: Cx<u64>| round(cx, random).await)
                                .unwrap();
                            let Info::Down(down) = cx.recv_info().await else {
                                panic!("not a Down");
                            };
                            assert_eq!(down.reason, Exit::Normal, "round {lane}/{number}");
                        }
                    })
                    .unwrap();
                }
                for _ in 0..LANES {
                    let Info::Down(down) = cx.recv_info().await else {
                        panic!("not a Down");
                    };
                    assert_eq!(down.reason, Exit::Normal);
                }
            })
            .unwrap();
        // The last ones are on their way out.
        while runtime.process_count() > 0 {
            std::thread::yield_now();
        }
        let _ = done.send(());
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(120)) {
        panic!("a round does not end: a signal was lost, or a process is left");
    }
    test.join().unwrap();
}

/// Random numbers from a seed, and delays.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }

    /// Another one, for another process.
    fn fork(&mut self) -> Self {
        Self::new(self.below(1 << 40))
    }

    /// Lets some time pass: nothing, a moment, or a turn of everybody else.
    async fn pause(&mut self) {
        match self.below(4) {
            0 => {}
            1 => {
                for _ in 0..self.below(200) {
                    std::hint::spin_loop();
                }
            }
            _ => give_way().await,
        }
    }
}

async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Everything that is in the mailbox now or was sent to it before: a message of our own comes last.
async fn drain(cx: &mut Cx<u64>) -> Vec<Received<u64>> {
    const LAST: u64 = u64::MAX;
    send(cx.addr(), LAST);
    let mut got = Vec::new();
    loop {
        match cx.recv_any().await {
            Received::Message(LAST) => return got,
            other => got.push(other),
        }
    }
}

async fn next_down(cx: &mut Cx<u64>) -> hammerbeam::Down {
    match cx.recv_info().await {
        Info::Down(down) => down,
        other => panic!("not a Down: {other:?}"),
    }
}

/// G8. However the monitor and the end meet, there is one `Down`, and everybody is told the same reason or that it was too late.
#[test]
fn each_monitor_gives_exactly_one_down() {
    rounds(120_000, async |mut cx: Cx<u64>, mut random: Random| {
        let target = spawn(async |mut cx: Cx<u64>| {
            cx.recv().await;
        })
        .unwrap();
        let mut dice = random.fork();
        spawn(async move |_: Cx<()>| {
            dice.pause().await;
            if dice.below(2) == 0 {
                send(target, 1);
            } else {
                exit(target, Exit::Kill);
            }
        })
        .unwrap();
        for _ in 0..2 {
            let mut dice = random.fork();
            cx.spawn_monitor(async move |mut cx: Cx<u64>| {
                dice.pause().await;
                let first = cx.monitor(target);
                dice.pause().await;
                let second = cx.monitor(target);
                let mut downs = [next_down(&mut cx).await, next_down(&mut cx).await];
                // A request that finds nobody is answered at once, one that came too late by the ending process.
                downs.sort_by_key(|down| down.monitor);
                let [one, two] = downs;
                assert_eq!((one.monitor, two.monitor), (first, second));
                assert!(
                    matches!(one.reason, Exit::Normal | Exit::Killed | Exit::NoProc),
                    "{one:?}"
                );
                assert!(
                    two.reason == one.reason || two.reason == Exit::NoProc,
                    "{one:?}, then {two:?}"
                );
                assert!(drain(&mut cx).await.is_empty(), "a Down too many");
            })
            .unwrap();
        }
        for _ in 0..2 {
            assert_eq!(next_down(&mut cx).await.reason, Exit::Normal);
        }
    });
}

/// G8. A monitor that was taken back is silent, though its target ends at that moment.
#[test]
fn no_down_comes_after_a_demonitor() {
    rounds(120_000, async |mut cx: Cx<u64>, mut random: Random| {
        let target = spawn(async |mut cx: Cx<u64>| {
            cx.recv().await;
        })
        .unwrap();
        let monitor = cx.monitor(target);
        let other = cx.monitor(target);
        let mut dice = random.fork();
        spawn(async move |_: Cx<()>| {
            dice.pause().await;
            send(target, 1);
        })
        .unwrap();
        random.pause().await;
        assert!(cx.demonitor(monitor), "set, or its Down was there");
        assert!(!cx.demonitor(monitor), "taken back twice");
        let down = next_down(&mut cx).await;
        assert_eq!((down.monitor, down.reason), (other, Exit::Normal));
        assert!(drain(&mut cx).await.is_empty());
    });
}

/// G7, G8. However the link and the end meet, whoever traps is told once.
#[test]
fn a_link_to_an_ending_process_signals_exactly_once() {
    rounds(120_000, async |mut cx: Cx<u64>, mut random: Random| {
        cx.trap_exit(true);
        let target = spawn(async |mut cx: Cx<u64>| {
            cx.recv().await;
        })
        .unwrap();
        let mut dice = random.fork();
        spawn(async move |_: Cx<()>| {
            dice.pause().await;
            exit(target, Exit::Shutdown);
        })
        .unwrap();
        random.pause().await;
        cx.link(target).unwrap();
        random.pause().await;
        // Linking twice is linking once; unless the first link has had its signal: then it is a second link.
        let seen_before = !target.pid().is_alive();
        cx.link(target).unwrap();
        let Info::Exit(signal) = cx.recv_info().await else {
            panic!("not an exit");
        };
        assert_eq!(signal.from, Some(target.pid()));
        assert!(
            matches!(signal.reason, Exit::Shutdown | Exit::NoProc),
            "{signal:?}"
        );
        let more = drain(&mut cx).await.len();
        assert!(
            more == 0 || (more == 1 && seen_before),
            "{more} signals more"
        );
    });
}

enum Partner {
    Peer(Addr<Self>),
    Done,
}

/// Links and unlinks its peer a few times while the peer does the same, and waits to be ended.
async fn partner(mut cx: Cx<Partner>, judge: Addr<u64>, mut dice: Random) {
    // The peer, if it is quicker, may be done already.
    let peer = hammerbeam::receive! { &mut cx; Partner::Peer(peer) => peer };
    for _ in 0..=dice.below(3) {
        dice.pause().await;
        if dice.below(2) == 0 {
            cx.link(peer).unwrap();
        } else {
            cx.unlink(peer);
        }
    }
    // Comes behind all our signals: whoever has it has handled them.
    send(peer, Partner::Done);
    let Partner::Done = cx.recv().await else {
        panic!("then its last word");
    };
    send(judge, 1);
    std::future::pending::<()>().await;
}

/// G7. Two processes that link and unlink each other at the same time agree, and a link that stands ends both.
#[test]
fn a_link_is_on_both_sides_or_on_neither() {
    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        let judge = cx.addr();
        let mut start = || {
            let dice = random.fork();
            let spawned = Spawn::new()
                .monitor()
                .start(async move |cx: Cx<Partner>| partner(cx, judge, dice).await)
                .unwrap();
            spawned.addr
        };
        let (one, other) = (start(), start());
        send(one, Partner::Peer(other));
        send(other, Partner::Peer(one));
        for _ in 0..2 {
            cx.recv().await;
        }
        let linked = |me: Addr<Partner>, peer: Addr<Partner>| {
            process_info(me.pid()).unwrap().links.contains(&peer.pid())
        };
        let stands = linked(one, other);
        assert_eq!(stands, linked(other, one), "one side only");
        exit(one, Exit::Kill);
        if !stands {
            assert_eq!(next_down(&mut cx).await.pid, Some(one.pid()));
            assert!(other.pid().is_alive());
            exit(other, Exit::Kill);
        }
        // Linked, they end one after the other, but nothing orders what they tell a third.
        for _ in 0..if stands { 2 } else { 1 } {
            assert_eq!(next_down(&mut cx).await.reason, Exit::Killed);
        }
        assert!(!one.pid().is_alive() && !other.pid().is_alive());
    });
}

/// G7. Whoever has taken its link back survives, though the other ends at that moment.
#[test]
fn an_unlinked_process_survives_the_other() {
    rounds(120_000, async |mut cx: Cx<u64>, mut random: Random| {
        let target = spawn(async |mut cx: Cx<u64>| {
            cx.recv().await;
        })
        .unwrap();
        let me = cx.addr();
        let mut dice = random.fork();
        let (survivor, _) = cx
            .spawn_monitor(async move |mut cx: Cx<u64>| {
                cx.link(target).unwrap();
                dice.pause().await;
                cx.unlink(target);
                send(me, 1);
                cx.recv().await;
            })
            .unwrap();
        // Ended by its own message at a random moment; only a link that still stands may take the survivor along.
        cx.recv().await;
        random.pause().await;
        exit(target, Exit::Shutdown);
        cx.monitor(target);
        next_down(&mut cx).await;
        send(survivor, 1);
        let down = next_down(&mut cx).await;
        assert_eq!(
            (down.pid, down.reason),
            (Some(survivor.pid()), Exit::Normal)
        );
    });
}

/// G5. Any number of orders to end, from everywhere, end a process once.
#[test]
fn a_process_that_is_killed_by_all_ends_once() {
    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        let (target, monitor) = cx
            .spawn_monitor(async |mut cx: Cx<u64>| {
                loop {
                    cx.recv().await;
                }
            })
            .unwrap();
        for _ in 0..3 {
            let mut dice = random.fork();
            spawn(async move |_: Cx<()>| {
                dice.pause().await;
                send(target, 1);
                exit(target, Exit::Kill);
                send(target, 2);
            })
            .unwrap();
        }
        let down = next_down(&mut cx).await;
        assert_eq!((down.monitor, down.reason), (monitor, Exit::Killed));
        assert!(!target.pid().is_alive());
        assert!(drain(&mut cx).await.is_empty());
    });
}

/// A one-time alias takes one message, whoever is first; one that was taken back takes none.
#[test]
fn an_alias_takes_no_message_too_many() {
    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        let once = cx.alias_once();
        let explicit = cx.alias();
        let sender = |alias: Alias<u64>, number: u64, mut dice: Random| {
            spawn(async move |_: Cx<()>| {
                for _ in 0..3 {
                    dice.pause().await;
                    send(alias, number);
                }
            })
            .unwrap()
        };
        let senders: Vec<_> = (0..2)
            .flat_map(|_| {
                [
                    sender(once, 1, random.fork()),
                    sender(explicit, 2, random.fork()),
                ]
            })
            .collect();
        random.pause().await;
        cx.unalias(explicit);
        // What was in the inbox by then.
        let mut early = Vec::new();
        while let Some(number) = cx.try_recv() {
            early.push(number);
        }
        for sender in senders {
            cx.monitor(sender);
        }
        let mut downs = 0;
        while downs < 4 {
            match cx.recv_any().await {
                Received::Info(_) => downs += 1,
                Received::Message(1) => early.push(1),
                Received::Message(_) => panic!("through an alias that was taken back"),
            }
        }
        let through_once = early.iter().filter(|number| **number == 1).count();
        assert_eq!(through_once, 1);
        assert!(!cx.unalias(once), "it ended with its message");
    });
}

/// G12. A name has one holder, and is free before anybody learns that the holder has ended.
#[test]
fn a_name_has_one_holder_and_is_free_before_its_down() {
    const NAMES: [Name<u64>; LANES as usize] = [
        Name::new("name 0"),
        Name::new("name 1"),
        Name::new("name 2"),
        Name::new("name 3"),
        Name::new("name 4"),
        Name::new("name 5"),
        Name::new("name 6"),
        Name::new("name 7"),
    ];
    static HOLDERS: [AtomicUsize; LANES as usize] = [const { AtomicUsize::new(0) }; LANES as usize];
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        // Rounds that go on at the same time may meet at a name: it must not confuse them.
        let which = NEXT.fetch_add(1, Ordering::Relaxed) % NAMES.len();
        let (name, holders) = (NAMES[which], &HOLDERS[which]);
        for _ in 0..3 {
            let mut dice = random.fork();
            cx.spawn_monitor(async move |mut cx: Cx<u64>| {
                dice.pause().await;
                if cx.register(name).is_ok() {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two holders");
                    assert_eq!(name.whereis().unwrap(), cx.addr());
                    dice.pause().await;
                    holders.fetch_sub(1, Ordering::SeqCst);
                    if dice.below(2) == 0 {
                        assert!(cx.unregister(name));
                    }
                }
            })
            .unwrap();
        }
        for _ in 0..3 {
            let down = next_down(&mut cx).await;
            assert_eq!(down.reason, Exit::Normal);
            let holder = name.whereis().ok().map(Addr::pid);
            assert_ne!(holder, down.pid, "an ended process has the name");
        }
    });
}

/// G1. A message to a pid never reaches another process, though its slot is used again at once.
#[test]
fn a_stale_pid_reaches_nobody() {
    /// Takes a few messages, which must all be meant for it.
    async fn target(mut cx: Cx<Pid>, takes: u64) {
        for _ in 0..takes {
            let meant = cx.recv().await;
            assert_eq!(meant, cx.pid(), "a message for somebody else");
        }
    }

    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        let mut targets = Vec::new();
        let mut running = Vec::new();
        for _ in 0..3 {
            let takes = random.below(3);
            let (addr, monitor) = cx
                .spawn_monitor(async move |cx| target(cx, takes).await)
                .unwrap();
            targets.push(addr);
            running.push(monitor);
            // To all so far, of which some have ended; and their watchers and wakers may be late as well.
            let all = targets.clone();
            let mut dice = random.fork();
            spawn(async move |mut cx: Cx<()>| {
                for addr in all {
                    dice.pause().await;
                    send(addr, addr.pid());
                    let monitor = cx.monitor(addr);
                    cx.demonitor(monitor);
                }
            })
            .unwrap();
        }
        while !running.is_empty() {
            for addr in &targets {
                send(*addr, addr.pid());
            }
            give_way().await;
            while let Some(place) = running.len().checked_sub(1) {
                if targets.iter().filter(|addr| addr.pid().is_alive()).count() > place {
                    break;
                }
                let down = next_down(&mut cx).await;
                assert_eq!(down.reason, Exit::Normal);
                running.pop();
            }
        }
    });
}

/// G13. A call to a process that ends at that moment is over, with one of the outcomes.
#[test]
fn a_call_to_an_ending_process_is_over() {
    use hammerbeam::{CallError, Reply};

    rounds(120_000, async |mut cx: Cx<u64>, mut random: Random| {
        let answers = random.below(3);
        let server = spawn(async move |mut cx: Cx<Reply<u64>>| {
            for number in 0..answers {
                cx.recv().await.send(number);
            }
            // Dropped without an answer, as the process ends.
            drop(cx.recv().await);
        })
        .unwrap();
        let mut dice = random.fork();
        spawn(async move |_: Cx<()>| {
            dice.pause().await;
            exit(server, Exit::Shutdown);
        })
        .unwrap();
        for _ in 0..2 {
            let mut dice = random.fork();
            cx.spawn_monitor(async move |_: Cx<()>| {
                for _ in 0..3 {
                    dice.pause().await;
                    match call(server, |reply| reply).timeout(Duration::MAX).await {
                        Ok(number) => assert!(number < answers),
                        Err(
                            CallError::Exited { .. }
                            | CallError::NoProc { .. }
                            | CallError::NoReply { .. },
                        ) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            })
            .unwrap();
        }
        for _ in 0..2 {
            assert_eq!(next_down(&mut cx).await.reason, Exit::Normal);
        }
    });
}

/// Whoever is looked at while it ends, or while its place is taken by another one, is found or not found, and goes on.
#[test]
fn looking_at_processes_that_come_and_go_disturbs_nobody() {
    rounds(60_000, async |mut cx: Cx<u64>, mut random: Random| {
        let mut pids = vec![cx.pid()];
        for _ in 0..4 {
            let mut dice = random.fork();
            let (addr, _) = cx
                .spawn_monitor(async move |_: Cx<()>| dice.pause().await)
                .unwrap();
            pids.push(addr.pid());
            let all = pids.clone();
            let mut dice = random.fork();
            let (looker, _) = cx
                .spawn_monitor(async move |_: Cx<()>| {
                    for pid in all {
                        dice.pause().await;
                        if let Some(info) = process_info(pid) {
                            assert_eq!(info.pid, pid);
                        }
                    }
                })
                .unwrap();
            pids.push(looker.pid());
        }
        for _ in 0..8 {
            assert_eq!(next_down(&mut cx).await.reason, Exit::Normal);
        }
    });
}

/// Processes that start processes that end at once: the count is right, and so is the table.
#[test]
fn a_storm_of_starts_and_ends_leaves_nothing() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);

    rounds(16_000, async |mut cx: Cx<u64>, mut random: Random| {
        let storm = 10 + random.below(20);
        let counted = Arc::new(AtomicUsize::new(0));
        for _ in 0..storm {
            let counted = Arc::clone(&counted);
            cx.spawn_monitor(async move |_: Cx<()>| {
                counted.fetch_add(1, Ordering::Relaxed);
                STARTED.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        }
        for _ in 0..storm {
            assert_eq!(next_down(&mut cx).await.reason, Exit::Normal);
        }
        assert_eq!(counted.load(Ordering::Relaxed) as u64, storm);
    });
    assert!(STARTED.load(Ordering::Relaxed) >= 160_000);
}
