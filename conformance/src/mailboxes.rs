//! Messages: order, selective receive, sends to nobody, aliases, names.

use std::time::Duration;

use hammerbeam::{Alias, Cx, Dest, Exit, Name, Spawn, receive, send, spawn};

use crate::Say;
use crate::observe::{Message, at_go, boom, dead, go, idle, next, quiet, tell, trapper};
use crate::scenario::scenarios;

scenarios![
    send_to_dead,
    send_to_free_name,
    send_to_name,
    send_to_self,
    order_of_one_sender,
    end_with_pending_messages,
    receive_takes_the_oldest_that_fits,
    receive_leaves_the_others_in_order,
    receive_after_zero_looks_once,
    receive_after_times_out,
    alias_delivers,
    alias_taken_back,
    alias_taken_back_twice,
    alias_leaves_queued_messages,
    alias_for_one_message_used_twice,
    alias_for_one_message_is_inactive_then,
    alias_of_dead,
    alias_taken_back_pid_still_works,
    name_taken,
    name_free_after_unregister,
    name_free_before_down_is_seen,
    name_free_before_exit_is_seen,
    name_passes_to_a_successor,
    unregister_of_free_name,
    two_names_for_one_process,
    same_name_again,
];

const NOBODY: Name<Message> = Name::new("nobody_has_this");

async fn send_to_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    tell(dead(&mut cx).await?, "lost");
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn send_to_free_name(_: Cx<Message>, say: Say) -> Result<(), Exit> {
    match send(NOBODY, Message::Go) {
        Ok(()) => say.say("sent"),
        Err(_) => say.say("error"),
    }
    Ok(())
}

