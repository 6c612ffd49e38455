//! Looking at processes: any of them, at any time, without asking it.

mod explore;

use std::sync::mpsc;
use std::time::Duration;

use explore::{assert_quiet, down, everywhere, idle, on_threads, threads, until};
use hammerbeam::process::info::State;
use hammerbeam::{
    Addr, Cx, Exit, Name, Pid, Reply, Spawn, call, exit, process_info, processes, send, spawn,
};

fn state(pid: Pid) -> Option<State> {
    process_info(pid).map(|process| process.state)
}

/// G4.
#[test]
fn a_process_whose_end_was_told_is_not_there_any_more() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(idle::<()>)?;
        assert!(process_info(child.pid()).is_some() && child.pid().is_alive());
        exit(child, Exit::Kill);
        down(&mut cx).await;
        assert!(process_info(child.pid()).is_none());
        assert!(!child.pid().is_alive());
        Ok(())
    });
}

/// G11.
#[test]
fn a_process_shows_its_names_label_and_parent() {
    const SHOWN: Name<u8> = Name::new("shown");
    everywhere(async |mut cx: Cx<()>| {
        cx.set_label("the parent");
        let child = Spawn::new()
            .name(SHOWN)
            .label("the child")
            .start(idle::<u8>)?
            .addr;
        let info = process_info(child.pid()).expect("it lives");
        assert_eq!(info.pid, child.pid());
        assert_eq!(
            info.names.iter().map(|name| &**name).collect::<Vec<_>>(),
            ["shown"]
        );
        assert_eq!(info.label.as_deref(), Some("the child"));
        assert_eq!(info.parent, Some(cx.pid()));
        assert_eq!(info.message, "u8");
        assert!(info.body.contains("idle"), "{}", info.body);
        let me = process_info(cx.pid()).expect("it runs");
        assert_eq!(me.label.as_deref(), Some("the parent"));
        Ok(())
    });
}

/// G7, G8.
#[test]
fn links_and_monitors_show_at_both_ends() {
    everywhere(async |mut cx: Cx<()>| {
        let child = spawn(async |mut cx: Cx<Reply<()>>| {
            loop {
                cx.recv().await.send(());
            }
        })?;
        let me = cx.pid();
        cx.link(child)?;
        let one = cx.monitor(child);
        cx.monitor(child);
        // When it has answered, it has handled what was sent before.
        call(child, |reply| reply).await?;
        let (here, there) = (process_info(me), process_info(child.pid()));
        let (here, there) = (here.expect("it runs"), there.expect("it lives"));
        assert_eq!(
            (here.links, here.monitors),
            (vec![child.pid()], vec![child.pid(); 2])
        );
        assert_eq!((there.links, there.monitored_by), (vec![me], vec![me; 2]));
        cx.unlink(child);
        cx.demonitor(one);
        call(child, |reply| reply).await?;
        let (here, there) = (process_info(me), process_info(child.pid()));
        let (here, there) = (here.expect("it runs"), there.expect("it lives"));
        assert_eq!((here.links, here.monitors), (vec![], vec![child.pid()]));
        assert_eq!((there.links, there.monitored_by), (vec![], vec![me]));
        Ok(())
    });
}

/// G8. Nothing is kept of watchers and links that ended.
#[test]
fn relations_with_an_ended_process_are_gone() {
    everywhere(async |mut cx: Cx<()>| {
        let watched = spawn(idle::<()>)?;
        cx.link(watched)?;
        for _ in 0..10 {
            cx.spawn_monitor(async move |mut cx: Cx<()>| {
                cx.monitor(watched);
                cx.link(watched)?;
                Ok::<_, Exit>(())
            })?;
            down(&mut cx).await;
        }
        let me = cx.pid();
        until(&mut cx, || {
            let watched = process_info(watched.pid()).expect("it lives");
            watched.monitored_by.is_empty() && watched.links == [me]
        })
        .await;
        Ok(())
    });
}

/// G14.
#[test]
fn the_length_of_a_mailbox_is_exact_whether_or_not_it_was_looked_at() {
    everywhere(async |mut cx: Cx<u32>| {
        let me = cx.pid();
        let length = || process_info(me).map(|me| me.mailbox);
        for n in 0..10 {
            send(cx.addr(), n);
            assert_eq!(length(), Some(n as usize + 1));
        }
        hammerbeam::receive! { &mut cx; 7 => () }
        assert_eq!(length(), Some(9));
        send(cx.addr(), 10);
        assert_eq!(length(), Some(10));
        while cx.try_recv().is_some() {}
        assert_eq!(length(), Some(0));
        Ok(())
    });
}

