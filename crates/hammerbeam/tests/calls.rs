//! Calls: every one ends, once, for one reason.

mod explore;

use std::time::{Duration, Instant};

use explore::{assert_quiet, boom, down, everywhere, idle, pause, threads, under_seeds};
use hammerbeam::{
    Addr, CallError, Cx, Exit, MailboxLimit, Name, OnFull, Reply, Spawn, call, exit, process_info,
    receive, send, spawn, time,
};

enum Ask {
    Number(Reply<u32>),
    Go,
}

async fn question(cx: &mut Cx<Ask>) -> Reply<u32> {
    receive! { cx; Ask::Number(reply) => reply }
}

/// G13.
#[test]
fn an_answer_reaches_its_caller() {
    everywhere(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            for n in 1.. {
                question(&mut cx).await.send(n);
            }
        })?;
        for n in 1..=3 {
            assert_eq!(call(server, Ask::Number).await?, n);
        }
        Ok(())
    });
}

/// G13.
#[test]
fn an_answer_does_not_pass_through_the_mailbox() {
    everywhere(async |mut cx: Cx<u32>| {
        for n in 0..100 {
            send(cx.addr(), n);
        }
        let server = spawn(async |mut cx: Cx<Ask>| question(&mut cx).await.send(42))?;
        assert_eq!(call(server, Ask::Number).await?, 42);
        for n in 0..100 {
            assert_eq!(cx.recv().await, n);
        }
        Ok(())
    });
}

/// G13.
#[test]
fn a_call_to_an_ended_process_is_an_error_at_once() {
    everywhere(async |mut cx: Cx<()>| {
        let (dead, _) = cx.spawn_monitor(async |_: Cx<Ask>| {})?;
        down(&mut cx).await;
        let before = time::now();
        let error = call(dead, Ask::Number).await;
        assert!(
            matches!(&error, Err(CallError::NoProc { callee }) if callee.pid == Some(dead.pid()))
        );
        assert!(time::now() - before < Duration::from_secs(5));
        Ok(())
    });
}

/// G13.
#[test]
fn a_call_to_a_free_name_is_an_error_that_says_the_name() {
    const NOBODY: Name<Ask> = Name::new("nobody");
    everywhere(async |_: Cx<()>| {
        let Err(error @ CallError::NoProc { callee }) = call(NOBODY, Ask::Number).await else {
            panic!("nobody can have answered");
        };
        assert_eq!((callee.name, callee.pid), (Some("nobody"), None));
        assert!(error.to_string().contains("nobody"), "{error}");
        Ok(())
    });
}

