//! What broke once, and must not break again.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{
    Cx, Down, Exit, Info, MailboxLimit, Name, OnFull, Runtime, Spawn, SpawnError, exit, receive,
    send, spawn, time, try_send,
};

fn runtime() -> Runtime {
    Runtime::builder()
        .workers(2)
        .background(false)
        .build()
        .unwrap()
}

enum Msg {
    Gone(#[allow(dead_code)] Down),
}

/// G11. A start whose monitor was mapped for one process cannot be made by another, whose messages are of another type.
#[test]
fn a_mapped_monitor_is_for_the_process_it_was_made_for() {
    let refused = Deterministic::new(1).run(async |cx: Cx<Msg>| {
        let start = Spawn::new().monitor_as(&cx, Msg::Gone);
        let (tell, told) = std::sync::mpsc::channel();
        spawn(async move |_: Cx<String>| {
            let started = start.start(async |_: Cx<()>| {});
            tell.send(started.map(|_| ())).unwrap();
        })
        .unwrap();
        time::sleep(Duration::from_millis(1)).await;
        told.try_recv().unwrap()
    });
    assert_eq!(refused, Ok(Err(SpawnError::NotInProcess)));
}

/// G17. Guards of entered runtimes may go in any order, or be forgotten, and the runtimes too.
#[test]
fn entered_runtimes_may_go_in_any_order() {
    let one = runtime();
    let two = runtime();
    let first = one.enter();
    let second = two.enter();
    drop(first);
    drop(second);
    std::mem::forget(one.enter());
    drop(one);
    drop(two);
    // The thread belongs to a runtime that has stopped.
    assert_eq!(
        spawn(async |_: Cx<()>| {}).map(|_| ()),
        Err(SpawnError::Stopping)
    );
}

/// G10. A look at the mailbox that may not wait looks all the same when reductions are spent, and gives way.
#[test]
fn a_look_without_waiting_sees_what_is_there_however_often() {
    let seen = Deterministic::new(1).run(async |mut cx: Cx<u32>| {
        let main = cx.addr();
        spawn(async move |_: Cx<()>| send(main, 7)).unwrap();
        for looks in 0..100_000 {
            receive! { &mut cx;
                7 => return Some(looks);
                after Duration::ZERO => {}
            }
        }
        None
    });
    assert!(seen.unwrap().is_some_and(|looks| looks < 10_000));
}

/// G5. So does one that is to end.
#[test]
fn a_loop_of_looks_can_be_killed() {
    let reason = Deterministic::new(1).run(async |mut cx: Cx<()>| {
        let (busy, _watch) = cx
            .spawn_monitor(async |mut cx: Cx<u32>| {
                loop {
                    let _ = cx.recv_timeout(Duration::ZERO).await;
                }
            })
            .unwrap();
        exit(busy.pid(), Exit::Kill);
        let Info::Down(down) = cx.recv_info().await else {
            unreachable!()
        };
        down.reason
    });
    assert_eq!(reason, Ok(Exit::Killed));
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// G8. A destructor that panics at the receiver's door takes nobody's `Down` with it.
#[test]
fn a_panic_at_the_door_loses_no_request() {
    for seed in 0..100 {
        let reasons = Deterministic::new(seed).run(
            async |mut cx: Cx<hammerbeam::Alias<PanicsWhenDropped>>| {
                let main = cx.addr();
                let (target, _watch) = cx
                    .spawn_monitor(async move |mut cx: Cx<PanicsWhenDropped>| {
                        let alias = cx.alias();
                        send(main, alias);
                        cx.unalias(alias);
                        cx.recv().await;
                    })
                    .unwrap();
                let alias = cx.recv().await;
                send(alias, PanicsWhenDropped);
                cx.monitor(target);
                cx.monitor(target);
                let mut reasons = Vec::new();
                for _ in 0..3 {
                    let Info::Down(down) = cx.recv_info().await else {
                        unreachable!()
                    };
                    reasons.push(down.reason);
                }
                reasons
            },
        );
        let reasons = reasons.unwrap();
        let panics = reasons
            .iter()
            .filter(|r| matches!(r, Exit::Panic(_)))
            .count();
        assert!(panics >= 1, "{reasons:?}");
    }
}

/// G14. A receiver that looks, finds nothing and sleeps again is not handed more than its limit.
#[test]
fn a_selective_receiver_stays_within_its_limit() {
    let queued = runtime().run(async |_: Cx<()>| {
        let limit = MailboxLimit::new(2, OnFull::Refuse).unwrap();
        let picky = Spawn::new()
            .mailbox_limit(limit)
            .start(async |mut cx: Cx<u32>| {
                receive! { &mut cx; 0 => {} }
            })?
            .addr;
        let senders: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    (0..10_000).filter(|_| try_send(picky, 1).is_ok()).count()
                })
            })
            .collect();
        let taken: usize = senders.into_iter().map(|s| s.join().unwrap()).sum();
        Ok::<_, Exit>(taken)
    });
    assert_eq!(queued.unwrap(), Ok(2));
}

