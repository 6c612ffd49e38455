//! Names: one holder at a time, and free before anybody learns of the end.

mod explore;

use explore::{boom, down, everywhere, idle, on_threads, pause, threads, trapped, under_seeds};
use hammerbeam::process::SendError;
use hammerbeam::registry::RegisterError;
use hammerbeam::{
    CallError, Cx, Exit, Name, Reply, Spawn, SpawnError, TrySendError, call, exit, process_info,
    send, spawn, try_send,
};

const ONE: Name<u8> = Name::new("one");
const OTHER: Name<u8> = Name::new("other");

/// G12.
#[test]
fn a_name_leads_to_its_holder() {
    everywhere(async |mut cx: Cx<u8>| {
        cx.register(ONE)?;
        assert_eq!(ONE.whereis(), Ok(cx.addr()));
        send(ONE, 1)?;
        try_send(ONE, 2).map_err(Exit::term)?;
        assert_eq!((cx.recv().await, cx.recv().await), (1, 2));
        Ok(())
    });
}

/// G12.
#[test]
fn a_send_to_a_free_name_is_an_error_that_says_the_name() {
    everywhere(async |_: Cx<u8>| {
        let Err(error @ SendError::NotRegistered(_)) = send(ONE, 1) else {
            panic!("nobody has the name");
        };
        assert!(error.to_string().contains("\"one\""), "{error}");
        let Err(TrySendError::NotRegistered(_, message)) = try_send(ONE, 7) else {
            panic!("nobody has the name");
        };
        assert_eq!(message, 7);
        Ok(())
    });
}

/// G12.
#[test]
fn a_name_that_is_taken_names_its_holder() {
    everywhere(async |mut cx: Cx<u8>| {
        let holder = Spawn::new().name(ONE).start(idle::<u8>)?.addr.pid();
        let taken = RegisterError::Taken {
            name: "one",
            holder,
        };
        assert_eq!(cx.register(ONE), Err(taken.clone()));
        assert!(taken.to_string().contains(&holder.to_string()), "{taken}");
        let error = Spawn::new().name(ONE).start(idle::<u8>).map(|s| s.addr);
        assert_eq!(error, Err(SpawnError::Name(taken)));
        assert_eq!(ONE.whereis().map(|addr| addr.pid()), Ok(holder));
        Ok(())
    });
}

/// G12. A start that fails leaves nothing: no process, no link, no monitor.
#[test]
fn a_start_with_a_taken_name_starts_nothing() {
    on_threads(async |mut cx: Cx<u8>| {
        cx.register(ONE)?;
        let before = hammerbeam::processes().len();
        for _ in 0..100 {
            let error = Spawn::new()
                .name(ONE)
                .link()
                .monitor()
                .start(async |_: Cx<u8>| panic!("it must not run"))
                .map(|s| s.addr);
            assert!(matches!(error, Err(SpawnError::Name(_))), "{error:?}");
        }
        assert_eq!(hammerbeam::processes().len(), before);
        let me = process_info(cx.pid()).expect("it runs");
        assert!(me.links.is_empty() && me.monitors.is_empty(), "{me:?}");
        Ok(())
    });
}

/// G12.
#[test]
fn a_name_is_free_before_a_down_or_an_exit_signal_is_seen() {
    under_seeds(async |mut cx: Cx<u8>| {
        cx.trap_exit(true);
        for reason in [Exit::Normal, boom(), Exit::Killed] {
            let ends = reason.clone();
            let watched = Spawn::new()
                .name(ONE)
                .monitor()
                .start(async move |_: Cx<u8>| ends)?;
            let down = down(&mut cx).await;
            assert_eq!(
                (down.pid, &down.reason),
                (Some(watched.addr.pid()), &reason)
            );
            assert!(ONE.whereis().is_err());
            let ends = reason.clone();
            Spawn::new()
                .name(ONE)
                .link()
                .start(async move |_: Cx<u8>| ends)?;
            assert_eq!(trapped(&mut cx).await.reason, reason);
            cx.register(ONE)?;
            assert!(cx.unregister(ONE));
        }
        Ok(())
    });
}

/// G12. Two want it at the same moment.
#[test]
fn of_two_that_register_one_name_one_gets_it() {
    under_seeds(async |mut cx: Cx<bool>| {
        let me = cx.addr();
        for _ in 0..3 {
            spawn(async move |mut cx: Cx<u8>| {
                pause().await;
                send(me, cx.register(ONE).is_ok());
                idle(cx).await;
            })?;
        }
        let mut winners = 0;
        for _ in 0..3 {
            winners += u8::from(cx.recv().await);
        }
        assert_eq!(winners, 1);
        Ok(())
    });
}