/// G13.
#[test]
fn a_call_to_oneself_is_an_error_at_once() {
    const ME: Name<Ask> = Name::new("me");
    everywhere(async |mut cx: Cx<Ask>| {
        cx.register(ME)?;
        for error in [
            call(cx.addr(), Ask::Number).await,
            call(ME, Ask::Number).await,
        ] {
            assert!(
                matches!(error, Err(CallError::CallingSelf { .. })),
                "{error:?}"
            );
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G13.
#[test]
fn a_call_times_out_and_says_how_long_the_queue_was() {
    everywhere(async |_: Cx<()>| {
        let server = spawn(async |_: Cx<Ask>| std::future::pending::<()>().await)?;
        send(server, Ask::Go);
        let limit = Duration::from_millis(20);
        let before = time::now();
        let Err(CallError::Timeout {
            limit: said,
            queued,
            ..
        }) = call(server, Ask::Number).timeout(limit).await
        else {
            panic!("nobody answers");
        };
        assert!(time::now() - before >= limit, "not early");
        assert_eq!((said, queued), (limit, 2));
        assert!(server.pid().is_alive());
        Ok(())
    });
}

/// G13. The time limit that a call has when it sets none.
#[test]
fn a_call_waits_for_five_seconds() {
    under_seeds(async |_: Cx<()>| {
        let five = Duration::from_secs(5);
        let deaf = spawn(async |_: Cx<Ask>| std::future::pending::<()>().await)?;
        let before = time::now();
        match call(deaf, Ask::Number).await {
            Err(CallError::Timeout { limit, .. }) => assert_eq!(limit, five),
            other => panic!("{other:?}"),
        }
        assert!(time::now() - before >= five, "not early");
        let slow = spawn(async |mut cx: Cx<Ask>| {
            let reply = question(&mut cx).await;
            cx.sleep(Duration::from_millis(4990)).await;
            reply.send(1);
        })?;
        assert_eq!(call(slow, Ask::Number).await?, 1);
        Ok(())
    });
}

/// G13.
#[test]
fn a_late_answer_is_never_seen() {
    under_seeds(async |mut cx: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            loop {
                let reply = question(&mut cx).await;
                cx.sleep(Duration::from_millis(10)).await;
                reply.send(1);
            }
        })?;
        for _ in 0..3 {
            let limit = Duration::from_millis(9);
            let error = call(server, Ask::Number).timeout(limit).await;
            assert!(matches!(error, Err(CallError::Timeout { .. })), "{error:?}");
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G13. The answer and the time limit at the same moment: one of them, and nothing afterwards.
#[test]
fn an_answer_that_races_with_the_time_limit_is_one_outcome() {
    under_seeds(async |mut cx: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            let reply = question(&mut cx).await;
            cx.sleep(Duration::from_millis(10)).await;
            reply.send(1);
        })?;
        match call(server, Ask::Number)
            .timeout(Duration::from_millis(10))
            .await
        {
            Ok(1) | Err(CallError::Timeout { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

fn server<B, F>(body: B) -> Result<Addr<Ask>, Exit>
where
    B: FnOnce(Cx<Ask>, Reply<u32>) -> F + Send + 'static,
    F: Future<Output = Result<(), Exit>> + Send + 'static,
{
    let server = spawn(async move |mut cx: Cx<Ask>| {
        let reply = question(&mut cx).await;
        body(cx, reply).await
    })?;
    Ok(server)
}

async fn exited(server: Addr<Ask>) -> Exit {
    match call(server, Ask::Number).await {
        Err(CallError::Exited { callee, reason }) => {
            assert_eq!(callee.pid, Some(server.pid()));
            reason
        }
        other => panic!("it ended, but: {other:?}"),
    }
}

/// G13. However the callee ends, the caller is told why, at once.
#[test]
fn a_callee_that_ends_in_the_call_fails_it_with_its_reason() {
    everywhere(async |_: Cx<()>| {
        let returns = server(async |_, _reply| Ok(()))?;
        assert_eq!(exited(returns).await, Exit::Normal);
        let fails = server(async |_, _reply| Err(boom()))?;
        assert_eq!(exited(fails).await, boom());
        let question_mark = server(async |_, _reply| {
            "x".parse::<u32>()?;
            Ok(())
        })?;
        assert!(matches!(exited(question_mark).await, Exit::Error(_)));
        let panics = server(async |_, _reply| panic!("out of ink"))?;
        let Exit::Panic(report) = exited(panics).await else {
            panic!("it panicked");
        };
        assert_eq!(report.message, "out of ink");
        let killed = server(async |cx, _reply| {
            exit(cx.pid(), Exit::Kill);
            idle(cx).await;
            Ok(())
        })?;
        assert_eq!(exited(killed).await, Exit::Killed);
        Ok(())
    });
}

/// G13. The question is still in the mailbox of the callee.
#[test]
fn a_callee_that_ends_before_it_looks_fails_the_call_with_its_reason() {
    everywhere(async |_: Cx<()>| {
        let server = spawn(async |_: Cx<Ask>| std::future::pending::<()>().await)?;
        let pending = call(server, Ask::Number).start();
        exit(server, boom());
        match pending.await {
            Err(CallError::Exited { reason, .. }) => assert_eq!(reason, boom()),
            other => panic!("{other:?}"),
        }
        Ok(())
    });
}

/// G4, G13. Whoever learns of the end by a call cannot reach the process any more.
#[test]
fn a_callee_whose_end_was_told_is_gone() {
    const GONE: Name<Ask> = Name::new("gone");
    everywhere(async |_: Cx<()>| {
        let spawned = Spawn::new().name(GONE).start(async |mut cx: Cx<Ask>| {
            let _reply = question(&mut cx).await;
            Err::<(), _>(boom())
        })?;
        exited(spawned.addr).await;
        assert!(!spawned.addr.pid().is_alive());
        assert!(GONE.whereis().is_err());
        let again = call(spawned.addr, Ask::Number).await;
        assert!(matches!(again, Err(CallError::NoProc { .. })), "{again:?}");
        Ok(())
    });
}

/// G13.
#[test]
fn a_call_that_races_with_the_end_of_the_callee_ends() {
    under_seeds(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            pause().await;
            if let Some(Ask::Number(reply)) = cx.try_recv() {
                pause().await;
                reply.send(42);
            }
            boom()
        })?;
        pause().await;
        match call(server, Ask::Number).await {
            Ok(42) | Err(CallError::NoProc { .. }) => {}
            Err(CallError::Exited { reason, .. }) => assert_eq!(reason, boom()),
            other => panic!("{other:?}"),
        }
        Ok(())
    });
}

/// G13. Whoever holds the slot owes the answer.
#[test]
fn a_slot_that_was_handed_on_outlives_the_callee() {
    everywhere(async |_: Cx<()>| {
        let server = server(async |_, reply| {
            spawn(async move |mut cx: Cx<()>| {
                cx.sleep(Duration::from_millis(5)).await;
                reply.send(42);
            })?;
            Ok(())
        })?;
        assert_eq!(call(server, Ask::Number).await?, 42);
        Ok(())
    });
}

/// G13.
#[test]
fn calls_may_be_answered_in_any_order() {
    everywhere(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            let first = question(&mut cx).await;
            let second = question(&mut cx).await;
            second.send(2);
            first.send(1);
        })?;
        let first = call(server, Ask::Number).start();
        let second = call(server, Ask::Number).start();
        assert_eq!((first.await?, second.await?), (1, 2));
        Ok(())
    });
}

/// G13.
#[test]
fn a_dropped_call_tells_the_callee_that_nobody_waits() {
    everywhere(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ask>| {
            let first = question(&mut cx).await;
            let second = question(&mut cx).await;
            second.send(u32::from(first.is_abandoned()));
            first.send(7);
        })?;
        drop(call(server, Ask::Number).start());
        assert_eq!(call(server, Ask::Number).await?, 1);
        Ok(())
    });
}

