//! Receiving: the oldest that fits, and nothing is lost.

mod explore;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use explore::{assert_quiet, boom, down, everywhere, trapped};
use hammerbeam::{Cx, Exit, Info, Received, exit, process_info, receive, send, spawn, time};

fn fill(cx: &Cx<u32>, numbers: impl IntoIterator<Item = u32>) {
    for n in numbers {
        send(cx.addr(), n);
    }
}

/// Polls a future once, which must not be ready, and drops it.
fn look_once(future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pin!(future).poll(&mut context), Poll::Pending));
}

/// G9.
#[test]
fn messages_of_one_sender_arrive_in_order() {
    everywhere(async |mut cx: Cx<(usize, u32)>| {
        let me = cx.addr();
        for sender in 0..3 {
            spawn(async move |mut cx: Cx<()>| {
                for n in 0..200 {
                    send(me, (sender, n));
                    if n % 7 == 0 {
                        explore::pause().await;
                    }
                    cx.step().await;
                }
            })?;
        }
        let mut expected = [0; 3];
        for _ in 0..600 {
            let (sender, n) = cx.recv().await;
            assert_eq!(n, expected[sender]);
            expected[sender] += 1;
        }
        Ok(())
    });
}

/// G10.
#[test]
fn a_receive_takes_the_oldest_that_fits() {
    everywhere(async |mut cx: Cx<u32>| {
        fill(&cx, 1..=6);
        let even = receive! { &mut cx; n if n % 2 == 0 => n };
        let large = receive! { &mut cx; n if *n > 3 => n };
        assert_eq!((even, large), (2, 4));
        Ok(())
    });
}