async fn send_to_name(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const RECEIVES: Name<Message> = Name::new("receives_by_name");
    cx.register(RECEIVES)?;
    send(RECEIVES, Message::Seen("one".into()))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn send_to_self(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    tell(cx.addr(), "one");
    tell(cx.addr(), "two");
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn order_of_one_sender(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let me = cx.addr();
    spawn(async move |mut cx: Cx<Message>| {
        for n in 1..=1000 {
            send(me, Message::Number(n));
            cx.step().await;
        }
    })?;
    let mut numbers = Vec::new();
    for _ in 0..1000 {
        numbers.push(receive! { &mut cx; Message::Number(n) => n });
    }
    say.say(numbers.into_iter().eq(1..=1000));
    Ok(())
}

async fn end_with_pending_messages(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (p, _) = cx.spawn_monitor(async |mut cx: Cx<Message>| go(&mut cx).await)?;
    for n in 1..=100 {
        send(p, Message::Number(n));
    }
    send(p, Message::Go);
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn receive_takes_the_oldest_that_fits(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    for n in [1, 2, 3, 4] {
        send(cx.addr(), Message::Number(n));
    }
    receive! { &mut cx; Message::Number(n) if n % 2 == 0 => say.say(n) }
    receive! { &mut cx; Message::Number(n) => say.say(n) }
    Ok(())
}

async fn receive_leaves_the_others_in_order(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    for n in [1, 2, 3, 4] {
        send(cx.addr(), Message::Number(n));
    }
    receive! { &mut cx; Message::Number(3) => say.say(3) }
    for _ in 0..3 {
        receive! { &mut cx; Message::Number(n) => say.say(n) }
    }
    Ok(())
}

async fn receive_after_zero_looks_once(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    number_now(&mut cx, &say).await;
    send(cx.addr(), Message::Number(1));
    number_now(&mut cx, &say).await;
    Ok(())
}

async fn receive_after_times_out(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    send(cx.addr(), Message::Number(1));
    receive! { &mut cx;
        Message::Number(2) => say.say(2);
        after Duration::from_millis(10) => say.say("nothing")
    }
    number_now(&mut cx, &say).await;
    Ok(())
}

/// Says the number that is in the mailbox, if one is.
pub(crate) async fn number_now(cx: &mut Cx<Message>, say: &Say) {
    receive! { cx;
        Message::Number(n) => say.say(n);
        after Duration::ZERO => say.say("nothing")
    }
}

async fn alias_delivers(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias();
    from_another(alias, &["one", "two"])?;
    say.say(next(&mut cx).await);
    say.say(next(&mut cx).await);
    Ok(())
}

async fn alias_taken_back(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias();
    say.say(cx.unalias(alias));
    from_another(alias, &["one"])?;
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn alias_taken_back_twice(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias();
    say.say(cx.unalias(alias));
    say.say(cx.unalias(alias));
    Ok(())
}

async fn alias_leaves_queued_messages(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias();
    let me = cx.addr();
    spawn(async move |_: Cx<Message>| {
        send(alias, Message::Seen("one".into()));
        send(me, Message::Number(1));
    })?;
    receive! { &mut cx; Message::Number(1) => () }
    say.say(cx.unalias(alias));
    say.say(next(&mut cx).await);
    Ok(())
}

async fn alias_for_one_message_used_twice(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias_once();
    from_another(alias, &["one", "two"])?;
    say.say(next(&mut cx).await);
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn alias_for_one_message_is_inactive_then(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias_once();
    from_another(alias, &["one"])?;
    say.say(next(&mut cx).await);
    say.say(cx.unalias(alias));
    Ok(())
}

async fn alias_of_dead(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let (tells, told) = std::sync::mpsc::channel::<Alias<Message>>();
    cx.spawn_monitor(async move |mut cx: Cx<Message>| tells.send(cx.alias()).map_err(Exit::error))?;
    say.say(next(&mut cx).await);
    let alias = told.recv()?;
    send(alias, Message::Seen("lost".into()));
    say.say(quiet(&mut cx).await);
    Ok(())
}

async fn alias_taken_back_pid_still_works(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    let alias = cx.alias();
    cx.unalias(alias);
    from_another(cx.addr(), &["one"])?;
    say.say(next(&mut cx).await);
    Ok(())
}

fn from_another<D>(to: D, texts: &'static [&'static str]) -> Result<(), Exit>
where
    D: Dest<Message> + Send + 'static,
    D::Sent: Send,
{
    spawn(async move |_: Cx<Message>| {
        for text in texts {
            send(to, Message::Seen((*text).into()));
        }
    })?;
    Ok(())
}

async fn name_taken(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const TAKEN: Name<Message> = Name::new("taken");
    let p = Spawn::new().name(TAKEN).start(idle)?.addr;
    match cx.register(TAKEN) {
        Ok(()) => say.say("registered"),
        Err(_) => say.say("error"),
    }
    say.say(TAKEN.whereis() == Ok(p));
    Ok(())
}

fn whereis(name: Name<Message>) -> &'static str {
    name.whereis().map_or("undefined", |_| "somebody")
}

async fn name_free_after_unregister(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const GIVEN_BACK: Name<Message> = Name::new("given_back");
    cx.register(GIVEN_BACK)?;
    say.say(GIVEN_BACK.whereis() == Ok(cx.addr()));
    cx.unregister(GIVEN_BACK);
    say.say(whereis(GIVEN_BACK));
    Ok(())
}

async fn name_free_before_down_is_seen(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const FREE: Name<Message> = Name::new("free_before_down");
    Spawn::new()
        .name(FREE)
        .monitor()
        .start(|cx| at_go(cx, Exit::Normal))?;
    send(FREE, Message::Go)?;
    say.say(next(&mut cx).await);
    say.say(whereis(FREE));
    say.say(cx.register(FREE).is_ok());
    Ok(())
}

async fn name_free_before_exit_is_seen(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const FREE: Name<Message> = Name::new("free_before_exit");
    cx.trap_exit(true);
    Spawn::new()
        .name(FREE)
        .link()
        .start(|cx| at_go(cx, boom()))?;
    send(FREE, Message::Go)?;
    say.say(next(&mut cx).await);
    say.say(whereis(FREE));
    Ok(())
}

async fn name_passes_to_a_successor(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const SUCCESSOR: Name<Message> = Name::new("successor");
    Spawn::new()
        .name(SUCCESSOR)
        .monitor()
        .start(|cx| at_go(cx, boom()))?;
    send(SUCCESSOR, Message::Go)?;
    say.say(next(&mut cx).await);
    let me = cx.addr();
    Spawn::new().name(SUCCESSOR).start(|cx| trapper(cx, me))?;
    say.say(next(&mut cx).await);
    send(SUCCESSOR, Message::Seen("one".into()))?;
    say.say(next(&mut cx).await);
    Ok(())
}

async fn unregister_of_free_name(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    say.say(cx.unregister(NOBODY));
    Ok(())
}

async fn two_names_for_one_process(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const FIRST: Name<Message> = Name::new("first_name");
    const SECOND: Name<Message> = Name::new("second_name");
    registers(&mut cx, FIRST, SECOND, &say)
}

async fn same_name_again(mut cx: Cx<Message>, say: Say) -> Result<(), Exit> {
    const SAME: Name<Message> = Name::new("same_name");
    registers(&mut cx, SAME, SAME, &say)
}

fn registers(
    cx: &mut Cx<Message>,
    first: Name<Message>,
    second: Name<Message>,
    say: &Say,
) -> Result<(), Exit> {
    cx.register(first)?;
    match cx.register(second) {
        Ok(()) => say.say("registered"),
        Err(_) => say.say("error"),
    }
    Ok(())
}
