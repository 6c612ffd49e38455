//! What scenarios observe, as text, and the processes they use.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use hammerbeam::{Addr, CallError, Cx, Exit, Info, Pid, Received, Reply, process_info, send, time};

/// The message type of all processes in scenarios.
#[derive(Debug)]
pub enum Message {
    /// What another process observed.
    Seen(String),
    /// A process that the receiver should know.
    Process(Pid),
    /// A number.
    Number(u32),
    /// Go on.
    Go,
    /// A question.
    Ask(Reply<u32>),
}

/// A reason of the program's own, as the atom `boom` in Erlang.
#[must_use]
pub fn boom() -> Exit {
    Exit::term("boom")
}

/// Another one.
#[must_use]
pub fn crash() -> Exit {
    Exit::term("crash")
}

/// Tells somebody what was observed.
pub fn tell(to: Addr<Message>, text: impl Into<String>) {
    send(to, Message::Seen(text.into()));
}

/// What comes next; it must come.
pub async fn next(cx: &mut Cx<Message>) -> String {
    within(cx, Duration::from_secs(5)).await
}

/// What comes soon; it should be nothing.
pub async fn quiet(cx: &mut Cx<Message>) -> String {
    within(cx, Duration::from_millis(50)).await
}

async fn within(cx: &mut Cx<Message>, limit: Duration) -> String {
    let mut limit = pin!(time::sleep(limit));
    let mut received = cx.recv_any();
    poll_fn(|context| match Pin::new(&mut received).poll(context) {
        Poll::Ready(received) => Poll::Ready(describe(received)),
        Poll::Pending => limit.as_mut().poll(context).map(|()| "nothing".into()),
    })
    .await
}

/// Two observations whose order is not promised.
pub async fn both(cx: &mut Cx<Message>) -> [String; 2] {
    let mut both = [next(cx).await, next(cx).await];
    both.sort();
    both
}

/// Tells somebody all that this process sees.
pub async fn report(cx: &mut Cx<Message>, to: Addr<Message>) {
    loop {
        tell(to, describe(cx.recv_any().await));
    }
}

fn describe(received: Received<Message>) -> String {
    match received {
        Received::Message(Message::Seen(text)) => text,
        Received::Message(other) => format!("unexpected {other:?}"),
        Received::Info(Info::Down(down)) => format!("down {}", reason(&down.reason)),
        Received::Info(Info::Exit(signal)) => format!("exit {}", reason(&signal.reason)),
        Received::Info(other) => format!("unexpected {other:?}"),
    }
}

/// An exit reason, in the words of Erlang.
#[must_use]
pub fn reason(reason: &Exit) -> String {
    match reason {
        Exit::NoProc => "noproc".into(),
        Exit::Term(term) => term
            .downcast_ref::<&str>()
            .map_or_else(|| term.to_string(), ToString::to_string),
        Exit::ShutdownWith(term) => {
            format!("{{shutdown,{}}}", self::reason(&Exit::Term(term.clone())))
        }
        Exit::Error(error) => format!("error {error}"),
        Exit::Panic(panic) => format!("panic {}", panic.message),
        other => other.to_string(),
    }
}

/// What became of a call.
#[must_use]
pub fn outcome(result: Result<u32, CallError>) -> String {
    match result {
        Ok(answer) => format!("answer {answer}"),
        Err(CallError::NoProc { .. }) => "noproc".into(),
        Err(CallError::Exited { reason, .. }) => self::reason(&reason),
        Err(CallError::NoReply { .. }) => "noreply".into(),
        Err(CallError::Timeout { .. }) => "timeout".into(),
        Err(CallError::CallingSelf { .. }) => "calling_self".into(),
        Err(other) => format!("unexpected {other}"),
    }
}

/// Waits until so many messages are in the mailbox of this process.
pub async fn queued(cx: &mut Cx<Message>, count: usize) {
    let me = cx.pid();
    at_last(cx, count, || process_info(me).map_or(0, |me| me.mailbox)).await;
}

/// Looks until it sees what must come at last.
pub async fn at_last<T: PartialEq>(cx: &mut Cx<Message>, value: T, look: impl Fn() -> T) -> T {
    while look() != value {
        cx.sleep(Duration::from_millis(1)).await;
    }
    value
}

/// Waits for a question.
pub async fn asked(cx: &mut Cx<Message>) -> Reply<u32> {
    hammerbeam::receive! { cx; Message::Ask(reply) => reply }
}

/// Waits until it is told to go.
pub async fn go(cx: &mut Cx<Message>) {
    hammerbeam::receive! { cx; Message::Go => () }
}

/// A body that waits for ever.
pub async fn idle(mut cx: Cx<Message>) {
    hammerbeam::receive! { &mut cx; _ if false => () }
}

/// A body that ends with a reason when it is told to go.
pub async fn at_go(mut cx: Cx<Message>, reason: Exit) -> Exit {
    go(&mut cx).await;
    reason
}

/// A body that answers each question with 42.
pub async fn answering(mut cx: Cx<Message>) {
    loop {
        asked(&mut cx).await.send(42);
    }
}

/// A body that traps exits and tells all it sees.
pub async fn trapper(mut cx: Cx<Message>, to: Addr<Message>) {
    cx.trap_exit(true);
    tell(to, "ready");
    report(&mut cx, to).await;
}

/// A pid whose process has ended.
///
/// # Errors
/// If no process can be started.
pub async fn dead(cx: &mut Cx<Message>) -> Result<Addr<Message>, Exit> {
    let (child, _) = cx.spawn_monitor(async |_: Cx<Message>| {})?;
    cx.recv_info().await;
    Ok(child)
}

/// Whether a process lives.
#[must_use]
pub fn alive(process: impl Into<Pid>) -> &'static str {
    if process.into().is_alive() {
        "alive"
    } else {
        "dead"
    }
}
