//! Exit signals: who ends by them, who is told, and with which reason.

mod explore;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use explore::{
    assert_quiet, boom, down, everywhere, idle, on_threads, threads, trapped, under_seeds, until,
};
use hammerbeam::{Cx, Exit, ExitSignal, Info, Received, exit, process_info, send, spawn};

/// G5.
#[test]
fn a_killed_process_is_seen_as_killed_by_links_and_monitors() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let (child, _) = cx.spawn_monitor(idle::<()>)?;
        cx.link(child)?;
        exit(child, Exit::Kill);
        for _ in 0..2 {
            match cx.recv_info().await {
                Info::Down(down) => assert_eq!(down.reason, Exit::Killed),
                Info::Exit(signal) => assert_eq!(signal.reason, Exit::Killed),
                other => panic!("{other:?}"),
            }
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G5. The order cannot be trapped; what comes over a link can.
#[test]
fn kill_ends_a_process_that_traps_exits() {
    everywhere(async |mut cx: Cx<()>| {
        let me = cx.addr();
        let (child, _) = cx.spawn_monitor(async move |mut cx: Cx<()>| {
            cx.trap_exit(true);
            send(me, ());
            idle(cx).await;
        })?;
        cx.recv().await;
        exit(child, Exit::Kill);
        assert_eq!(down(&mut cx).await.reason, Exit::Killed);
        Ok(())
    });
}

/// G5.
#[test]
fn a_body_that_ends_with_kill_sends_an_ordinary_reason() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let child = cx.spawn_link(async |_: Cx<()>| Exit::Kill)?;
        let signal = trapped(&mut cx).await;
        assert_eq!(
            (signal.from, signal.reason),
            (Some(child.pid()), Exit::Kill)
        );
        Ok(())
    });
}

/// G5.
#[test]
fn kill_that_comes_over_a_link_ends_a_process_with_the_reason_kill() {
    everywhere(async |mut cx: Cx<()>| {
        cx.spawn_monitor(async |mut cx: Cx<()>| {
            cx.spawn_link(async |_: Cx<()>| Exit::Kill)?;
            idle(cx).await;
            Ok::<_, Exit>(())
        })?;
        assert_eq!(down(&mut cx).await.reason, Exit::Kill);
        Ok(())
    });
}

/// G6.
#[test]
fn exit_normal_from_another_process_is_ignored() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(idle::<()>)?;
        exit(child, Exit::Normal);
        assert_quiet(&mut cx).await;
        assert!(child.pid().is_alive());
        Ok(())
    });
}

/// G6.
#[test]
fn exit_normal_to_oneself_ends_the_process() {
    everywhere(async |mut cx: Cx<()>| {
        cx.spawn_monitor(async |cx: Cx<()>| {
            exit(cx.pid(), Exit::Normal);
            idle(cx).await;
            boom()
        })?;
        assert_eq!(down(&mut cx).await.reason, Exit::Normal);
        Ok(())
    });
}

/// G6.
#[test]
fn any_reason_but_normal_ends_a_process_that_does_not_trap() {
    everywhere(async |mut cx: Cx<()>| {
        for reason in [
            Exit::Shutdown,
            Exit::Killed,
            Exit::Timeout,
            Exit::NoProc,
            boom(),
        ] {
            let (child, _) = cx.spawn_monitor(idle::<()>)?;
            exit(child, reason.clone());
            assert_eq!(down(&mut cx).await.reason, reason);
        }
        Ok(())
    });
}

/// G6.
#[test]
fn a_process_that_traps_gets_a_message_with_sender_and_reason() {
    enum Told {
        Ready,
        Saw(ExitSignal),
    }
    everywhere(async |mut cx: Cx<Told>| {
        let me = cx.addr();
        let child = spawn(async move |mut cx: Cx<()>| {
            cx.trap_exit(true);
            send(me, Told::Ready);
            loop {
                send(me, Told::Saw(trapped(&mut cx).await));
            }
        })?;
        cx.recv().await;
        for reason in [Exit::Normal, Exit::Shutdown, Exit::Killed, boom()] {
            exit(child, reason.clone());
            let Told::Saw(signal) = cx.recv().await else {
                panic!("it is ready once");
            };
            assert_eq!((signal.from, signal.reason), (Some(cx.pid()), reason));
        }
        assert!(child.pid().is_alive());
        Ok(())
    });
}

