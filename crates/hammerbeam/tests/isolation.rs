//! G3. A panic ends one process, wherever it happens, and whoever runs beside it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hammerbeam::{
    Cx, Down, Exit, ExitSignal, Info, MailboxLimit, Name, OnFull, Runtime, Spawn, TrySendError,
    call, exit, send, spawn, time, try_send,
};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{} dropped", self.0);
        }
    }
}

/// A message, or what a mapping made of it.
#[allow(dead_code, reason = "what they carry is only dropped")]
enum Msg {
    Down(Down),
    Exit(ExitSignal),
    Bomb(Bomb),
    Stop,
}

fn runtime() -> Runtime {
    Runtime::builder()
        .workers(2)
        .background(false)
        .build()
        .unwrap()
}

/// Runs `test` beside processes that only count, and sees that no worker was lost and no bystander ended.
fn unharmed<B, F>(test: B)
where
    B: FnOnce(Cx<Msg>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = runtime();
    let count = Arc::new(AtomicU64::new(0));
    let bystanders: Vec<_> = (0..8)
        .map(|_| {
            let count = Arc::clone(&count);
            runtime
                .spawn(async move |mut cx: Cx<hammerbeam::Reply<()>>| {
                    loop {
                        cx.recv().await.send(());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
                .unwrap()
        })
        .collect();
    runtime.run(test).unwrap();
    // Two processes that must run at the same moment show that both workers are there.
    runtime
        .run(async |mut cx: Cx<()>| {
            let barrier = Arc::new(std::sync::Barrier::new(2));
            for _ in 0..2 {
                let barrier = Arc::clone(&barrier);
                cx.spawn_monitor(async move |_: Cx<()>| {
                    barrier.wait();
                })
                .unwrap();
            }
            for _ in 0..2 {
                cx.recv_info().await;
            }
        })
        .unwrap();
    runtime
        .run({
            let bystanders = bystanders.clone();
            async move |_: Cx<()>| {
                for bystander in bystanders {
                    call(bystander, |reply| reply).await.unwrap();
                }
            }
        })
        .unwrap();
    // The last process of the test may be on its way out.
    while runtime.process_count() > 8 {
        std::thread::yield_now();
    }
    assert_eq!(runtime.process_count(), 8, "a bystander ended");
    let stopped = runtime.stop();
    assert!(
        stopped.stuck.is_empty() && stopped.killed == 0,
        "{stopped:?}"
    );
}

/// The reason of the next `Down`, which must be a panic with this text.
async fn panicked(cx: &mut Cx<Msg>, during: &str, message: &str) {
    let Info::Down(down) = cx.recv_info().await else {
        panic!("not a Down");
    };
    let Exit::Panic(report) = &down.reason else {
        panic!("not a panic: {}", down.reason);
    };
    assert_eq!((report.during, &*report.message), (during, message));
}

#[test]
fn a_panic_in_a_body_ends_its_process() {
    unharmed(async |mut cx| {
        for _ in 0..100 {
            cx.spawn_monitor(async |_: Cx<()>| panic!("in the body"))
                .unwrap();
            panicked(&mut cx, "the body", "in the body").await;
            cx.spawn_monitor(async |mut cx: Cx<()>| {
                cx.sleep(Duration::from_micros(10)).await;
                panic!("after an await");
            })
            .unwrap();
            panicked(&mut cx, "the body", "after an await").await;
        }
    });
}

#[test]
fn a_panic_in_a_destructor_of_the_body_ends_its_process() {
    unharmed(async |mut cx| {
        for _ in 0..100 {
            let me = cx.addr();
            let (waiting, _) = cx
                .spawn_monitor(async move |mut cx: Cx<()>| {
                    let _bomb = Bomb("a local");
                    send(me, Msg::Stop);
                    cx.recv().await;
                })
                .unwrap();
            cx.recv().await;
            exit(waiting, Exit::Shutdown);
            panicked(&mut cx, "a destructor", "a local dropped").await;
            cx.spawn_monitor(async |_: Cx<()>| {
                let _bomb = Bomb("a local");
            })
            .unwrap();
            panicked(&mut cx, "the body", "a local dropped").await;
        }
    });
}

#[test]
fn a_panic_in_the_destructor_of_a_message_left_in_the_mailbox_ends_its_process() {
    unharmed(async |mut cx| {
        for _ in 0..100 {
            let (reader, _) = cx
                .spawn_monitor(
                    async |mut cx: Cx<Msg>| {
                        while !matches!(cx.recv().await, Msg::Stop) {}
                    },
                )
                .unwrap();
            send(reader, Msg::Stop);
            for _ in 0..3 {
                // Each of them: one panic must not keep the others from being dropped.
                send(reader, Msg::Bomb(Bomb("a message")));
            }
            // It may have ended before all of them were sent: then they are dropped here.
            panicked_or_normal(&mut cx).await;
            let (killed, _) = cx
                .spawn_monitor(async |mut cx: Cx<Msg>| {
                    hammerbeam::receive! { &mut cx; Msg::Stop => () }
                })
                .unwrap();
            send(killed, Msg::Bomb(Bomb("a message")));
            send(killed, Msg::Bomb(Bomb("a message")));
            send(killed, Msg::Stop);
            panicked(&mut cx, "a message's destructor", "a message dropped").await;
        }
    });
}

async fn panicked_or_normal(cx: &mut Cx<Msg>) {
    let Info::Down(down) = cx.recv_info().await else {
        panic!("not a Down");
    };
    assert!(
        matches!(down.reason, Exit::Panic(_) | Exit::Normal),
        "{down:?}"
    );
}

/// Whoever sends it still has it in hand when it is dropped.
#[test]
fn a_message_to_an_ended_process_panics_in_its_sender_only() {
    unharmed(async |mut cx| {
        let (gone, _) = cx.spawn_monitor(async |_: Cx<Msg>| {}).unwrap();
        cx.recv_info().await;
        for _ in 0..100 {
            cx.spawn_monitor(async move |_: Cx<()>| {
                send(gone, Msg::Bomb(Bomb("a message")));
            })
            .unwrap();
            panicked(&mut cx, "the body", "a message dropped").await;
            let Err(TrySendError::NoProc(back)) = try_send(gone, Msg::Bomb(Bomb("a message")))
            else {
                panic!("sent to an ended process");
            };
            std::mem::forget(back);
        }
    });
}

/// Nobody has it in hand when the timer fires.
#[test]
fn a_late_message_to_an_ended_process_harms_nobody() {
    unharmed(async |mut cx| {
        let (gone, _) = cx.spawn_monitor(async |_: Cx<Msg>| {}).unwrap();
        cx.recv_info().await;
        for _ in 0..100 {
            time::send_after(gone, Duration::from_micros(1), Msg::Bomb(Bomb("late"))).unwrap();
        }
        cx.sleep(Duration::from_millis(5)).await;
    });
}

#[test]
fn a_dropped_message_of_a_full_mailbox_harms_nobody_but_its_sender() {
    unharmed(async |mut cx| {
        let limit = MailboxLimit::new(1, OnFull::DropOldest).unwrap();
        let spawned = Spawn::new()
            .mailbox_limit(limit)
            .monitor()
            .start(
                async |mut cx: Cx<Msg>| {
                    while !matches!(cx.recv().await, Msg::Stop) {}
                },
            )
            .unwrap();
        let (flooder, _) = cx
            .spawn_monitor(async move |mut cx: Cx<()>| {
                for _ in 0..1_000 {
                    send(spawned.addr, Msg::Bomb(Bomb("a message")));
                    cx.step().await;
                }
            })
            .unwrap();
        // Either got one that it dropped itself; nobody else noticed.
        panicked_or_normal(&mut cx).await;
        exit(flooder, Exit::Kill);
        exit(spawned.addr, Exit::Kill);
        cx.recv_info().await;
    });
}

#[test]
fn a_panic_in_a_mapping_function_ends_its_process() {
    unharmed(async |mut cx| {
        for round in 0..100 {
            let receives = round % 2 == 0;
            // A `Down`, told while the watcher waits for a message, or for something else.
            let (watcher, _) = cx
                .spawn_monitor(async move |mut cx: Cx<Msg>| {
                    let child = spawn(async |mut cx: Cx<()>| cx.recv().await).unwrap();
                    cx.monitor_as(child, |_| panic!("mapped a Down"));
                    send(child, ());
                    if receives {
                        cx.recv().await;
                    }
                    std::future::pending::<()>().await;
                })
                .unwrap();
            panicked(&mut cx, "a mapping function", "mapped a Down").await;
            assert!(!watcher.pid().is_alive());

            let (trapper, _) = cx
                .spawn_monitor(async move |mut cx: Cx<Msg>| {
                    cx.trap_exit_as(|_| panic!("mapped an order"));
                    send_ready(&mut cx).await;
                })
                .unwrap();
            send(trapper, Msg::Stop);
            exit(trapper, Exit::Shutdown);
            panicked_or_shutdown(&mut cx).await;

            cx.spawn_monitor(async move |mut cx: Cx<Msg>| {
                let child = spawn(async |mut cx: Cx<()>| cx.recv().await).unwrap();
                cx.link_as(child, |_| panic!("mapped a link")).unwrap();
                send(child, ());
                std::future::pending::<()>().await;
            })
            .unwrap();
            panicked(&mut cx, "a mapping function", "mapped a link").await;
        }
    });
}

/// Takes a message, and waits for something else.
async fn send_ready(cx: &mut Cx<Msg>) {
    cx.recv().await;
    std::future::pending::<()>().await;
}

/// The order may come before the process traps.
async fn panicked_or_shutdown(cx: &mut Cx<Msg>) {
    let Info::Down(down) = cx.recv_info().await else {
        panic!("not a Down");
    };
    match &down.reason {
        Exit::Shutdown => {}
        Exit::Panic(report) => assert_eq!(report.message, "mapped an order"),
        other => panic!("{other}"),
    }
}

/// What others asked of a process whose mapping function panicked is answered all the same.
#[test]
fn a_monitor_set_beside_a_panicking_mapping_gives_its_down() {
    unharmed(async |mut cx| {
        for _ in 0..200 {
            let me = cx.addr();
            let unlucky = spawn(async move |mut cx: Cx<Msg>| {
                cx.trap_exit_as(|_| panic!("mapped an order"));
                send(me, Msg::Stop);
                std::future::pending::<()>().await;
            })
            .unwrap();
            cx.recv().await;
            exit(unlucky, Exit::Shutdown);
            let monitor = cx.monitor(unlucky);
            let Info::Down(down) = cx.recv_info().await else {
                panic!("not a Down");
            };
            assert_eq!(down.monitor, monitor);
            assert!(matches!(down.reason, Exit::Panic(_) | Exit::NoProc));
        }
    });
}

#[test]
fn a_panic_in_the_destructor_of_a_mapping_harms_nobody() {
    unharmed(async |mut cx| {
        for _ in 0..100 {
            let watched = spawn(async |mut cx: Cx<Msg>| {
                cx.recv().await;
            })
            .unwrap();
            let (child, _) = cx
                .spawn_monitor(async move |mut cx: Cx<Msg>| {
                    // Two of each: a second panic on the way out of the first would end the program.
                    for _ in 0..2 {
                        let bomb = Bomb("a mapping");
                        cx.monitor_as(watched, move |down| {
                            std::mem::forget(bomb);
                            Msg::Down(down)
                        });
                    }
                    let bomb = Bomb("a mapping");
                    cx.link_as(watched, move |signal| {
                        let _keep = &bomb;
                        Msg::Exit(signal)
                    })
                    .unwrap();
                    let bomb = Bomb("a mapping");
                    cx.trap_exit_as(move |signal| {
                        let _keep = &bomb;
                        Msg::Exit(signal)
                    });
                    cx.recv().await;
                })
                .unwrap();
            send(child, Msg::Stop);
            cx.recv_info().await;
            assert!(!child.pid().is_alive());
            send(watched, Msg::Stop);
        }
    });
}

#[test]
fn an_exit_reason_whose_destructor_panics_harms_nobody() {
    #[derive(Debug)]
    struct Reason {
        _bomb: NoisyBomb,
    }
    #[derive(Debug)]
    struct NoisyBomb;
    impl Drop for NoisyBomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a reason dropped");
            }
        }
    }
    unharmed(async |mut cx| {
        for _ in 0..100 {
            let reason = || Exit::term(Reason { _bomb: NoisyBomb });
            // Nobody is told: the last copy goes with the process.
            let silent = spawn(async move |_: Cx<()>| reason()).unwrap();
            let (ordered, _) = cx
                .spawn_monitor(async |mut cx: Cx<Msg>| {
                    cx.recv().await;
                })
                .unwrap();
            std::mem::forget(ordered_to_end(ordered, reason()));
            let Info::Down(down) = cx.recv_info().await else {
                panic!("not a Down");
            };
            // Ours is the last copy now; not in this process, please.
            std::mem::forget(down);
            while silent.pid().is_alive() {
                cx.sleep(Duration::from_micros(50)).await;
            }
        }
    });
}

