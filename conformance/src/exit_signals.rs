//! Exit signals: `exit`, trapping, the reason a body ends with, and their place among messages.

use hammerbeam::process::Term;
use hammerbeam::{Addr, Cx, Exit, MailboxLimit, OnFull, Spawn, exit, send, spawn};

use crate::Say;
use crate::observe::{Message, alive, boom, crash, dead, idle, next, quiet, tell, trapper};
use crate::scenario::scenarios;

scenarios![
    exit_kill_seen_by_linked_trapper,
    exit_kill_seen_by_linked_process,
    exit_kill_seen_by_monitor,
    own_end_with_kill_seen_by_linked_trapper,
    own_end_with_kill_seen_by_linked_process,
    own_end_with_kill_seen_by_monitor,
    exit_kill_of_trapper,
    exit_normal_of_other,
    exit_normal_of_trapper,
    exit_normal_of_self,
    exit_normal_of_self_trapping,
    exit_kill_of_self,
    exit_kill_of_self_trapping,
    exit_boom_of_self_trapping,
    exit_boom_of_other,
    exit_boom_of_trapper,
    exit_shutdown_of_other,
    exit_kill_then_boom,
    exit_of_dead_pid,
    first_exit_reason_counts,
    exit_keeps_its_place_among_messages,
    down_comes_after_messages,
    exit_signal_comes_after_messages,
    trap_exit_returns_what_was_set,
    trap_exit_taken_back,
    body_returns,
    body_exits_with_boom,
    body_exits_with_shutdown_term,
    body_fails,
    body_throws,
    memory_limit_of_trapper,
    code_after_exit_of_self,
    return_after_exit_of_self,
];

async fn exit_kill_seen_by_linked_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = cx.spawn_link(idle)?;
    exit(p, Exit::Kill);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_kill_seen_by_linked_process(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |mut cx: Cx<Message>| {
        exit(cx.spawn_link(idle)?, Exit::Kill);
        idle(cx).await;
        Ok::<_, Exit>(())
    })?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_kill_seen_by_monitor(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, Exit::Kill);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn own_end_with_kill_seen_by_linked_trapper(
    mut cx: Cx<Message>,
    say: Say,
) -> Result<(), Exit> {
    cx.trap_exit(true);
    cx.spawn_link(async |_: Cx<Message>| Exit::Kill)?;
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn own_end_with_kill_seen_by_linked_process(
    mut cx: Cx<Message>,
    say: Say,
) -> Result<(), Exit> {
    cx.spawn_monitor(async |mut cx: Cx<Message>| {
        cx.spawn_link(async |_: Cx<Message>| Exit::Kill)?;
        idle(cx).await;
        Ok::<_, Exit>(())
    })?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn own_end_with_kill_seen_by_monitor(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| Exit::Kill)?;
    say.say(next(&mut cx).await);
    Ok(())
}

/// A trapper that tells this process what it sees, and is monitored; it is ready.
async fn watched_trapper(cx: &mut Cx<Message>, say: &Say) -> Result<Addr<Message>, Exit> {
    let me = cx.addr();
    let (p, _) = cx.spawn_monitor(|cx| trapper(cx, me))?;
    say.say(next(cx).await);
    Ok(p)
}

async fn exit_kill_of_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = watched_trapper(&mut cx, &say).await?;
    exit(p, Exit::Kill);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_normal_of_other(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, Exit::Normal);
    say.say(quiet(&mut cx).await);
    say.say(alive(p));
    Ok(())
}

async fn exit_normal_of_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = watched_trapper(&mut cx, &say).await?;
    exit(p, Exit::Normal);
    say.say(next(&mut cx).await);
    say.say(alive(p));
    Ok(())
}

async fn exit_normal_of_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |cx: Cx<Message>| {
        exit(cx.pid(), Exit::Normal);
        idle(cx).await;
    })?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_normal_of_self_trapping(cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    exit_of_self_trapping(cx, say, Exit::Normal).await
}

async fn exit_kill_of_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |cx: Cx<Message>| {
        exit(cx.pid(), Exit::Kill);
        idle(cx).await;
    })?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_kill_of_self_trapping(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |mut cx: Cx<Message>| {
        cx.trap_exit(true);
        exit(cx.pid(), Exit::Kill);
        idle(cx).await;
    })?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_boom_of_self_trapping(cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    exit_of_self_trapping(cx, say, boom()).await
}

async fn exit_of_self_trapping(mut cx: Cx<Message>, say: Say, reason: Exit) -> Result<(), Exit> {
    let me = cx.addr();
    cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.trap_exit(true);
        exit(cx.pid(), reason);
        tell(me, next(&mut cx).await);
    })?;
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_boom_of_other(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, boom());
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_boom_of_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = watched_trapper(&mut cx, &say).await?;
    exit(p, boom());
    say.say(next(&mut cx).await);
    say.say(alive(p));
    Ok(())
}

async fn exit_shutdown_of_other(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, Exit::Shutdown);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_kill_then_boom(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, Exit::Kill);
    exit(p, boom());
    say.say(next(&mut cx).await);
    Ok(())
}

async fn exit_of_dead_pid(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    exit(p, boom());
    exit(p, Exit::Kill);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn first_exit_reason_counts(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    exit(p, boom());
    exit(p, crash());
    exit(p, Exit::Kill);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn exit_keeps_its_place_among_messages(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let p = spawn(|cx| trapper(cx, me))?;
    say.say(next(&mut cx).await);
    tell(p, "one");
    exit(p, boom());
    tell(p, "two");
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn down_comes_after_messages(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    cx.spawn_monitor(async move |_: Cx<Message>| {
        tell(me, "one");
        tell(me, "two");
    })?;
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn exit_signal_comes_after_messages(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let me = cx.addr();
    cx.spawn_link(async move |_: Cx<Message>| {
        tell(me, "one");
        tell(me, "two");
        boom()
    })?;
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn trap_exit_returns_what_was_set(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    for trap in [true, true, false, false] {
        say.say(cx.trap_exit(trap));
    }
    Ok(())
}

async fn trap_exit_taken_back(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let (p, _) = cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.trap_exit(true);
        cx.trap_exit(false);
        tell(me, "ready");
        idle(cx).await;
    })?;
    say.say(next(&mut cx).await);
    exit(p, boom());
    say.say(next(&mut cx).await);
    Ok(())
}

async fn body_returns(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| {})?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn body_exits_with_boom(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| boom())?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn body_exits_with_shutdown_term(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| Exit::ShutdownWith(Term::new("boom")))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn body_fails(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| Err::<(), _>(Exit::error("boom")))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn body_throws(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    async fn throws(_: Cx<Message>) {
        panic!("boom");
    }
    cx.spawn_monitor(throws)?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn memory_limit_of_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say("limits mailbox");
    let limit = MailboxLimit::new(10, OnFull::ExitReceiver).expect("10 lies in the range");
    let spawned =
        Spawn::new()
            .monitor()
            .mailbox_limit(limit)
            .start(async |mut cx: Cx<Message>| {
                cx.trap_exit(true);
                idle(cx).await;
            })?;
    for n in 0..=10 {
        send(spawned.addr, Message::Number(n));
    }
    say.say(next(&mut cx).await);
    Ok(())
}

async fn code_after_exit_of_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    cx.spawn_monitor(async move |cx: Cx<Message>| {
        exit(cx.pid(), boom());
        tell(me, "went on");
        idle(cx).await;
    })?;
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn return_after_exit_of_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |cx: Cx<Message>| exit(cx.pid(), boom()))?;
    say.say(next(&mut cx).await);
    Ok(())
}
