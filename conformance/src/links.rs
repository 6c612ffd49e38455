//! Links: set and taken back, by one side or both, and what passes over them.

use hammerbeam::signal::link::LinkError;
use hammerbeam::{Addr, Cx, Exit, Pid, call, exit, process_info, receive, send, spawn};

use crate::Say;
use crate::observe::{
    Message, alive, answering, at_go, boom, both, crash, dead, go, idle, next, queued, quiet,
    report, tell,
};
use crate::scenario::scenarios;

scenarios![
    link_to_dead,
    link_to_dead_trapping,
    spawn_link_of_short_life,
    linked_process_ends_with_it,
    linked_trapper_survives,
    normal_end_spares_linked_process,
    normal_end_seen_by_linked_trapper,
    shutdown_ends_linked_process,
    parents_end_reaches_child,
    parents_normal_end_spares_child,
    double_link_signals_once,
    link_of_both_sides_signals_once,
    unlink_takes_back_double_link,
    unlink_takes_back_link_of_both_sides,
    unlink_by_the_other_side,
    link_again_after_unlink,
    unlink_before_end,
    unlink_after_exit_is_queued,
    unlink_of_never_linked,
    unlink_of_dead,
    link_to_self,
    unlink_from_self,
    chain_passes_the_reason,
    chain_passes_killed,
    chain_stops_at_trapper,
    ring_ends_once,
    two_linked_ends_seen_by_trapper,
    link_and_monitor_both_tell,
    links_show_on_both_sides,
    exit_order_leaves_the_link,
];