/// Orders a process to end and keeps a copy of the reason.
fn ordered_to_end(process: hammerbeam::Addr<Msg>, reason: Exit) -> Exit {
    exit(process, reason.clone());
    reason
}

#[test]
fn a_name_registered_in_a_destructor_is_free_after_the_end() {
    const LAST: Name<Msg> = Name::new("registered at the last moment");
    struct Register(Option<Cx<Msg>>);
    impl Drop for Register {
        fn drop(&mut self) {
            let mut cx = self.0.take().unwrap();
            cx.register(LAST).unwrap();
        }
    }
    unharmed(async |mut cx| {
        for _ in 0..10 {
            cx.spawn_monitor(async |cx: Cx<Msg>| {
                let _register = Register(Some(cx));
                std::future::pending::<()>().await;
            })
            .map(|(child, _)| exit(child, Exit::Shutdown))
            .unwrap();
            cx.recv_info().await;
            assert!(LAST.whereis().is_err());
        }
    });
}

#[test]
fn a_panic_payload_whose_destructor_panics_ends_one_process() {
    unharmed(async |mut cx| {
        for _ in 0..100 {
            cx.spawn_monitor(async |_: Cx<()>| std::panic::panic_any(Bomb("a payload")))
                .unwrap();
            panicked(&mut cx, "the body", "").await;
        }
    });
}
