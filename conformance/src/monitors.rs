//! Monitors: one `Down` each, also for what does not exist, and taking them back.

use hammerbeam::process::Term;
use hammerbeam::{Cx, Exit, Info, Name, Pid, Spawn, call, process_info, receive, send, spawn};

use crate::Say;
use crate::observe::{
    Message, alive, answering, at_go, at_last, boom, both, dead, idle, next, queued, quiet, tell,
};
use crate::scenario::scenarios;

scenarios![
    monitor_of_dead,
    monitor_of_free_name,
    monitor_of_name,
    monitor_of_name_seen_after_it_is_free,
    spawn_monitor_of_short_life,
    spawn_monitor_of_short_crash,
    demonitor_before_end,
    demonitor_flush_after_end,
    demonitor_of_dead,
    two_monitors_tell_twice,
    one_of_two_monitors_taken_back,
    monitor_of_self,
    monitors_of_each_other,
    monitor_is_one_way,
    monitor_of_one_who_monitors,
    demonitor_says_active,
    demonitor_after_down_received,
    watchers_end_is_noticed,
    monitor_shows_at_the_target,
    demonitor_without_flush,
    demonitor_says_flushed,
];

async fn monitor_of_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    cx.monitor(p);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn monitor_of_free_name(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const NOBODY: Name<Message> = Name::new("nobody_has_this");
    cx.monitor_name(NOBODY);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn monitor_of_name(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const WATCHED: Name<Message> = Name::new("watched_by_name");
    Spawn::new().name(WATCHED).start(|cx| at_go(cx, boom()))?;
    cx.monitor_name(WATCHED);
    send(WATCHED, Message::Go)?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn monitor_of_name_seen_after_it_is_free(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const SOON_FREE: Name<Message> = Name::new("soon_free");
    Spawn::new()
        .name(SOON_FREE)
        .start(|cx| at_go(cx, Exit::Normal))?;
    cx.monitor_name(SOON_FREE);
    send(SOON_FREE, Message::Go)?;
    say.say(next(&mut cx).await);
    say.say(SOON_FREE.whereis().map_or("undefined", |_| "somebody"));
    Ok(())
}

async fn spawn_monitor_of_short_life(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| {})?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn spawn_monitor_of_short_crash(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |_: Cx<Message>| boom())?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn demonitor_before_end(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, monitor) = cx.spawn_monitor(|cx| at_go(cx, boom()))?;
    cx.demonitor(monitor);
    send(p, Message::Go);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn demonitor_flush_after_end(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (_, monitor) = cx.spawn_monitor(async |_: Cx<Message>| boom())?;
    queued(&mut cx, 1).await;
    cx.demonitor(monitor);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn demonitor_of_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    let monitor = cx.monitor(p);
    cx.demonitor(monitor);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn two_monitors_tell_twice(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(|cx| at_go(cx, boom()))?;
    let one = cx.monitor(p);
    let two = cx.monitor(p);
    say.say(one != two);
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn one_of_two_monitors_taken_back(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(|cx| at_go(cx, boom()))?;
    let one = cx.monitor(p);
    cx.monitor(p);
    cx.demonitor(one);
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn monitor_of_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.spawn_monitor(async |mut cx: Cx<Message>| {
        cx.monitor(cx.pid());
        boom()
    })?;
    cx.monitor(cx.pid());
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn monitors_of_each_other(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let a = spawn(async move |mut cx: Cx<Message>| {
        let peer = receive! { &mut cx; Message::Process(peer) => peer };
        cx.monitor(peer);
        tell(me, "watches");
        tell(me, next(&mut cx).await);
    })?;
    let (b, _) = cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.monitor(a);
        tell(me, "watches");
        at_go(cx, boom()).await
    })?;
    say.say(next(&mut cx).await);
    send(a, Message::Process(b.pid()));
    say.say(next(&mut cx).await);
    send(b, Message::Go);
    for text in both(&mut cx).await {
        say.say(text);
    }
    Ok(())
}

async fn monitor_is_one_way(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(idle)?;
    let (watcher, _) = cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.monitor(p);
        boom()
    })?;
    say.say(next(&mut cx).await);
    say.say(alive(watcher));
    say.say(alive(p));
    Ok(())
}

async fn monitor_of_one_who_monitors(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(async |mut cx: Cx<Message>| {
        cx.spawn_monitor(async |_: Cx<Message>| boom())?;
        let Info::Down(down) = cx.recv_info().await else {
            return Ok(());
        };
        let Exit::Term(term) = down.reason else {
            return Ok(());
        };
        Err::<(), _>(Exit::ShutdownWith(Term::clone(&term)))
    })?;
    say.say(next(&mut cx).await);
    say.say(alive(p));
    Ok(())
}

async fn demonitor_says_active(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (_, monitor) = cx.spawn_monitor(idle)?;
    say.say(cx.demonitor(monitor));
    say.say(cx.demonitor(monitor));
    Ok(())
}

async fn demonitor_after_down_received(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (_, monitor) = cx.spawn_monitor(async |_: Cx<Message>| {})?;
    say.say(next(&mut cx).await);
    say.say(cx.demonitor(monitor));
    Ok(())
}

fn watchers_of(pid: Pid) -> usize {
    process_info(pid).map_or(0, |info| info.monitored_by.len())
}

async fn watchers_end_is_noticed(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(answering)?;
    cx.spawn_monitor(async move |mut cx: Cx<Message>| {
        cx.monitor(p);
        call(p, Message::Ask).await?;
        Err::<(), _>(boom())
    })?;
    say.say(next(&mut cx).await);
    say.say(at_last(&mut cx, 0, || watchers_of(p.pid())).await);
    Ok(())
}

async fn monitor_shows_at_the_target(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(answering)?;
    let one = cx.monitor(p);
    cx.monitor(p);
    call(p, Message::Ask).await?;
    say.say(watchers_of(p.pid()));
    cx.demonitor(one);
    call(p, Message::Ask).await?;
    say.say(watchers_of(p.pid()));
    Ok(())
}

async fn demonitor_without_flush(cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    demonitor_flush_after_end(cx, say).await
}

async fn demonitor_says_flushed(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (_, monitor) = cx.spawn_monitor(async |_: Cx<Message>| boom())?;
    queued(&mut cx, 1).await;
    say.say(cx.demonitor(monitor));
    Ok(())
}