/// G12. Whoever finds a process by its name finds a process that takes messages.
#[test]
fn a_named_process_is_found_only_when_it_is_there() {
    const LATE: Name<u32> = Name::new("late");
    let runtime = runtime();
    let missed = runtime.run(async |mut cx: Cx<()>| {
        let main = cx.addr();
        let seeker = spawn(async move |mut cx: Cx<()>| {
            let mut missed = 0_u32;
            for _ in 0..2_000 {
                let found = loop {
                    if let Ok(addr) = LATE.whereis() {
                        break addr;
                    }
                    cx.step().await;
                };
                missed += u32::from(try_send(found, 1).is_err());
                send(main, ());
                cx.recv().await;
            }
            Exit::term(missed)
        })?;
        let watch = cx.monitor(seeker);
        for _ in 0..2_000 {
            let late = Spawn::new()
                .name(LATE)
                .monitor()
                .start(async |mut cx: Cx<u32>| {
                    cx.recv().await;
                })?;
            cx.recv().await;
            // Its name is free when its end is known.
            let Info::Down(down) = cx.recv_info().await else {
                unreachable!()
            };
            assert_eq!(Some(down.monitor), late.monitor);
            send(seeker, ());
        }
        let Info::Down(down) = cx.recv_info().await else {
            unreachable!()
        };
        assert_eq!(down.monitor, watch);
        Ok::<_, Exit>(down.reason)
    });
    assert_eq!(missed.unwrap(), Ok(Exit::term(0_u32)));
}

/// G19. Relations are told in the same order in each run, whatever pids the processes happened to get.
#[test]
fn a_seed_is_a_run_with_links_and_monitors_too() {
    let run = |seed| {
        Deterministic::new(seed).run_traced(async |mut cx: Cx<u32>| {
            let main = cx.addr();
            let hub = spawn(async |mut cx: Cx<()>| cx.recv().await).unwrap();
            for n in 0..12 {
                spawn(async move |mut cx: Cx<()>| {
                    cx.monitor(hub);
                    send(main, 100);
                    cx.recv_info().await;
                    send(main, n);
                })
                .unwrap();
            }
            for _ in 0..12 {
                cx.recv().await;
            }
            send(hub, ());
            let mut order = Vec::new();
            for _ in 0..12 {
                order.push(cx.recv().await);
            }
            order
        })
    };
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed));
    }
}

/// G1. A `Cx` that was carried out of its process is of no use.
#[test]
fn a_receive_outside_its_process_panics_and_harms_nobody() {
    let runtime = runtime();
    let carried = runtime.run(async |cx: Cx<u32>| cx).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut carried = carried;
        let mut receive = std::pin::pin!(carried.recv());
        let polled: Poll<u32> = receive
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }));
    assert!(outcome.is_err());
    assert_eq!(runtime.run(async |_: Cx<()>| 7).unwrap(), 7);
}
