//! Calls: to processes that answer, end, are late, or are not there.

use std::time::Duration;

use hammerbeam::process::IntoExit;
use hammerbeam::{Addr, Cx, Dest, Exit, Name, Reply, Spawn, call, exit, send, spawn};

use crate::Say;
use crate::observe::{
    Message, alive, answering, asked, boom, dead, go, idle, next, outcome, quiet, tell,
};
use crate::scenario::scenarios;

scenarios![
    call_answered,
    call_by_name,
    call_of_dead,
    call_of_free_name,
    call_of_self,
    call_of_self_by_name,
    call_times_out,
    call_when_callee_ends_normally,
    call_when_callee_ends_with_boom,
    call_when_callee_fails,
    call_when_callee_is_told_to_end,
    call_when_callee_is_killed,
    call_when_callee_ended_before,
    late_reply_is_not_seen,
    reply_before_the_end_counts,
    reply_deferred,
    reply_from_another_process,
    calls_answered_out_of_order,
    timeout_leaves_the_callee_alone,
    down_of_callee_is_not_seen_by_caller,
    reply_from_another_process_after_the_callees_end,
    reply_dropped,
];

const SHORT: Duration = Duration::from_millis(20);

/// A process that does something with its first call.
fn serving<F, Fut>(body: F) -> Result<Addr<Message>, Exit>
where
    F: FnOnce(Cx<Message>, Reply<u32>) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoExit + Send,
{
    Ok(spawn(async move |mut cx: Cx<Message>| {
        let reply = asked(&mut cx).await;
        body(cx, reply).await
    })?)
}

async fn ask<D: Dest<Message>>(dest: D) -> String {
    outcome(call(dest, Message::Ask).await)
}

async fn call_answered(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(spawn(answering)?).await);
    Ok(())
}

async fn call_by_name(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    const CALLED: Name<Message> = Name::new("called_by_name");
    Spawn::new().name(CALLED).start(answering)?;
    say.say(ask(CALLED).await);
    Ok(())
}

async fn call_of_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(dead(&mut cx).await?).await);
    Ok(())
}

async fn call_of_free_name(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    const NOBODY: Name<Message> = Name::new("nobody_has_this");
    say.say(ask(NOBODY).await);
    Ok(())
}

async fn call_of_self(cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(cx.addr()).await);
    Ok(())
}

async fn call_of_self_by_name(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const CALLS_ITSELF: Name<Message> = Name::new("calls_itself");
    cx.register(CALLS_ITSELF)?;
    say.say(ask(CALLS_ITSELF).await);
    Ok(())
}

async fn call_times_out(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(idle)?;
    say.say(outcome(call(p, Message::Ask).timeout(SHORT).await));
    Ok(())
}

async fn call_when_callee_ends_normally(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(serving(async |_, _reply| {})?).await);
    Ok(())
}

async fn call_when_callee_ends_with_boom(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(serving(async |_, _reply| boom())?).await);
    Ok(())
}

async fn call_when_callee_fails(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    async fn fails(_: Cx<Message>, _reply: Reply<u32>) {
        panic!("boom");
    }
    say.say(ask(serving(fails)?).await);
    Ok(())
}

async fn call_when_callee_is_told_to_end(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(serving(told_to_end)?).await);
    Ok(())
}

/// Is told to end with boom while it has the reply.
async fn told_to_end(mut cx: Cx<Message>, reply: Reply<u32>) -> Exit {
    exit(cx.pid(), boom());
    cx.recv().await;
    drop(reply);
    Exit::Normal
}

async fn call_when_callee_is_killed(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(async |cx, _reply| {
        exit(cx.pid(), Exit::Kill);
        idle(cx).await;
    })?;
    say.say(ask(p).await);
    Ok(())
}

async fn call_when_callee_ended_before(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(told_to_end)?;
    say.say(ask(p).await);
    say.say(ask(p).await);
    Ok(())
}

async fn late_reply_is_not_seen(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let p = serving(async move |mut cx, reply| {
        go(&mut cx).await;
        reply.send(42);
        tell(me, "replied");
    })?;
    say.say(outcome(call(p, Message::Ask).timeout(SHORT).await));
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn reply_before_the_end_counts(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(async |_, reply| {
        reply.send(42);
        boom()
    })?;
    say.say(ask(p).await);
    Ok(())
}

async fn reply_deferred(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(async |mut cx, reply| {
        cx.sleep(Duration::from_millis(10)).await;
        reply.send(42);
    })?;
    say.say(ask(p).await);
    Ok(())
}

async fn reply_from_another_process(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(async |cx, reply| {
        spawn(async move |_: Cx<()>| reply.send(42))?;
        idle(cx).await;
        Ok::<_, Exit>(())
    })?;
    say.say(ask(p).await);
    Ok(())
}

async fn calls_answered_out_of_order(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(async |mut cx: Cx<Message>| {
        let first = asked(&mut cx).await;
        let second = asked(&mut cx).await;
        second.send(2);
        first.send(1);
    })?;
    let one = call(p, Message::Ask).start();
    let two = call(p, Message::Ask).start();
    say.say(one.await?);
    say.say(two.await?);
    Ok(())
}

async fn timeout_leaves_the_callee_alone(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = spawn(idle)?;
    say.say(outcome(call(p, Message::Ask).timeout(SHORT).await));
    say.say(alive(p));
    Ok(())
}

async fn down_of_callee_is_not_seen_by_caller(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(ask(serving(told_to_end)?).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn reply_from_another_process_after_the_callees_end(
    _: Cx<Message>,
    say: Say,
) -> Result<(), Exit> {
    let p = serving(async |_, reply| {
        spawn(async move |mut cx: Cx<()>| {
            cx.sleep(Duration::from_millis(50)).await;
            reply.send(42);
        })
        .map(drop)
    })?;
    say.say(ask(p).await);
    Ok(())
}

async fn reply_dropped(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = serving(async |cx, reply| {
        drop(reply);
        idle(cx).await;
    })?;
    let limit = Duration::from_millis(50);
    say.say(outcome(call(p, Message::Ask).timeout(limit).await));
    Ok(())
}