/// G13, G14.
#[test]
fn a_call_to_a_full_mailbox_is_an_error_at_once() {
    everywhere(async |_: Cx<()>| {
        for on_full in [OnFull::Refuse, OnFull::DropNewest] {
            let limit = MailboxLimit::new(1, on_full).expect("in range");
            let server = Spawn::new()
                .mailbox_limit(limit)
                .start(async |_: Cx<Ask>| std::future::pending::<()>().await)?
                .addr;
            send(server, Ask::Go);
            let error = call(server, Ask::Number).await;
            assert!(matches!(error, Err(CallError::Full { .. })), "{error:?}");
        }
        Ok(())
    });
}

/// G13, G14. A question that is dropped from the mailbox is a dropped reply.
#[test]
fn a_call_whose_question_is_dropped_for_newer_messages_fails() {
    everywhere(async |_: Cx<()>| {
        let limit = MailboxLimit::new(1, OnFull::DropOldest).expect("in range");
        let server = Spawn::new()
            .mailbox_limit(limit)
            .start(idle_but_for_go)?
            .addr;
        let pending = call(server, Ask::Number).start();
        for _ in 0..8 {
            send(server, Ask::Go);
        }
        let error = pending.await;
        assert!(matches!(error, Err(CallError::NoReply { .. })), "{error:?}");
        Ok(())
    });
}

async fn idle_but_for_go(mut cx: Cx<Ask>) {
    loop {
        receive! { &mut cx; Ask::Go => () }
    }
}

/// G13.
#[test]
fn a_thread_that_is_no_process_can_wait_for_a_call() {
    let runtime = threads();
    let server = runtime
        .spawn(async |mut cx: Cx<Ask>| {
            question(&mut cx).await.send(42);
            let _unanswered = question(&mut cx).await;
            idle(cx).await;
        })
        .expect("there is room");
    assert_eq!(call(server, Ask::Number).wait(), Ok(42));
    let limit = Duration::from_millis(10);
    let before = Instant::now();
    let error = call(server, Ask::Number).timeout(limit).wait();
    assert!(matches!(error, Err(CallError::Timeout { .. })), "{error:?}");
    assert!(before.elapsed() >= limit);
    exit(server, Exit::Kill);
    let error = call(server, Ask::Number).wait();
    let gone = matches!(
        error,
        Err(CallError::Exited { .. } | CallError::NoProc { .. })
    );
    assert!(gone, "{error:?}");
}

/// G13.
#[test]
fn a_process_that_calls_shows_whom() {
    everywhere(async |mut cx: Cx<()>| {
        let server = spawn(idle_but_for_go)?;
        let caller = spawn(async move |_: Cx<()>| call(server, Ask::Number).await.map(drop))?;
        let calling = hammerbeam::process::info::State::Calling {
            callee: Some(server.pid()),
        };
        explore::until(&mut cx, || {
            process_info(caller.pid()).is_some_and(|caller| caller.state == calling)
        })
        .await;
        Ok(())
    });
}
