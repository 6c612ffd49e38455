//! What processes do, in a world of one thread, small enough for Miri: every kind of memory they have is made, shared and freed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::deterministic::Deterministic;
use crate::signal::exit;
use crate::{
    Addr, CallError, Cx, Down, Exit, ExitSignal, Info, MailboxLimit, Name, OnFull, Pid, Reply,
    Spawn, call, process_info, receive, send, spawn, time, try_send,
};

const SEEDS: u64 = if cfg!(miri) { 3 } else { 200 };

fn explore<M, B, F>(body: B)
where
    M: Send + 'static,
    B: Fn(Cx<M>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    for seed in 0..SEEDS {
        if let Err(error) = Deterministic::new(seed).run(&body) {
            panic!("seed {seed}: {error}");
        }
    }
}

enum Msg {
    Text(String),
    Number(u64),
    Ask(Reply<String>),
    Down(Down),
    Exit(ExitSignal),
}

async fn down<M: Send + 'static>(cx: &mut Cx<M>) -> Down {
    match cx.recv_info().await {
        Info::Down(down) => down,
        other => panic!("{other:?}"),
    }
}

async fn server(mut cx: Cx<Msg>) -> Result<(), Exit> {
    let mut texts = Vec::new();
    loop {
        match cx.recv().await {
            Msg::Text(text) => texts.push(text),
            Msg::Number(0) => return Ok(()),
            Msg::Number(1) => panic!("{}", texts.join(" ")),
            Msg::Number(2) => Err(std::io::Error::other("broken"))?,
            Msg::Ask(reply) => reply.send(texts.join(" ")),
            _ => cx.step().await,
        }
    }
}

#[test]
fn messages_calls_and_ends() {
    explore(async |mut cx: Cx<Msg>| {
        let (addr, _) = cx.spawn_monitor(server).unwrap();
        for word in ["one", "two", "three"] {
            send(addr, Msg::Text(word.into()));
        }
        assert_eq!(call(addr, Msg::Ask).await.unwrap(), "one two three");
        let abandoned = call(addr, Msg::Ask).start();
        drop(abandoned);
        let late = call(addr, Msg::Ask).start();
        send(addr, Msg::Number(1));
        assert_eq!(late.await.unwrap(), "one two three");
        let unanswered = call(addr, Msg::Ask).await;
        assert!(
            matches!(
                unanswered,
                Err(CallError::Exited { .. } | CallError::NoProc { .. })
            ),
            "{unanswered:?}"
        );
        assert!(matches!(down(&mut cx).await.reason, Exit::Panic(_)));
        assert!(try_send(addr, Msg::Number(0)).is_err());
        let (addr, _) = cx.spawn_monitor(server).unwrap();
        send(addr, Msg::Number(2));
        send(addr, Msg::Text("left in the mailbox".into()));
        assert!(matches!(down(&mut cx).await.reason, Exit::Error(_)));
    });
}

#[test]
fn selective_receives_and_time_limits() {
    explore(async |mut cx: Cx<Msg>| {
        for n in 0..4 {
            send(cx.addr(), Msg::Number(n));
            send(cx.addr(), Msg::Text(n.to_string()));
        }
        receive! { &mut cx; Msg::Number(3) => () }
        let text = receive! { &mut cx; Msg::Text(text) if text == "2" => text };
        assert_eq!(text, "2");
        let mut rest = Vec::new();
        for _ in 0..6 {
            receive! { &mut cx;
                Msg::Number(n) => rest.push(n),
                Msg::Text(text) => rest.push(10 * text.parse::<u64>().unwrap())
            }
        }
        receive! { &mut cx; _ => panic!("one too many"); after Duration::from_secs(1) => () }
        assert_eq!(rest, [0, 0, 1, 10, 2, 30]);
        let timer = cx.send_after(Duration::from_secs(5), Msg::Number(5));
        assert!(cx.recv_timeout(Duration::from_secs(4)).await.is_none());
        assert!(timer.cancel().is_some());
        cx.send_after(Duration::from_secs(5), Msg::Number(6));
        time::send_after(cx.addr(), Duration::from_secs(3), Msg::Number(7)).unwrap();
        assert!(matches!(cx.recv().await, Msg::Number(7)));
        assert!(matches!(cx.recv().await, Msg::Number(6)));
        // Left behind: a timer whose message is freed with the world.
        cx.send_after(Duration::from_secs(500), Msg::Text("never".into()));
    });
}