/// G6.
#[test]
fn trapped_exits_can_be_messages_of_the_process_own_type() {
    everywhere(async |mut cx: Cx<ExitSignal>| {
        assert!(!cx.trap_exit_as(|signal| signal));
        exit(cx.pid(), boom());
        assert_eq!(cx.recv().await.reason, boom());
        assert!(cx.trap_exit(false), "it was set");
        Ok(())
    });
}

/// G6.
#[test]
fn an_exit_from_outside_of_all_processes_has_no_sender() {
    let runtime = threads();
    let (tells, told) = std::sync::mpsc::channel();
    let child = runtime
        .spawn(async move |mut cx: Cx<()>| {
            cx.trap_exit(true);
            tells.send(None).map_err(Exit::error)?;
            let signal = trapped(&mut cx).await;
            tells.send(Some(signal)).map_err(Exit::error)
        })
        .expect("there is room");
    assert_eq!(told.recv().expect("it runs"), None);
    exit(child, boom());
    let signal = told.recv().expect("it runs").expect("it saw a signal");
    assert_eq!((signal.from, signal.reason), (None, boom()));
}

/// G2.
#[test]
fn the_first_exit_reason_counts() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(idle::<()>)?;
        exit(child, boom());
        exit(child, Exit::Shutdown);
        exit(child, Exit::Kill);
        assert_eq!(down(&mut cx).await.reason, boom());
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G2.
#[test]
fn everybody_is_told_the_same_reason() {
    under_seeds(async |mut cx: Cx<Exit>| {
        let me = cx.addr();
        let child = spawn(idle::<()>)?;
        for watcher in 0..6 {
            spawn(async move |mut cx: Cx<()>| {
                cx.trap_exit(true);
                if watcher % 2 == 0 {
                    cx.link(child)?;
                    send(me, Exit::Normal);
                    send(me, trapped(&mut cx).await.reason);
                } else {
                    cx.monitor(child);
                    send(me, Exit::Normal);
                    send(me, down(&mut cx).await.reason);
                }
                Ok::<_, Exit>(())
            })?;
        }
        for _ in 0..6 {
            assert_eq!(cx.recv().await, Exit::Normal);
        }
        // Two orders race; whichever comes first is what all six see.
        spawn(async move |_: Cx<()>| exit(child, boom()))?;
        spawn(async move |_: Cx<()>| exit(child, Exit::Kill))?;
        let first = cx.recv().await;
        assert!(first == boom() || first == Exit::Killed);
        for _ in 1..6 {
            assert_eq!(cx.recv().await, first);
        }
        Ok(())
    });
}

/// G2. Whether it ends by itself or is told to, there is one end and one reason.
#[test]
fn an_exit_that_races_with_the_end_leaves_one_reason() {
    under_seeds(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(async |mut cx: Cx<()>| {
            cx.recv().await;
            Exit::Shutdown
        })?;
        spawn(async move |_: Cx<()>| send(child, ()))?;
        spawn(async move |_: Cx<()>| exit(child, boom()))?;
        let reason = down(&mut cx).await.reason;
        assert!(reason == Exit::Shutdown || reason == boom(), "{reason}");
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G9.
#[test]
fn exit_signals_keep_their_place_among_messages() {
    everywhere(async |mut cx: Cx<u8>| {
        cx.trap_exit(true);
        let me = cx.addr();
        let child = spawn(async move |_: Cx<()>| {
            send(me, 1);
            exit(me, boom());
            send(me, 2);
        })?;
        assert_eq!(cx.recv_any().await, Received::Message(1));
        let Received::Info(Info::Exit(signal)) = cx.recv_any().await else {
            panic!("the signal comes before the second message");
        };
        assert_eq!((signal.from, signal.reason), (Some(child.pid()), boom()));
        assert_eq!(cx.recv_any().await, Received::Message(2));
        Ok(())
    });
}

/// G1.
#[test]
fn an_exit_to_an_ended_process_does_nothing() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
        down(&mut cx).await;
        // Another process may live in the same place of the table by now.
        let successors = (0..8)
            .map(|_| spawn(idle::<()>))
            .collect::<Result<Vec<_>, _>>()?;
        exit(child, Exit::Kill);
        assert_quiet(&mut cx).await;
        assert!(successors.iter().all(|process| process.pid().is_alive()));
        Ok(())
    });
}