/// G12.
#[test]
fn a_name_is_given_back_by_its_holder_only() {
    everywhere(async |mut cx: Cx<u8>| {
        let holder = Spawn::new().name(ONE).start(async |mut cx: Cx<u8>| {
            cx.recv().await;
            assert!(cx.unregister(ONE));
            assert!(!cx.unregister(ONE), "it is free");
            idle(cx).await;
        })?;
        assert!(!cx.unregister(ONE), "it is another's");
        assert_eq!(ONE.whereis(), Ok(holder.addr));
        send(ONE, 1)?;
        explore::until(&mut cx, || ONE.whereis().is_err()).await;
        cx.register(ONE)?;
        Ok(())
    });
}

/// G12. Erlang allows one; here a process may have several.
#[test]
fn a_process_may_have_several_names_and_all_are_free_at_its_end() {
    everywhere(async |mut cx: Cx<u8>| {
        let (child, _) = cx.spawn_monitor(async |mut cx: Cx<u8>| {
            cx.register(ONE)?;
            cx.register(ONE)?;
            cx.register(OTHER)?;
            let me = process_info(cx.pid()).expect("it runs");
            assert_eq!(me.names.len(), 2, "{:?}", me.names);
            idle(cx).await;
            Ok::<_, Exit>(())
        })?;
        explore::until(&mut cx, || OTHER.whereis().is_ok()).await;
        exit(child, boom());
        assert_eq!(down(&mut cx).await.reason, boom());
        assert!(ONE.whereis().is_err() && OTHER.whereis().is_err());
        Ok(())
    });
}

/// G12. A name that is taken while the body is dropped is free as well.
#[test]
fn a_name_that_a_destructor_takes_is_free_after_the_end() {
    struct Registers(Cx<u8>);

    impl Drop for Registers {
        fn drop(&mut self) {
            self.0.register(ONE).expect("the name is free");
        }
    }

    everywhere(async |mut cx: Cx<u8>| {
        let me = cx.addr();
        let (child, _) = cx.spawn_monitor(async move |cx: Cx<u8>| {
            let _held = Registers(cx);
            send(me, 1);
            std::future::pending::<()>().await;
        })?;
        cx.recv().await;
        exit(child, boom());
        assert_eq!(down(&mut cx).await.reason, boom());
        assert!(ONE.whereis().is_err());
        cx.register(ONE)?;
        Ok(())
    });
}

/// G12.
#[test]
fn a_name_does_not_lead_to_a_process_of_another_message_type() {
    const AS_TEXT: Name<String> = Name::new("one");
    everywhere(async |mut cx: Cx<u8>| {
        cx.register(ONE)?;
        assert!(AS_TEXT.whereis().is_err());
        assert!(send(AS_TEXT, "hello".into()).is_err());
        assert_eq!(ONE.whereis(), Ok(cx.addr()));
        Ok(())
    });
}

/// G12.
#[test]
fn each_runtime_has_names_of_its_own() {
    let (here, there) = (threads(), threads());
    let holder = |runtime: &hammerbeam::Runtime| {
        let _inside = runtime.enter();
        let spawned = Spawn::new().name(ONE).start(idle::<u8>);
        spawned.expect("the name is free here").addr
    };
    let (one, two) = (holder(&here), holder(&there));
    assert_ne!(one, two);
    assert_eq!(
        here.run(async |_: Cx<()>| ONE.whereis()).ok(),
        Some(Ok(one))
    );
    assert_eq!(
        there.run(async |_: Cx<()>| ONE.whereis()).ok(),
        Some(Ok(two))
    );
    assert!(ONE.whereis().is_err(), "outside of runtimes nobody has it");
}

/// G12, G13. A name is the address that survives a restart.
#[test]
fn a_name_passes_to_a_successor() {
    const SERVER: Name<Reply<u8>> = Name::new("server");
    everywhere(async |mut cx: Cx<()>| {
        for generation in 1..=3 {
            Spawn::new()
                .name(SERVER)
                .monitor()
                .start(async move |mut cx: Cx<Reply<u8>>| cx.recv().await.send(generation))?;
            assert_eq!(call(SERVER, |reply| reply).await?, generation);
            down(&mut cx).await;
            let error = call(SERVER, |reply| reply).await;
            assert!(matches!(error, Err(CallError::NoProc { .. })), "{error:?}");
        }
        Ok(())
    });
}