/// G10.
#[test]
fn a_receive_leaves_the_others_in_their_order() {
    everywhere(async |mut cx: Cx<u32>| {
        fill(&cx, 0..10);
        for wanted in [7, 3, 9, 0] {
            receive! { &mut cx; n if *n == wanted => assert_eq!(n, wanted) }
        }
        for left in [1, 2, 4, 5, 6, 8] {
            assert_eq!(cx.recv().await, left);
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G10. The first arm in whose pattern and guard the message fits.
#[test]
fn a_receive_takes_the_first_arm_that_fits() {
    everywhere(async |mut cx: Cx<(u32, &'static str)>| {
        send(cx.addr(), (1, "a"));
        send(cx.addr(), (2, "b"));
        let arm = receive! { &mut cx;
            (n, _) if *n > 1 => ("guard", n),
            (2, _) => ("pattern", 2),
            (_, _text) if *_text == "z" => ("text", 0),
        };
        assert_eq!(arm, ("guard", 2));
        assert_eq!(cx.recv().await, (1, "a"));
        Ok(())
    });
}

/// G10.
#[test]
fn an_arm_may_await_receive_and_return() {
    everywhere(async |mut cx: Cx<u32>| {
        fill(&cx, [1, 2, 3]);
        let sum = receive! { &mut cx;
            2 => {
                let one = cx.recv().await;
                receive! { &mut cx; n => n + one + 2 }
            }
        };
        assert_eq!(sum, 6);
        fill(&cx, [4]);
        receive! { &mut cx; 4 => return Ok(()), _ => () }
        panic!("the arm has returned");
    });
}

/// G10.
#[test]
fn a_selective_receive_waits_for_what_fits() {
    everywhere(async |mut cx: Cx<u32>| {
        let me = cx.addr();
        spawn(async move |mut cx: Cx<()>| {
            for n in 0..100 {
                send(me, n);
                explore::pause().await;
                cx.step().await;
            }
        })?;
        receive! { &mut cx; 99 => () }
        for n in 0..99 {
            assert_eq!(cx.try_recv(), Some(n));
        }
        Ok(())
    });
}

/// G10.
#[test]
fn a_receive_after_zero_looks_once() {
    everywhere(async |mut cx: Cx<u32>| {
        let looked = receive! { &mut cx; n => Some(n); after Duration::ZERO => None };
        assert_eq!(looked, None);
        fill(&cx, [1, 2]);
        let looked = receive! { &mut cx; 2 => Some(2); after Duration::ZERO => None };
        assert_eq!(looked, Some(2));
        let looked = receive! { &mut cx; 2 => Some(2); after Duration::ZERO => None };
        assert_eq!((looked, cx.try_recv()), (None, Some(1)));
        Ok(())
    });
}

/// G10, G15. Messages that do not fit do not move the limit.
#[test]
fn a_receive_that_times_out_leaves_the_mailbox_as_it_is() {
    everywhere(async |mut cx: Cx<u32>| {
        let limit = Duration::from_millis(10);
        let before = time::now();
        cx.send_after(Duration::from_millis(2), 1);
        cx.send_after(Duration::from_millis(4), 2);
        receive! { &mut cx; 3 => panic!("nobody sends it"); after limit => () }
        assert!(time::now() - before >= limit, "not early");
        assert_eq!((cx.try_recv(), cx.try_recv()), (Some(1), Some(2)));
        assert_eq!(cx.recv_timeout(Duration::from_millis(1)).await, None);
        fill(&cx, [3]);
        assert_eq!(cx.recv_timeout(Duration::from_secs(60)).await, Some(3));
        assert_eq!(cx.recv_timeout(Duration::ZERO).await, None);
        Ok(())
    });
}

/// G10.
#[test]
fn a_receive_that_is_dropped_has_taken_nothing() {
    everywhere(async |mut cx: Cx<u32>| {
        look_once(cx.recv());
        look_once(cx.recv_any());
        look_once(cx.recv_info());
        look_once(cx.recv_timeout(Duration::from_secs(60)));
        fill(&cx, [1, 2]);
        look_once(cx.recv_info());
        look_once(async {
            receive! { &mut cx; 3 => () }
        });
        assert_eq!((cx.recv().await, cx.recv().await), (1, 2));
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G10. The dropped receive asked to be woken for a message; that must not disturb what waits now.
#[test]
fn a_sleep_after_a_dropped_receive_lasts_its_time() {
    everywhere(async |mut cx: Cx<u32>| {
        let me = cx.addr();
        look_once(cx.recv());
        spawn(async move |_: Cx<()>| send(me, 1))?;
        let before = time::now();
        cx.sleep(Duration::from_millis(10)).await;
        assert!(time::now() - before >= Duration::from_millis(10));
        assert_eq!(cx.recv().await, 1);
        Ok(())
    });
}

/// G10.
#[test]
fn messages_and_information_come_in_the_order_of_arrival() {
    everywhere(async |mut cx: Cx<u32>| {
        let me = cx.addr();
        cx.trap_exit(true);
        spawn(async move |_: Cx<()>| {
            send(me, 1);
            exit(me, boom());
            send(me, 2);
            exit(me, Exit::Shutdown);
        })?;
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(match cx.recv_any().await {
                Received::Message(n) => n.to_string(),
                Received::Info(Info::Exit(signal)) => signal.reason.to_string(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(seen, ["1", "\"boom\"", "2", "shutdown"]);
        Ok(())
    });
}

/// G10.
#[test]
fn a_receive_of_messages_leaves_information_and_the_other_way_round() {
    everywhere(async |mut cx: Cx<u32>| {
        cx.trap_exit(true);
        let me = cx.pid();
        for n in 1..=2 {
            exit(me, Exit::term(n));
            fill(&cx, [n]);
        }
        assert_eq!(cx.recv().await, 1);
        assert_eq!(trapped(&mut cx).await.reason, Exit::term(1));
        assert_eq!(trapped(&mut cx).await.reason, Exit::term(2));
        assert_eq!(process_info(me).map(|me| me.mailbox), Some(1));
        assert_eq!(cx.try_recv(), Some(2));
        Ok(())
    });
}

/// G3.
#[test]
fn a_guard_that_panics_ends_its_process_only() {
    everywhere(async |mut cx: Cx<u32>| {
        let (child, _) = cx.spawn_monitor(async |mut cx: Cx<u32>| {
            let zero = cx.recv().await;
            receive! { &mut cx; _n if 1 / zero == *_n => () }
        })?;
        send(child, 0);
        send(child, 1);
        let Exit::Panic(report) = down(&mut cx).await.reason else {
            panic!("it divided by zero");
        };
        assert!(
            report.message.contains("divide by zero"),
            "{}",
            report.message
        );
        Ok(())
    });
}

/// G10. Two waits in one process, of which one is a receive.
#[test]
fn a_receive_can_wait_beside_another_future() {
    everywhere(async |mut cx: Cx<u32>| {
        let me = cx.addr();
        for round in 0..10 {
            spawn(async move |_: Cx<()>| send(me, round))?;
            let mut pause = pin!(time::sleep(Duration::from_millis(5)));
            let mut receive = pin!(cx.recv());
            let first = std::future::poll_fn(|context| {
                if let Poll::Ready(n) = receive.as_mut().poll(context) {
                    return Poll::Ready(Some(n));
                }
                pause.as_mut().poll(context).map(|()| None)
            })
            .await;
            let received = match first {
                Some(n) => n,
                None => cx.recv().await,
            };
            assert_eq!(received, round);
        }
        Ok(())
    });
}

/// G10.
#[test]
fn pending_messages_end_with_their_process() {
    everywhere(async |mut cx: Cx<u32>| {
        let (child, _) = cx.spawn_monitor(async |mut cx: Cx<std::sync::Arc<()>>| {
            cx.recv().await;
        })?;
        let shared = std::sync::Arc::new(());
        for _ in 0..100 {
            send(child, std::sync::Arc::clone(&shared));
        }
        assert_eq!(down(&mut cx).await.reason, Exit::Normal);
        assert_eq!(std::sync::Arc::strong_count(&shared), 1);
        Ok(())
    });
}
