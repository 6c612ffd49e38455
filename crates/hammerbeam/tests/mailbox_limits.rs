//! Mailbox limits: exact, for each policy, and never in the way of signals.

mod explore;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use explore::{assert_quiet, boom, down, everywhere, on_threads, pause, trapped, under_seeds};
use hammerbeam::{
    Cx, Down, Exit, ExitSignal, MailboxLimit, OnFull, Pid, Spawn, TrySendError, exit, process_info,
    receive, send, spawn, time, try_send,
};

fn limit(messages: u32, on_full: OnFull) -> MailboxLimit {
    MailboxLimit::new(messages, on_full).expect("in range")
}

/// A body that never looks into its mailbox.
async fn deaf(_: Cx<u32>) {
    std::future::pending::<()>().await;
}

fn queued(pid: Pid) -> usize {
    process_info(pid).expect("it lives").mailbox
}

/// G14.
#[test]
fn a_mailbox_that_refuses_takes_exactly_its_limit() {
    everywhere(async |_: Cx<()>| {
        let spawned = Spawn::new()
            .mailbox_limit(limit(3, OnFull::Refuse))
            .start(deaf)?;
        let full = spawned.addr;
        for n in 0..3 {
            assert_eq!(try_send(full, n), Ok(()));
        }
        assert_eq!(try_send(full, 3), Err(TrySendError::Full(3)));
        send(full, 4);
        assert_eq!(queued(full.pid()), 3);
        Ok(())
    });
}

/// G14. Messages that were looked at and left count as well.
#[test]
fn a_receive_makes_room_for_as_many_as_it_takes() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.set_mailbox_limit(Some(limit(3, OnFull::Refuse)));
        for n in 0..3 {
            send(cx.addr(), n);
        }
        receive! { &mut cx; 1 => () }
        assert_eq!(try_send(cx.addr(), 3), Ok(()));
        assert_eq!(try_send(cx.addr(), 4), Err(TrySendError::Full(4)));
        assert_eq!(
            (cx.try_recv(), cx.try_recv(), cx.try_recv()),
            (Some(0), Some(2), Some(3))
        );
        for n in 5..8 {
            assert_eq!(try_send(cx.addr(), n), Ok(()));
        }
        assert!(try_send(cx.addr(), 8).is_err());
        Ok(())
    });
}

/// G14. Many senders at once cannot share the last place.
#[test]
fn a_limit_is_exact_with_many_senders() {
    on_threads(async |mut cx: Cx<usize>| {
        let spawned = Spawn::new()
            .mailbox_limit(limit(100, OnFull::Refuse))
            .start(deaf)?;
        let (full, me) = (spawned.addr, cx.addr());
        for _ in 0..8 {
            spawn(async move |mut cx: Cx<()>| {
                let mut delivered = 0;
                for n in 0..50 {
                    delivered += usize::from(try_send(full, n).is_ok());
                    cx.step().await;
                }
                send(me, delivered);
            })?;
        }
        let mut delivered = 0;
        for _ in 0..8 {
            delivered += cx.recv().await;
        }
        assert_eq!((delivered, queued(full.pid())), (100, 100));
        Ok(())
    });
}

/// G14.
#[test]
fn a_mailbox_that_drops_the_newest_keeps_the_oldest() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.set_mailbox_limit(Some(limit(3, OnFull::DropNewest)));
        for n in 0..10 {
            assert_eq!(try_send(cx.addr(), n), Ok(()), "it is dropped in silence");
        }
        assert_eq!(queued(cx.pid()), 3);
        for n in 0..3 {
            assert_eq!(cx.try_recv(), Some(n));
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G14.
#[test]
fn a_mailbox_that_drops_the_oldest_shows_exactly_the_newest() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.set_mailbox_limit(Some(limit(3, OnFull::DropOldest)));
        for count in [1, 3, 4, 5, 6, 7, 8, 100] {
            for n in 0..count {
                assert_eq!(try_send(cx.addr(), n), Ok(()));
                assert!(queued(cx.pid()) <= 9, "three times the limit in memory");
            }
            for n in count.saturating_sub(3)..count {
                assert_eq!(cx.try_recv(), Some(n));
            }
            assert_eq!(cx.try_recv(), None);
        }
        Ok(())
    });
}