async fn link_to_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    match cx.link(p) {
        Ok(()) => say.say("linked"),
        Err(LinkError::NoProc(_)) => say.say("error noproc"),
        Err(other) => say.say(other),
    }
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn link_to_dead_trapping(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = dead(&mut cx).await?;
    cx.link(p)?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn spawn_link_of_short_life(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    cx.spawn_link(async |_: Cx<Message>| boom())?;
    say.say(next(&mut cx).await);
    Ok(())
}

/// A process that waits, linked to one that ends at once with a reason.
async fn idle_beside(mut cx: Cx<Message>, reason: Exit) -> Result<(), Exit> {
    cx.spawn_link(async |_: Cx<Message>| reason)?;
    idle(cx).await;
    Ok(())
}

async fn linked_process_ends_with_it(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(|cx| idle_beside(cx, boom()))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn linked_trapper_survives(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = spawn(|cx| at_go(cx, boom()))?;
    cx.link(p)?;
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn normal_end_spares_linked_process(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(|cx| idle_beside(cx, Exit::Normal))?;
    say.say(quiet(&mut cx).await);
    say.say(alive(p));
    Ok(())
}

async fn normal_end_seen_by_linked_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    cx.spawn_link(async |_: Cx<Message>| {})?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn shutdown_ends_linked_process(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(|cx| idle_beside(cx, Exit::Shutdown))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn parents_end_reaches_child(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (parent, child) = family(&mut cx, boom()).await?;
    send(parent, Message::Go);
    say.say(next(&mut cx).await);
    say.say(alive(child));
    Ok(())
}

async fn parents_normal_end_spares_child(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (parent, child) = family(&mut cx, Exit::Normal).await?;
    send(parent, Message::Go);
    say.say(quiet(&mut cx).await);
    say.say(alive(parent));
    say.say(alive(child));
    Ok(())
}

/// A parent that ends at a go and its linked child, which is monitored.
async fn family(cx: &mut Cx<Message>, reason: Exit) -> Result<(Addr<Message>, Pid), Exit> {
    let me = cx.addr();
    let parent = spawn(async move |mut cx: Cx<Message>| {
        let child = cx.spawn_link(idle)?;
        send(me, Message::Process(child.pid()));
        go(&mut cx).await;
        Err::<(), _>(reason)
    })?;
    let child = receive! { cx; Message::Process(child) => child };
    cx.monitor(child);
    Ok((parent, child))
}

async fn double_link_signals_once(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = spawn(|cx| at_go(cx, boom()))?;
    cx.link(p)?;
    cx.link(p)?;
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn link_of_both_sides_signals_once(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = linked_from_both_sides(&mut cx, &say).await?;
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_takes_back_double_link(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = spawn(|cx| at_go(cx, boom()))?;
    cx.link(p)?;
    cx.link(p)?;
    cx.unlink(p);
    send(p, Message::Go);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_takes_back_link_of_both_sides(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = linked_from_both_sides(&mut cx, &say).await?;
    cx.unlink(p);
    send(p, Message::Go);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_by_the_other_side(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let me = cx.addr();
    let p = spawn(async move |mut cx: Cx<Message>| {
        go(&mut cx).await;
        cx.unlink(me);
        tell(me, "unlinked");
        at_go(cx, boom()).await
    })?;
    cx.link(p)?;
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    send(p, Message::Go);
    say.say(quiet(&mut cx).await);
    Ok(())
}

/// A process that ends with boom at a go; it linked to this process, and this one to it.
async fn linked_from_both_sides(cx: &mut Cx<Message>, say: &Say) -> Result<Addr<Message>, Exit> {
    cx.trap_exit(true);
    let me = cx.addr();
    let p = spawn(async move |mut cx: Cx<Message>| {
        cx.link(me)?;
        tell(me, "linked");
        Err::<(), _>(at_go(cx, boom()).await)
    })?;
    cx.link(p)?;
    say.say(next(cx).await);
    Ok(p)
}

async fn link_again_after_unlink(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = cx.spawn_link(|cx| at_go(cx, boom()))?;
    cx.unlink(p);
    cx.link(p)?;
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_before_end(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = cx.spawn_link(|cx| at_go(cx, boom()))?;
    cx.unlink(p);
    send(p, Message::Go);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_after_exit_is_queued(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = cx.spawn_link(async |_: Cx<Message>| boom())?;
    queued(&mut cx, 1).await;
    cx.unlink(p);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn unlink_of_never_linked(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(idle)?;
    cx.unlink(p);
    say.say(alive(p));
    Ok(())
}

async fn unlink_of_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    cx.unlink(p);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn link_to_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |mut cx: Cx<Message>| {
        cx.link(cx.pid())?;
        Err::<(), _>(boom())
    })?;
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn unlink_from_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.link(cx.pid())?;
    cx.unlink(cx.pid());
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn chain_passes_the_reason(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let first = chain(&mut cx, &say).await?;
    exit(first, boom());
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn chain_passes_killed(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let first = chain(&mut cx, &say).await?;
    exit(first, Exit::Kill);
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

/// The first of three monitored processes, each linked to the one before.
async fn chain(cx: &mut Cx<Message>, say: &Say) -> Result<Pid, Exit> {
    let (a, _) = cx.spawn_monitor(idle)?;
    let b = follower(cx, say, a.pid()).await?;
    follower(cx, say, b).await?;
    Ok(a.pid())
}

/// A monitored process that is linked to another.
async fn follower(cx: &mut Cx<Message>, say: &Say, peer: Pid) -> Result<Pid, Exit> {
    let me = cx.addr();
    let (p, _) = cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.link(peer)?;
        tell(me, "linked");
        idle(cx).await;
        Ok::<_, Exit>(())
    })?;
    say.say(next(cx).await);
    Ok(p.pid())
}

async fn chain_stops_at_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let (a, _) = cx.spawn_monitor(idle)?;
    let b = spawn(async move |mut cx: Cx<Message>| {
        cx.trap_exit(true);
        cx.link(a)?;
        tell(me, "linked");
        report(&mut cx, me).await;
        Ok::<_, Exit>(())
    })?;
    say.say(next(&mut cx).await);
    let c = follower(&mut cx, &say, b.pid()).await?;
    exit(a, boom());
    for text in both(&mut cx).await {
        say.say(text);
    }
    say.say(quiet(&mut cx).await);
    say.say(alive(c));
    Ok(())
}

async fn ring_ends_once(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let (a, _) = cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        let peer = receive! { &mut cx; Message::Process(peer) => peer };
        cx.link(peer)?;
        tell(me, "linked");
        idle(cx).await;
        Ok::<_, Exit>(())
    })?;
    let b = follower(&mut cx, &say, a.pid()).await?;
    let c = follower(&mut cx, &say, b).await?;
    send(a, Message::Process(c));
    say.say(next(&mut cx).await);
    exit(b, boom());
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn two_linked_ends_seen_by_trapper(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let a = cx.spawn_link(|cx| at_go(cx, boom()))?;
    let b = cx.spawn_link(|cx| at_go(cx, crash()))?;
    for p in [a, b] {
        send(p, Message::Go);
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn link_and_monitor_both_tell(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let p = spawn(|cx| at_go(cx, boom()))?;
    cx.link(p)?;
    cx.monitor(p);
    send(p, Message::Go);
    for text in both(&mut cx).await {
        say.say(text);
    }
    Ok(())
}

async fn links_show_on_both_sides(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let links_of = |pid| process_info(pid).map_or(0, |info| info.links.len());
    let p = spawn(answering)?;
    cx.link(p)?;
    call(p, Message::Ask).await?;
    say.say(links_of(cx.pid()));
    say.say(links_of(p.pid()));
    cx.unlink(p);
    call(p, Message::Ask).await?;
    say.say(links_of(cx.pid()));
    say.say(links_of(p.pid()));
    Ok(())
}

async fn exit_order_leaves_the_link(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.trap_exit(true);
    let me = cx.pid();
    cx.spawn_link(async move |_: Cx<Message>| {
        exit(me, boom());
        crash()
    })?;
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    Ok(())
}
