//! Starting processes: all at once, or not at all.

mod explore;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use explore::{boom, down, everywhere, idle, on_threads, threads, trapped, under_seeds, until};
use hammerbeam::runtime::RunError;
use hammerbeam::{
    Cx, Down, Exit, MailboxLimit, Name, OnFull, Runtime, Spawn, SpawnError, exit, process_info,
    self_pid, send, spawn,
};

/// G11. The child looks at itself before anything else.
#[test]
fn all_that_is_asked_of_a_start_is_true_before_the_first_instruction() {
    const CHILD: Name<u8> = Name::new("child");
    under_seeds(async |mut cx: Cx<()>| {
        let parent = cx.pid();
        let spawned = Spawn::new()
            .link()
            .monitor()
            .name(CHILD)
            .label("does one thing")
            .mailbox_limit(MailboxLimit::new(3, OnFull::Refuse).expect("in range"))
            .start(async move |cx: Cx<u8>| {
                assert_eq!(CHILD.whereis(), Ok(cx.addr()));
                let me = process_info(cx.pid()).expect("it runs");
                assert_eq!(me.links, [parent]);
                assert_eq!(me.monitored_by, [parent]);
                assert_eq!(me.parent, Some(parent));
                assert_eq!(me.label.as_deref(), Some("does one thing"));
                assert_eq!(me.names.len(), 1);
                for _ in 0..3 {
                    hammerbeam::try_send(cx.addr(), 0).expect("there is room");
                }
                assert!(hammerbeam::try_send(cx.addr(), 0).is_err());
            })?;
        let down = down(&mut cx).await;
        assert_eq!(Some(down.monitor), spawned.monitor);
        assert_eq!(down.reason, Exit::Normal);
        Ok(())
    });
}

/// G11.
#[test]
fn a_down_of_a_start_can_be_a_message_of_the_callers_own_type() {
    everywhere(async |mut cx: Cx<Down>| {
        let spawned = Spawn::new()
            .monitor_as(&cx, |down| down)
            .start(async |_: Cx<()>| boom())?;
        let down = cx.recv().await;
        assert_eq!(Some(down.monitor), spawned.monitor);
        assert_eq!((down.pid, down.reason), (Some(spawned.addr.pid()), boom()));
        Ok(())
    });
}

/// G1.
#[test]
fn no_two_processes_ever_have_the_same_pid() {
    on_threads(async |mut cx: Cx<()>| {
        let mut pids = HashSet::new();
        for _ in 0..100 {
            for _ in 0..100 {
                let (child, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
                assert!(pids.insert(child.pid()), "{} twice", child.pid());
            }
            for _ in 0..100 {
                down(&mut cx).await;
            }
        }
        assert!(!pids.iter().any(|pid| pid.is_alive()));
        Ok(())
    });
}

/// G1. A message to a stale pid reaches nobody.
#[test]
fn a_stale_address_never_reaches_the_next_process_in_its_place() {
    everywhere(async |mut cx: Cx<()>| {
        let (stale, _) = cx.spawn_monitor(async |_: Cx<u8>| {})?;
        down(&mut cx).await;
        let mut successors = Vec::new();
        for _ in 0..8 {
            successors.push(spawn(async |_: Cx<String>| {
                std::future::pending::<()>().await
            })?);
        }
        send(stale, 1);
        explore::assert_quiet(&mut cx).await;
        for successor in successors {
            assert_eq!(process_info(successor.pid()).map(|p| p.mailbox), Some(0));
        }
        Ok(())
    });
}

/// G11. The limit is exact, and an end makes room.
#[test]
fn a_runtime_holds_as_many_processes_as_it_was_told_to() {
    let runtime = Runtime::builder()
        .workers(2)
        .background(false)
        .shutdown_timeout(Duration::ZERO)
        .max_processes(4)
        .build()
        .expect("two workers are possible");
    let outcome = runtime.run(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let full = Err(SpawnError::Full { limit: 4 });
        for _ in 0..3 {
            let mut children = Vec::new();
            for _ in 0..3 {
                children.push(cx.spawn_link(idle::<()>)?);
            }
            for _ in 0..100 {
                assert_eq!(spawn(idle::<()>), full);
                assert_eq!(cx.spawn_link(idle::<()>), full);
                assert_eq!(cx.spawn_monitor(idle::<()>).map(|(addr, _)| addr), full);
            }
            let me = process_info(cx.pid()).expect("it runs");
            assert_eq!(
                (me.links.len(), me.monitors.len()),
                (3, 0),
                "nothing is left of those"
            );
            for child in children {
                exit(child, Exit::Shutdown);
                trapped(&mut cx).await;
            }
            // A process counts until its last step, which is behind the signal.
            until(&mut cx, || hammerbeam::processes().len() == 1).await;
            while spawn(async |_: Cx<()>| {}).is_err() {
                explore::pause().await;
            }
            until(&mut cx, || hammerbeam::processes().len() == 1).await;
        }
        Ok::<_, Exit>(())
    });
    outcome.expect("it ran").expect("there was room");
}