/// G14, G10. Messages that a selective receive has passed over may be dropped behind its back.
#[test]
fn a_selective_receive_works_on_a_mailbox_that_drops_the_oldest() {
    under_seeds(async |mut cx: Cx<u32>| {
        cx.set_mailbox_limit(Some(limit(3, OnFull::DropOldest)));
        let me = cx.addr();
        spawn(async move |_: Cx<()>| {
            for n in 0..50 {
                send(me, n);
                pause().await;
            }
            send(me, 1000);
        })?;
        receive! { &mut cx; 1000 => () }
        let mut left = Vec::new();
        while let Some(n) = cx.try_recv() {
            left.push(n);
        }
        assert_eq!(left, [48, 49]);
        Ok(())
    });
}

/// G14.
#[test]
fn one_message_too_many_kills_a_receiver_that_said_so() {
    everywhere(async |mut cx: Cx<()>| {
        let spawned = Spawn::new()
            .monitor()
            .mailbox_limit(limit(3, OnFull::ExitReceiver))
            .start(async |mut cx: Cx<u32>| {
                cx.trap_exit(true);
                std::future::pending::<()>().await;
            })?;
        let full = spawned.addr;
        for n in 0..3 {
            assert_eq!(try_send(full, n), Ok(()));
        }
        assert_quiet(&mut cx).await;
        assert!(full.pid().is_alive(), "the limit itself is allowed");
        assert_eq!(try_send(full, 3), Err(TrySendError::Full(3)));
        assert_eq!(down(&mut cx).await.reason, Exit::Killed);
        Ok(())
    });
}

/// G14.
#[test]
fn signals_never_count() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.trap_exit(true);
        cx.set_mailbox_limit(Some(limit(1, OnFull::Refuse)));
        for n in 0..5 {
            exit(cx.pid(), Exit::term(n));
        }
        assert_eq!(cx.try_recv(), None, "they are in the mailbox now");
        assert_eq!(queued(cx.pid()), 5);
        assert_eq!(try_send(cx.addr(), 1), Ok(()));
        assert_eq!(try_send(cx.addr(), 2), Err(TrySendError::Full(2)));
        for n in 0..5 {
            assert_eq!(trapped(&mut cx).await.reason, Exit::term(n));
        }
        assert_eq!(try_send(cx.addr(), 2), Err(TrySendError::Full(2)));
        assert_eq!(cx.try_recv(), Some(1));
        assert_eq!(queued(cx.pid()), 0);
        Ok(())
    });
}

/// G14.
#[test]
fn signals_are_never_dropped_even_if_they_come_as_messages() {
    #[derive(Debug)]
    enum Message {
        Number(u32),
        Gone(Down),
        Exit(ExitSignal),
    }
    everywhere(async |mut cx: Cx<Message>| {
        for on_full in [OnFull::Refuse, OnFull::DropNewest, OnFull::DropOldest] {
            cx.set_mailbox_limit(Some(limit(2, on_full)));
            cx.trap_exit_as(Message::Exit);
            let (ended, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
            down(&mut cx).await;
            for n in 0..3 {
                send(cx.addr(), Message::Number(n));
            }
            cx.monitor_as(ended, Message::Gone);
            cx.link(ended)?;
            exit(cx.pid(), boom());
            for n in 3..6 {
                send(cx.addr(), Message::Number(n));
            }
            let (mut numbers, mut told) = (Vec::new(), 0);
            while let Some(message) = cx.try_recv() {
                match message {
                    Message::Number(n) => numbers.push(n),
                    Message::Gone(down) => {
                        assert_eq!(down.reason, Exit::NoProc);
                        told += 1;
                    }
                    Message::Exit(signal) => {
                        assert!([Exit::NoProc, boom()].contains(&signal.reason));
                        told += 1;
                    }
                }
            }
            let kept = if on_full == OnFull::DropOldest {
                [4, 5]
            } else {
                [0, 1]
            };
            assert_eq!((numbers, told), (kept.to_vec(), 3), "{on_full:?}");
        }
        Ok(())
    });
}

/// G14.
#[test]
fn a_limit_can_be_changed_and_lifted() {
    everywhere(async |mut cx: Cx<u32>| {
        for n in 0..5 {
            send(cx.addr(), n);
        }
        cx.set_mailbox_limit(Some(limit(2, OnFull::Refuse)));
        assert!(
            try_send(cx.addr(), 5).is_err(),
            "more are there already, and stay"
        );
        assert_eq!(queued(cx.pid()), 5);
        cx.set_mailbox_limit(Some(limit(2, OnFull::DropOldest)));
        assert_eq!(queued(cx.pid()), 2, "but for the policy that drops them");
        cx.set_mailbox_limit(None);
        for n in 5..100 {
            assert_eq!(try_send(cx.addr(), n), Ok(()));
        }
        assert_eq!(
            (cx.try_recv(), cx.try_recv(), cx.try_recv()),
            (Some(3), Some(4), Some(5))
        );
        Ok(())
    });
}

/// G14. Timers are senders like others.
#[test]
fn a_timers_message_counts() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.set_mailbox_limit(Some(limit(1, OnFull::Refuse)));
        for n in 0..3 {
            cx.send_after(std::time::Duration::from_millis(n), n as u32);
        }
        time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!((cx.try_recv(), cx.try_recv()), (Some(0), None));
        Ok(())
    });
}

