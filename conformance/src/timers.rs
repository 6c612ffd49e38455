//! Timers: `send_after` and `cancel`.

use std::time::Duration;

use hammerbeam::{Cx, Exit, exit, receive, spawn, time};

use crate::Say;
use crate::mailboxes::number_now;
use crate::observe::{Message, boom, dead, idle, next, queued, quiet, tell};
use crate::scenario::scenarios;

scenarios![
    send_after_arrives,
    send_after_keeps_the_order_of_deadlines,
    send_after_not_early,
    send_after_to_dead,
    send_after_to_one_that_ends_before,
    timer_outlives_its_setter,
    cancel_of_pending_timer,
    cancel_of_fired_timer_leaves_the_message,
    cancel_twice,
    cancel_by_another_process,
    receive_outlasts_a_timer,
];

const MINUTE: Duration = Duration::from_secs(60);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn seen(text: &str) -> Message {
    Message::Seen(text.into())
}

async fn send_after_arrives(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.send_after(millis(10), seen("one"));
    say.say(next(&mut cx).await);
    Ok(())
}

async fn send_after_keeps_the_order_of_deadlines(
    mut cx: Cx<Message>,
    say: Say,
) -> Result<(), Exit> {
    cx.send_after(millis(90), seen("three"));
    cx.send_after(millis(10), seen("one"));
    cx.send_after(millis(50), seen("two"));
    for _ in 0..3 {
        say.say(next(&mut cx).await);
    }
    Ok(())
}

async fn send_after_not_early(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let start = time::now();
    cx.send_after(millis(20), seen("one"));
    say.say(next(&mut cx).await);
    say.say(time::now() - start >= millis(20));
    Ok(())
}

async fn send_after_to_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let p = dead(&mut cx).await?;
    time::send_after(p, millis(1), seen("lost"))?;
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn send_after_to_one_that_ends_before(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(idle)?;
    time::send_after(p, millis(20), seen("lost"))?;
    exit(p, boom());
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn timer_outlives_its_setter(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    cx.spawn_monitor(async move |_: Cx<Message>| {
        time::send_after(me, millis(20), seen("one")).map(drop)
    })?;
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn cancel_of_pending_timer(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let timer = cx.send_after(MINUTE, seen("late"));
    let left = timer.cancel();
    let range = Duration::from_secs(50)..=MINUTE + millis(2);
    say.say(left.is_some_and(|left| range.contains(&left)));
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn cancel_of_fired_timer_leaves_the_message(
    mut cx: Cx<Message>,
    say: Say,
) -> Result<(), Exit> {
    let timer = cx.send_after(millis(1), seen("one"));
    queued(&mut cx, 1).await;
    say.say(timer.cancel().is_some());
    say.say(next(&mut cx).await);
    Ok(())
}

async fn cancel_twice(cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let timer = cx.send_after(MINUTE, seen("late"));
    say.say(timer.cancel().is_some());
    say.say(timer.cancel().is_some());
    Ok(())
}

async fn cancel_by_another_process(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    let timer = cx.send_after(MINUTE, seen("late"));
    spawn(async move |_: Cx<Message>| {
        tell(me, timer.cancel().is_some().to_string());
    })?;
    say.say(next(&mut cx).await);
    say.say(timer.cancel().is_some());
    Ok(())
}

async fn receive_outlasts_a_timer(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    cx.send_after(millis(10), Message::Number(1));
    receive! { &mut cx;
        Message::Number(2) => say.say(2);
        after millis(30) => say.say("nothing")
    }
    number_now(&mut cx, &say).await;
    Ok(())
}