#[test]
fn links_monitors_and_mappings() {
    explore(async |mut cx: Cx<Msg>| {
        cx.trap_exit(true);
        let linked = cx.spawn_link(server).unwrap();
        exit(linked, Exit::term("enough"));
        let Info::Exit(signal) = cx.recv_info().await else {
            panic!("not an exit");
        };
        assert_eq!(signal.reason, Exit::term("enough"));
        cx.trap_exit_as(Msg::Exit);
        let watched = spawn(server).unwrap();
        cx.link(watched).unwrap();
        cx.monitor_as(watched, Msg::Down);
        let taken_back = cx.monitor_as(watched, |_| unreachable!("taken back"));
        cx.demonitor(taken_back);
        exit(watched, Exit::Kill);
        for _ in 0..2 {
            match cx.recv().await {
                Msg::Down(down) => assert_eq!(down.reason, Exit::Killed),
                Msg::Exit(signal) => assert_eq!(signal.from, Some(watched.pid())),
                _ => panic!("neither"),
            }
        }
        cx.link_as(watched, Msg::Exit).unwrap();
        assert!(matches!(cx.recv().await, Msg::Exit(signal) if signal.reason == Exit::NoProc));
        let unlucky = spawn(async |mut cx: Cx<Msg>| {
            cx.trap_exit_as(|_| panic!("in the mapping"));
            std::future::pending::<()>().await;
        })
        .unwrap();
        cx.monitor(unlucky);
        while process_info(unlucky.pid()).is_some_and(|info| info.reductions == 0) {
            give_way().await;
        }
        exit(unlucky, Exit::Shutdown);
        down(&mut cx).await;
    });
}

#[test]
fn names_aliases_limits_and_looks_from_outside() {
    const NAME: Name<Msg> = Name::new("the named one");
    explore(async |mut cx: Cx<Msg>| {
        let limit = MailboxLimit::new(2, OnFull::DropOldest).unwrap();
        let named = Spawn::new()
            .name(NAME)
            .label("labelled")
            .mailbox_limit(limit)
            .monitor()
            .start(async |mut cx: Cx<Msg>| {
                // Long enough for the flood.
                cx.sleep(Duration::from_secs(1)).await;
                let mut count = 0;
                while cx.recv_timeout(Duration::from_secs(1)).await.is_some() {
                    count += 1;
                }
                assert_eq!(count, 2, "the newest two");
            })
            .unwrap();
        for n in 0..20 {
            send(NAME, Msg::Text(n.to_string())).unwrap();
        }
        let info = process_info(named.addr.pid()).unwrap();
        assert_eq!(info.label.as_deref(), Some("labelled"));
        assert_eq!(down(&mut cx).await.reason, Exit::Normal);
        assert!(NAME.whereis().is_err());
        let once = cx.alias_once();
        send(once, Msg::Number(1));
        send(once, Msg::Number(2));
        let alias = cx.alias();
        send(alias, Msg::Number(3));
        assert!(matches!(cx.recv().await, Msg::Number(1)));
        assert!(matches!(cx.recv().await, Msg::Number(3)));
        cx.unalias(alias);
        send(alias, Msg::Number(4));
        assert!(cx.try_recv().is_none());
    });
}

/// A receive inside another future's waker, and a body that is dropped while it waits.
#[test]
fn foreign_wakers_and_dropped_bodies() {
    use std::task::{Context, Wake, Waker};

    struct Forward(Waker, AtomicBool);
    impl Wake for Forward {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::Relaxed);
            self.0.wake_by_ref();
        }
    }

    explore(async |mut cx: Cx<Msg>| {
        let me = cx.addr();
        let (child, _) = cx
            .spawn_monitor(async move |mut cx: Cx<Msg>| {
                let held = vec![1, 2, 3];
                send(me, Msg::Number(0));
                cx.recv().await;
                drop(held);
            })
            .unwrap();
        {
            let mut receive = std::pin::pin!(cx.recv());
            let got = poll_fn(|context| {
                let forward = Arc::new(Forward(context.waker().clone(), AtomicBool::new(false)));
                let waker = Waker::from(Arc::clone(&forward));
                receive.as_mut().poll(&mut Context::from_waker(&waker))
            })
            .await;
            assert!(matches!(got, Msg::Number(0)));
        }
        exit(child, Exit::Shutdown);
        assert_eq!(down(&mut cx).await.reason, Exit::Shutdown);
    });
}

async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Other threads send to processes, look at them, and hold stale pids, while the world's own thread runs and ends them.
#[test]
fn other_threads_send_and_look() {
    const MESSAGES: u64 = if cfg!(miri) { 5 } else { 500 };

    fn bother(target: Addr<Msg>, all: &[Pid]) {
        for n in 0..MESSAGES {
            send(target, Msg::Number(n));
            send(target, Msg::Text("text".into()));
            for pid in all {
                let _ = process_info(*pid);
                exit(*pid, Exit::Normal);
            }
        }
    }

    explore(async |mut cx: Cx<Msg>| {
        let mut pids = vec![cx.pid()];
        for _ in 0..3 {
            let child = spawn(async |mut cx: Cx<Msg>| {
                for _ in 0..MESSAGES {
                    cx.recv_timeout(Duration::from_nanos(1)).await;
                    give_way().await;
                }
            });
            pids.push(child.unwrap().pid());
        }
        let target = cx.addr();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let pids = pids.clone();
                std::thread::spawn(move || bother(target, &pids))
            })
            .collect();
        let mut got = 0;
        // Not `recv`: this world is at its end when all wait, and does not wait for other threads.
        while got < 4 * MESSAGES {
            match cx.try_recv() {
                Some(_) => got += 1,
                None => give_way().await,
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
