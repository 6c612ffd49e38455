//! Monitors: exactly one `Down` each, unless taken back.

mod explore;

use std::sync::atomic::{AtomicUsize, Ordering};

use explore::{SEEDS, assert_quiet, boom, down, everywhere, idle, pause, under_seeds, until};
use hammerbeam::{
    Cx, Down, Exit, Info, MailboxLimit, Name, OnFull, Pid, Received, Spawn, exit, process_info,
    send, spawn,
};

/// A body that ends with boom at its first message.
async fn at_go(mut cx: Cx<()>) -> Exit {
    cx.recv().await;
    boom()
}

/// G8.
#[test]
fn a_monitor_of_an_ended_process_says_no_such_process() {
    everywhere(async |mut cx: Cx<()>| {
        let (dead, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
        down(&mut cx).await;
        let monitor = cx.monitor(dead);
        let down = down(&mut cx).await;
        assert_eq!((down.monitor, down.pid), (monitor, Some(dead.pid())));
        assert_eq!(down.reason, Exit::NoProc);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_monitor_of_a_free_name_says_no_such_process() {
    const NOBODY: Name<()> = Name::new("nobody");
    everywhere(async |mut cx: Cx<()>| {
        let monitor = cx.monitor_name(NOBODY);
        let down = down(&mut cx).await;
        assert_eq!((down.monitor, down.pid), (monitor, None));
        assert_eq!(down.reason, Exit::NoProc);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8. The name is looked up once: whoever has it later is not watched.
#[test]
fn a_monitor_of_a_name_watches_the_process_that_had_it() {
    const WATCHED: Name<()> = Name::new("watched");
    everywhere(async |mut cx: Cx<()>| {
        let first = Spawn::new().name(WATCHED).start(at_go)?.addr;
        cx.monitor_name(WATCHED);
        send(WATCHED, ())?;
        let told = down(&mut cx).await;
        assert_eq!((told.pid, told.reason), (Some(first.pid()), boom()));
        let second = Spawn::new().name(WATCHED).start(at_go)?.addr;
        exit(second, Exit::Kill);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G11.
#[test]
fn a_monitored_start_has_the_bodys_reason_however_short_it_lives() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, monitor) = cx.spawn_monitor(async |_: Cx<()>| boom())?;
        let down = down(&mut cx).await;
        assert_eq!((down.monitor, down.pid), (monitor, Some(child.pid())));
        assert_eq!(down.reason, boom());
        Ok(())
    });
}

/// G8.
#[test]
fn two_monitors_of_one_process_tell_twice() {
    everywhere(async |mut cx: Cx<()>| {
        let child = spawn(at_go)?;
        let mut monitors = [cx.monitor(child), cx.monitor(child)];
        send(child, ());
        let mut told = [down(&mut cx).await.monitor, down(&mut cx).await.monitor];
        monitors.sort();
        told.sort();
        assert_eq!(told, monitors);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8. A monitor that reaches a process while it ends: one `Down`, with its reason or `NoProc`.
#[test]
fn a_monitor_that_races_with_the_end_tells_once() {
    static IN_TIME: AtomicUsize = AtomicUsize::new(0);
    under_seeds(async |mut cx: Cx<()>| {
        let child = spawn(async |_: Cx<()>| boom())?;
        for _ in 0..3 {
            cx.monitor(child);
            pause().await;
        }
        for _ in 0..3 {
            let reason = down(&mut cx).await.reason;
            assert!(reason == boom() || reason == Exit::NoProc, "{reason}");
            IN_TIME.fetch_add(usize::from(reason == boom()), Ordering::Relaxed);
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
    let in_time = IN_TIME.load(Ordering::Relaxed) as u64;
    assert!(
        (1..3 * SEEDS).contains(&in_time),
        "both ways were taken: {in_time}"
    );
}

/// G8. Whenever the end comes, after `demonitor` there is nothing.
#[test]
fn after_a_demonitor_there_is_no_down() {
    under_seeds(async |mut cx: Cx<()>| {
        let (_, monitor) = cx.spawn_monitor(async |_: Cx<()>| boom())?;
        // Under some seeds the child has ended by now, and its `Down` is in the mailbox or on its way.
        pause().await;
        assert!(cx.demonitor(monitor), "it was set, or its Down was there");
        assert!(!cx.demonitor(monitor), "not any more");
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_demonitor_removes_a_down_that_is_in_the_mailbox() {
    everywhere(async |mut cx: Cx<()>| {
        let (_, monitor) = cx.spawn_monitor(async |_: Cx<()>| boom())?;
        let me = cx.pid();
        let arrived = move || process_info(me).is_some_and(|me| me.mailbox == 1);
        until(&mut cx, arrived).await;
        assert!(cx.demonitor(monitor));
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_demonitor_takes_back_one_of_two() {
    everywhere(async |mut cx: Cx<()>| {
        let child = spawn(at_go)?;
        let (one, two) = (cx.monitor(child), cx.monitor(child));
        assert!(cx.demonitor(one));
        send(child, ());
        assert_eq!(down(&mut cx).await.monitor, two);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_monitor_can_be_taken_back_by_its_owner_only() {
    everywhere(async |mut cx: Cx<bool>| {
        let (child, monitor) = cx.spawn_monitor(at_go)?;
        let me = cx.addr();
        spawn(async move |mut cx: Cx<()>| send(me, cx.demonitor(monitor)))?;
        assert!(!cx.recv().await);
        send(child, ());
        assert_eq!(down(&mut cx).await.monitor, monitor);
        assert!(!cx.demonitor(monitor), "it has told");
        Ok(())
    });
}

/// G8.
#[test]
fn a_monitor_works_one_way() {
    everywhere(async |mut cx: Cx<()>| {
        let watched = spawn(idle::<()>)?;
        cx.spawn_monitor(async move |mut cx: Cx<()>| {
            cx.monitor(watched);
            boom()
        })?;
        down(&mut cx).await;
        assert_quiet(&mut cx).await;
        assert!(watched.pid().is_alive());
        Ok(())
    });
}

/// G8.
#[test]
fn a_monitor_of_oneself_tells_nothing() {
    everywhere(async |mut cx: Cx<()>| {
        cx.monitor(cx.pid());
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G8.
#[test]
fn a_down_can_be_a_message_of_the_process_own_type() {
    everywhere(async |mut cx: Cx<Down>| {
        let child = spawn(at_go)?;
        let monitor = cx.monitor_as(child, |down| down);
        send(child, ());
        let down = cx.recv().await;
        assert_eq!((down.monitor, down.reason), (monitor, boom()));
        cx.monitor_as(child, |down| down);
        assert_eq!(cx.recv().await.reason, Exit::NoProc);
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G9.
#[test]
fn a_down_comes_after_the_messages_of_the_process() {
    everywhere(async |mut cx: Cx<u8>| {
        let me = cx.addr();
        let (child, _) = cx.spawn_monitor(async move |_: Cx<()>| {
            for n in 0..3 {
                send(me, n);
            }
        })?;
        for n in 0..3 {
            assert_eq!(cx.recv_any().await, Received::Message(n));
        }
        let Received::Info(Info::Down(down)) = cx.recv_any().await else {
            panic!("there was nothing else");
        };
        assert_eq!(down.pid, Some(child.pid()));
        Ok(())
    });
}

/// G1. The place in the table may have a new tenant; the monitor is of the old one.
#[test]
fn a_monitor_of_a_stale_pid_is_not_one_of_its_successor() {
    everywhere(async |mut cx: Cx<()>| {
        let (dead, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
        down(&mut cx).await;
        let successors = (0..8)
            .map(|_| spawn(idle::<()>))
            .collect::<Result<Vec<_>, _>>()?;
        cx.monitor(dead);
        assert_eq!(down(&mut cx).await.reason, Exit::NoProc);
        let watched = |pid: Pid| process_info(pid).is_some_and(|p| !p.monitored_by.is_empty());
        assert!(!successors.iter().any(|process| watched(process.pid())));
        Ok(())
    });
}

/// G8, G14. What the system tells does not wait for room.
#[test]
fn a_down_is_told_to_a_process_whose_mailbox_is_full() {
    const NOBODY: Name<()> = Name::new("nobody");
    everywhere(async |mut cx: Cx<()>| {
        cx.set_mailbox_limit(MailboxLimit::new(1, OnFull::Refuse));
        send(cx.addr(), ());
        cx.monitor_name(NOBODY);
        assert_eq!(down(&mut cx).await.reason, Exit::NoProc);
        let (child, _) = cx.spawn_monitor(at_go)?;
        send(child, ());
        assert_eq!(down(&mut cx).await.reason, boom());
        Ok(())
    });
}

/// G8, G14.
#[test]
fn an_exit_signal_is_told_to_a_process_whose_mailbox_is_full() {
    everywhere(async |mut cx: Cx<()>| {
        cx.trap_exit(true);
        let (dead, _) = cx.spawn_monitor(async |_: Cx<()>| {})?;
        down(&mut cx).await;
        cx.set_mailbox_limit(MailboxLimit::new(1, OnFull::Refuse));
        send(cx.addr(), ());
        cx.link(dead)?;
        let Info::Exit(signal) = cx.recv_info().await else {
            panic!("there was nothing else");
        };
        assert_eq!(signal.reason, Exit::NoProc);
        Ok(())
    });
}
