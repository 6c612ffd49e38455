//! Aliases: second addresses that can be taken back.

mod explore;

use explore::{assert_quiet, down, everywhere, pause, under_seeds, until};
use hammerbeam::{
    Alias, CallError, Cx, Exit, MailboxLimit, OnFull, Reply, TrySendError, call, process_info,
    receive, send, spawn, try_send,
};

/// G9.
#[test]
fn messages_through_an_alias_arrive_in_order() {
    everywhere(async |mut cx: Cx<u8>| {
        let alias = cx.alias();
        spawn(async move |_: Cx<()>| {
            for n in 0..10 {
                send(alias, n);
            }
        })?;
        for n in 0..10 {
            assert_eq!(cx.recv().await, n);
        }
        Ok(())
    });
}

/// G9. Alias and address lead into the same mailbox.
#[test]
fn an_alias_and_the_address_keep_the_order_of_one_sender() {
    everywhere(async |mut cx: Cx<u8>| {
        let (alias, me) = (cx.alias(), cx.addr());
        spawn(async move |_: Cx<()>| {
            send(me, 0);
            send(alias, 1);
            send(me, 2);
            send(alias, 3);
        })?;
        for n in 0..4 {
            assert_eq!(cx.recv().await, n);
        }
        Ok(())
    });
}

/// G10.
#[test]
fn a_message_through_an_alias_that_was_taken_back_is_dropped() {
    everywhere(async |mut cx: Cx<u8>| {
        let alias = cx.alias();
        assert!(cx.unalias(alias));
        assert!(!cx.unalias(alias), "it is gone");
        spawn(async move |_: Cx<()>| send(alias, 1))?;
        assert_quiet(&mut cx).await;
        let me = cx.addr();
        send(me, 2);
        assert_eq!(cx.recv().await, 2);
        Ok(())
    });
}

/// G10. Whatever the order of send and `unalias` is, nothing comes afterwards but what had been taken into the mailbox before.
#[test]
fn after_unalias_nothing_arrives() {
    under_seeds(async |mut cx: Cx<u8>| {
        let alias = cx.alias();
        for n in 0..3 {
            spawn(async move |_: Cx<()>| send(alias, n))?;
        }
        pause().await;
        let mut before = 0;
        while cx.try_recv().is_some() {
            before += 1;
        }
        assert!(before <= 3);
        cx.unalias(alias);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G10.
#[test]
fn unalias_leaves_messages_that_were_looked_at() {
    everywhere(async |mut cx: Cx<u8>| {
        let (alias, me) = (cx.alias(), cx.addr());
        spawn(async move |_: Cx<()>| {
            send(alias, 1);
            send(me, 2);
        })?;
        receive! { &mut cx; 2 => () }
        cx.unalias(alias);
        assert_eq!(cx.try_recv(), Some(1));
        Ok(())
    });
}

/// G10.
#[test]
fn an_alias_for_one_message_lets_one_through_whoever_sends() {
    under_seeds(async |mut cx: Cx<u8>| {
        let alias = cx.alias_once();
        for n in 0..3 {
            spawn(async move |_: Cx<()>| send(alias, n))?;
        }
        cx.recv().await;
        assert!(!cx.unalias(alias), "it has ended");
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G10.
#[test]
fn an_alias_can_be_taken_back_by_its_owner_only() {
    everywhere(async |mut cx: Cx<u8>| {
        let alias = cx.alias();
        let (child, _) = cx.spawn_monitor(async move |mut cx: Cx<u8>| {
            assert!(!cx.unalias(alias), "it is not this process' alias");
        })?;
        let down = down(&mut cx).await;
        assert_eq!((down.pid, down.reason), (Some(child.pid()), Exit::Normal));
        send(alias, 1);
        assert_eq!(cx.recv().await, 1);
        Ok(())
    });
}

/// G1.
#[test]
fn an_alias_of_an_ended_process_leads_nowhere() {
    everywhere(async |mut cx: Cx<Alias<u8>>| {
        let me = cx.addr();
        cx.spawn_monitor(async move |mut cx: Cx<u8>| send(me, cx.alias()))?;
        let alias = cx.recv().await;
        down(&mut cx).await;
        send(alias, 1);
        assert_eq!(try_send(alias, 2), Err(TrySendError::NoProc(2)));
        assert!(!alias.pid().is_alive());
        Ok(())
    });
}

/// G14. An alias is no way around a limit.
#[test]
fn try_send_through_an_alias_says_that_the_mailbox_is_full() {
    everywhere(async |mut cx: Cx<u8>| {
        cx.set_mailbox_limit(MailboxLimit::new(1, OnFull::Refuse));
        let alias = cx.alias();
        assert_eq!(try_send(alias, 1), Ok(()));
        assert_eq!(try_send(alias, 2), Err(TrySendError::Full(2)));
        assert_eq!(cx.recv().await, 1);
        assert_eq!(try_send(alias, 3), Ok(()));
        Ok(())
    });
}

/// G13. A call goes to the process behind the alias, also after it was taken back: an answer does not need the alias.
#[test]
fn a_call_to_the_alias_of_oneself_is_an_error_at_once() {
    everywhere(async |mut cx: Cx<Reply<u8>>| {
        let alias = cx.alias();
        let error = call(alias, |reply| reply).await;
        assert!(matches!(error, Err(CallError::CallingSelf { .. })));
        Ok(())
    });
}

/// G10. Messages dropped at the door are not in the mailbox.
#[test]
fn a_dropped_message_does_not_count() {
    everywhere(async |mut cx: Cx<u8>| {
        let alias = cx.alias();
        cx.unalias(alias);
        for _ in 0..5 {
            send(alias, 1);
        }
        assert_eq!(cx.try_recv(), None);
        let me = cx.pid();
        until(&mut cx, move || {
            process_info(me).is_some_and(|me| me.mailbox == 0)
        })
        .await;
        Ok(())
    });
}