/// G6. A function cannot end the future that calls it: the signal takes effect at the next await.
#[test]
fn an_exit_to_oneself_takes_effect_at_the_next_await() {
    everywhere(async |mut cx: Cx<&'static str>| {
        let me = cx.addr();
        cx.spawn_monitor(async move |mut cx: Cx<()>| {
            exit(cx.pid(), boom());
            send(me, "before the await");
            cx.recv().await;
            send(me, "after the await");
        })?;
        assert_eq!(cx.recv().await, "before the await");
        assert_eq!(down(&mut cx).await.reason, boom());
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G3.
#[test]
fn an_error_of_the_body_is_its_exit_reason() {
    everywhere(async |mut cx: Cx<()>| {
        cx.spawn_monitor(async |_: Cx<()>| {
            "x".parse::<u8>()?;
            Ok::<_, Exit>(())
        })?;
        let Exit::Error(error) = down(&mut cx).await.reason else {
            panic!("it failed");
        };
        assert!(error.is::<std::num::ParseIntError>());
        Ok(())
    });
}

/// G3.
#[test]
fn a_panic_ends_one_process_with_its_text_and_place() {
    on_threads(async |mut cx: Cx<()>| {
        let bystander = spawn(idle::<()>)?;
        cx.spawn_monitor(async |_: Cx<()>| panic!("{} is on fire", "the printer"))?;
        let Exit::Panic(report) = down(&mut cx).await.reason else {
            panic!("it panicked");
        };
        assert_eq!(report.message, "the printer is on fire");
        let place = report.location.as_deref().expect("the hook saw it");
        assert!(place.contains("exit_signals.rs:"), "{place}");
        assert!(bystander.pid().is_alive());
        Ok(())
    });
}

struct Counts(Arc<AtomicUsize>);

impl Drop for Counts {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("cannot be dropped");
    }
}

/// G4.
#[test]
fn the_destructors_of_a_killed_body_and_of_its_messages_run_before_its_end_is_told() {
    everywhere(async |mut cx: Cx<()>| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let held = Counts(Arc::clone(&dropped));
        let (child, _) = cx.spawn_monitor(async move |_: Cx<Counts>| {
            let _held = held;
            // Not `idle`, which would receive the message.
            std::future::pending::<()>().await;
        })?;
        send(child, Counts(Arc::clone(&dropped)));
        exit(child, Exit::Kill);
        down(&mut cx).await;
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        Ok(())
    });
}

/// G3.
#[test]
fn a_panic_in_a_destructor_is_the_reason_and_harms_nobody_else() {
    everywhere(async |mut cx: Cx<()>| {
        let me = cx.addr();
        let (child, _) = cx.spawn_monitor(async move |cx: Cx<()>| {
            let _held = Panics;
            send(me, ());
            idle(cx).await;
        })?;
        cx.recv().await;
        exit(child, Exit::Kill);
        let Exit::Panic(report) = down(&mut cx).await.reason else {
            panic!("its destructor panicked");
        };
        assert_eq!(report.during, "a destructor");
        Ok(())
    });
}

/// G3.
#[test]
fn a_panic_in_the_destructor_of_a_pending_message_is_the_reason_of_a_planned_end() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(async |mut cx: Cx<Panics>| {
            let me = cx.pid();
            let arrived = move || process_info(me).is_some_and(|me| me.mailbox == 1);
            until(&mut cx, arrived).await;
        })?;
        send(child, Panics);
        let Exit::Panic(report) = down(&mut cx).await.reason else {
            panic!("the message's destructor panicked");
        };
        assert_eq!(report.during, "a message's destructor");
        Ok(())
    });
}