/// G14.
#[test]
fn a_limit_ends_with_its_process() {
    everywhere(async |mut cx: Cx<()>| {
        for _ in 0..4 {
            let spawned = Spawn::new()
                .monitor()
                .mailbox_limit(limit(1, OnFull::Refuse))
                .start(async |_: Cx<u32>| {})?;
            down(&mut cx).await;
            assert_eq!(try_send(spawned.addr, 1), Err(TrySendError::NoProc(1)));
            let successor = spawn(deaf)?;
            for n in 0..3 {
                assert_eq!(try_send(successor, n), Ok(()), "it has no limit");
            }
        }
        Ok(())
    });
}

/// G14. A destructor of a dropped message may look at its process and send to it.
#[test]
fn the_destructor_of_a_dropped_message_may_use_its_process() {
    struct Looks(Pid, Arc<AtomicUsize>);

    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(process_info(self.0).is_some());
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    everywhere(async |mut cx: Cx<Looks>| {
        let dropped = Arc::new(AtomicUsize::new(0));
        for _ in 0..6 {
            send(cx.addr(), Looks(cx.pid(), Arc::clone(&dropped)));
        }
        cx.set_mailbox_limit(Some(limit(2, OnFull::DropOldest)));
        assert_eq!(dropped.load(Ordering::Relaxed), 4);
        for _ in 0..20 {
            send(cx.addr(), Looks(cx.pid(), Arc::clone(&dropped)));
        }
        cx.recv().await;
        cx.recv().await;
        assert_eq!(dropped.load(Ordering::Relaxed), 26);
        Ok(())
    });
}

/// G14.
#[test]
fn a_limit_lies_between_one_and_two_to_the_thirtieth() {
    assert_eq!(MailboxLimit::new(0, OnFull::Refuse), None);
    assert_eq!(MailboxLimit::new(1 << 30, OnFull::Refuse), None);
    let most = MailboxLimit::new((1 << 30) - 1, OnFull::DropOldest).expect("in range");
    assert_eq!(
        (most.messages(), most.on_full()),
        ((1 << 30) - 1, OnFull::DropOldest)
    );
}

/// G8, G14. A sender may hold the stack of a mailbox, to shorten it, just when its process ends; requests that were in it are answered.
#[test]
fn a_monitor_of_a_flooded_process_tells_when_it_ends() {
    on_threads(async |mut cx: Cx<()>| {
        for _ in 0..100 {
            let (started, ends) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicBool::new(false)),
            );
            let (starts, end) = (Arc::clone(&started), Arc::clone(&ends));
            let flooded = Spawn::new()
                .mailbox_limit(limit(1, OnFull::DropOldest))
                .start(async move |_: Cx<u32>| {
                    starts.store(true, Ordering::Release);
                    // Does not await, so that nothing is taken out of its mailbox.
                    while !end.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                })?
                .addr;
            explore::until(&mut cx, || started.load(Ordering::Acquire)).await;
            for _ in 0..100 {
                cx.monitor(flooded);
            }
            ends.store(true, Ordering::Release);
            while flooded.pid().is_alive() {
                send(flooded, 1);
            }
            for _ in 0..100 {
                down(&mut cx).await;
            }
        }
        Ok(())
    });
}