/// G14. What the system tells is in the mailbox too.
#[test]
fn information_that_was_not_received_counts_into_the_length() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.trap_exit(true);
        let me = cx.pid();
        exit(me, Exit::Shutdown);
        send(cx.addr(), 1);
        assert_eq!(cx.recv().await, 1);
        assert_eq!(process_info(me).map(|me| me.mailbox), Some(1));
        cx.recv_info().await;
        assert_eq!(process_info(me).map(|me| me.mailbox), Some(0));
        Ok(())
    });
}

/// G16.
#[test]
fn a_process_shows_what_it_waits_for() {
    everywhere(async |mut cx: Cx<()>| {
        assert_eq!(state(cx.pid()), Some(State::Runnable));
        let receives = spawn(idle::<Reply<()>>)?;
        let calls = spawn(async move |_: Cx<()>| {
            let deaf = spawn(async |_: Cx<Reply<()>>| std::future::pending::<()>().await)?;
            call(deaf, |reply| reply).await?;
            Ok::<_, Exit>(())
        })?;
        let sleeps = spawn(async |mut cx: Cx<()>| cx.sleep(Duration::from_secs(60)).await)?;
        let waits = spawn(async |_: Cx<()>| std::future::pending::<()>().await)?;
        until(&mut cx, || state(receives.pid()) == Some(State::Receiving)).await;
        until(&mut cx, || {
            matches!(state(calls.pid()), Some(State::Calling { callee: Some(_) }))
        })
        .await;
        until(&mut cx, || state(sleeps.pid()) == Some(State::Sleeping)).await;
        until(&mut cx, || state(waits.pid()) == Some(State::Waiting)).await;
        Ok(())
    });
}

/// G16. Nothing here asks the process.
#[test]
fn a_process_that_blocks_its_thread_can_be_looked_at() {
    on_threads(async |_: Cx<()>| {
        let (blocked, is_blocked) = mpsc::channel();
        let (unblock, unblocked) = mpsc::channel::<()>();
        let stuck: Addr<u8> = Spawn::new()
            .label("stuck")
            .start(async move |_: Cx<u8>| {
                blocked.send(()).map_err(Exit::error)?;
                unblocked.recv()?;
                Ok::<_, Exit>(())
            })?
            .addr;
        is_blocked.recv()?;
        send(stuck, 1);
        let info = process_info(stuck.pid()).expect("it lives");
        assert_eq!((info.state, info.mailbox), (State::Runnable, 1));
        assert_eq!(info.label.as_deref(), Some("stuck"));
        unblock.send(())?;
        Ok(())
    });
}

/// G16.
#[test]
fn work_shows_as_reductions() {
    everywhere(async |mut cx: Cx<()>| {
        let worker = spawn(async |mut cx: Cx<()>| {
            cx.recv().await;
            for _ in 0..10_000 {
                cx.step().await;
            }
            idle(cx).await;
        })?;
        let before = process_info(worker.pid()).map_or(0, |worker| worker.reductions);
        assert!(before < 10_000, "it has done nothing yet");
        send(worker, ());
        until(&mut cx, || {
            process_info(worker.pid()).is_some_and(|worker| worker.reductions >= 10_000)
        })
        .await;
        Ok(())
    });
}

/// G16.
#[test]
fn all_processes_of_a_runtime_and_only_those_are_listed() {
    let (here, there) = (threads(), threads());
    let foreign = there.spawn(idle::<()>).expect("there is room");
    let outcome = here.run(async move |mut cx: Cx<()>| {
        let mut expected = vec![cx.pid()];
        for _ in 0..10 {
            expected.push(spawn(idle::<()>)?.pid());
        }
        expected.sort();
        let mut listed = processes();
        listed.sort();
        assert_eq!(listed, expected);
        assert!(!listed.contains(&foreign.pid()));
        assert_quiet(&mut cx).await;
        Ok::<_, Exit>(())
    });
    outcome.expect("it ran").expect("there was room");
    // The first process has given its result, and ends.
    while here.process_count() > 10 {
        std::thread::yield_now();
    }
    assert_eq!(here.processes().len(), 10);
    assert_eq!(processes(), [], "outside of runtimes there are none");
}

/// G1.
#[test]
fn an_address_can_be_made_of_a_pid_of_the_right_type_only() {
    everywhere(async |mut cx: Cx<()>| {
        let child = spawn(idle::<u8>)?;
        assert_eq!(Addr::<u8>::try_from(child.pid()), Ok(child));
        let error = Addr::<String>::try_from(child.pid()).expect_err("it takes other messages");
        assert_eq!((error.pid, error.takes), (child.pid(), "u8"));
        assert!(error.to_string().contains("u8"), "{error}");
        cx.monitor(child);
        exit(child, Exit::Kill);
        down(&mut cx).await;
        assert!(
            Addr::<String>::try_from(child.pid()).is_ok(),
            "to nobody all may be sent"
        );
        Ok(())
    });
}