/// G11.
#[test]
fn a_spawn_outside_of_a_runtime_is_an_error() {
    assert_eq!(spawn(idle::<()>), Err(SpawnError::NoRuntime));
    let error = Spawn::new()
        .label("nobody")
        .start(idle::<()>)
        .map(|s| s.addr);
    assert_eq!(error, Err(SpawnError::NoRuntime));
    assert!(SpawnError::NoRuntime.to_string().contains("Runtime::enter"));
    assert_eq!(self_pid(), None);
}

/// G11.
#[test]
fn a_thread_that_entered_a_runtime_can_spawn_but_not_link() {
    let runtime = threads();
    let inside = runtime.enter();
    let child = spawn(idle::<()>).expect("it is inside");
    assert!(child.pid().is_alive());
    for asks in [Spawn::new().link(), Spawn::new().monitor()] {
        let error = asks.start(idle::<()>).map(|s| s.addr);
        assert_eq!(error, Err(SpawnError::NotInProcess));
    }
    assert_eq!(runtime.process_count(), 1);
    drop(inside);
    assert_eq!(spawn(idle::<()>), Err(SpawnError::NoRuntime));
}

/// G17.
#[test]
fn a_runtime_that_stops_starts_nothing_more() {
    let refused = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&refused);
    let runtime = Runtime::builder()
        .workers(2)
        .background(false)
        .build()
        .expect("two workers are possible");
    let (ready, is_ready) = std::sync::mpsc::channel();
    runtime
        .spawn(async move |mut cx: Cx<()>| {
            cx.trap_exit(true);
            ready.send(()).map_err(Exit::error)?;
            assert_eq!(trapped(&mut cx).await.reason, Exit::Shutdown);
            told.store(
                spawn(idle::<()>) == Err(SpawnError::Stopping),
                Ordering::Relaxed,
            );
            Ok::<_, Exit>(())
        })
        .expect("there is room");
    is_ready.recv().expect("it runs");
    let stopped = runtime.stop();
    assert_eq!((stopped.killed, stopped.stuck), (0, Vec::new()));
    assert!(refused.load(Ordering::Relaxed));
}

/// G2. The first process is no exception.
#[test]
fn a_run_whose_body_panics_says_why() {
    let runtime = threads();
    let error = runtime.run(async |_: Cx<()>| -> () { panic!("no paper") });
    let Err(RunError::Exited(Exit::Panic(report))) = error else {
        panic!("{error:?}");
    };
    assert_eq!(report.message, "no paper");
    let error = runtime.run(async |mut cx: Cx<()>| {
        exit(cx.pid(), boom());
        cx.recv().await;
    });
    let Err(RunError::Exited(reason)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(reason, boom());
}

/// G2.
#[test]
fn a_deterministic_run_whose_body_panics_says_why() {
    use hammerbeam::world::deterministic::{Deterministic, Unfinished};
    let error = Deterministic::new(1).run(async |_: Cx<()>| -> () { panic!("no paper") });
    let Err(Unfinished::Exited(Exit::Panic(report))) = error else {
        panic!("{error:?}");
    };
    assert_eq!(report.message, "no paper");
}

/// G3. A panic of the function that makes the body is the caller's.
#[test]
fn a_body_that_cannot_be_made_leaves_no_process() {
    on_threads(async |_: Cx<()>| {
        let before = hammerbeam::processes().len();
        let made = std::panic::catch_unwind(|| {
            spawn(|_: Cx<()>| -> std::future::Ready<()> { panic!("cannot be made") })
        });
        assert!(made.is_err());
        assert_eq!(hammerbeam::processes().len(), before);
        Ok(())
    });
}

/// G11. What `Cx` can do, only its process can.
#[test]
fn a_cx_that_left_its_process_panics() {
    on_threads(async |mut cx: Cx<String>| {
        let me = cx.addr();
        let (child, _) = cx.spawn_monitor(async move |mut cx: Cx<Cx<String>>| {
            let mut foreign = cx.recv().await;
            foreign.trap_exit(true);
        })?;
        let (other, _) = cx.spawn_monitor(async move |cx: Cx<String>| send(child, cx))?;
        let reasons = [down(&mut cx).await, down(&mut cx).await];
        let of = |pid| {
            reasons
                .iter()
                .find(|down| down.pid == Some(pid))
                .map(|d| &d.reason)
        };
        assert_eq!(of(other.pid()), Some(&Exit::Normal));
        let Some(Exit::Panic(report)) = of(child.pid()) else {
            panic!("{reasons:?}");
        };
        assert!(
            report.message.contains("inside the process"),
            "{}",
            report.message
        );
        // Nor can a thread that is no process.
        let (gives, given) = std::sync::mpsc::channel();
        spawn(async move |cx: Cx<String>| gives.send(cx).map_err(Exit::error))?;
        let mut foreign = given.recv()?;
        let used = std::thread::spawn(move || foreign.try_recv());
        assert!(used.join().is_err(), "it panicked");
        send(me, "still here".into());
        assert_eq!(cx.recv().await, "still here");
        Ok(())
    });
}
