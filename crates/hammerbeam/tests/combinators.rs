//! Receives, calls and sleeps inside other futures that have wakers of their own, as `FuturesUnordered` and `select!` have.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{Addr, Cx, Exit, Reply, call, send, spawn, time};

/// Polls a future only after *its* waker fired, and not whenever the process is polled: what a `FuturesUnordered` does.
struct OnlyWhenWoken<F> {
    future: Pin<Box<F>>,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    outer: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set.store(true, Ordering::SeqCst);
        if let Some(outer) = self.outer.lock().unwrap().take() {
            outer.wake();
        }
    }
}

impl<F: Future> OnlyWhenWoken<F> {
    fn new(future: F) -> Self {
        let woken = Arc::new(Flag::default());
        woken.set.store(true, Ordering::SeqCst);
        Self {
            future: Box::pin(future),
            woken,
        }
    }
}

impl<F: Future> Future for OnlyWhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        *self.woken.outer.lock().unwrap() = Some(context.waker().clone());
        if !self.woken.set.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// Waits for both, polling each whenever the process is polled.
async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let mut one = Box::pin(one);
    let mut other = Box::pin(other);
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = other.as_mut().poll(context)
        {
            second = Some(value);
        }
        if first.is_some() && second.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (first.unwrap(), second.unwrap())
}

/// G10. A receive is woken by a message though the process was polled for other things in between.
#[test]
fn a_receive_inside_another_executor_is_woken() {
    for seed in 0..200 {
        let got = Deterministic::new(seed).run(async |mut cx: Cx<u32>| {
            let main = cx.addr();
            spawn(async move |mut cx: Cx<()>| {
                cx.sleep(Duration::from_millis(50)).await;
                send(main, 7);
            })
            .unwrap();
            let ticks = async {
                for _ in 0..5 {
                    time::sleep(Duration::from_millis(10)).await;
                }
            };
            both(OnlyWhenWoken::new(cx.recv()), ticks).await.0
        });
        assert_eq!(got, Ok(7));
    }
}

/// G15. So is a sleep, and each of several.
#[test]
fn sleeps_inside_another_executor_end() {
    let passed = Deterministic::new(1).run(async |_: Cx<()>| {
        let begin = time::now();
        let long = OnlyWhenWoken::new(time::sleep(Duration::from_secs(20)));
        let short = OnlyWhenWoken::new(time::sleep(Duration::from_secs(10)));
        both(long, short).await;
        time::now() - begin
    });
    let passed = passed.unwrap();
    assert!(
        passed >= Duration::from_secs(20) && passed < Duration::from_secs(21),
        "{passed:?}"
    );
}

/// G13. So are calls, answered in another order than they were made.
#[test]
fn calls_inside_another_executor_are_answered() {
    for seed in 0..200 {
        let answers = Deterministic::new(seed).run(async |_: Cx<()>| {
            let server: Addr<(u64, Reply<u64>)> = spawn(async |mut cx: Cx<(u64, Reply<u64>)>| {
                loop {
                    let (n, reply) = cx.recv().await;
                    spawn(async move |mut cx: Cx<()>| {
                        cx.sleep(Duration::from_millis(100 - n)).await;
                        reply.send(n);
                    })?;
                }
                #[allow(unreachable_code)]
                Ok::<_, Exit>(())
            })
            .unwrap();
            let ask = |n| OnlyWhenWoken::new(call(server, |reply| (n, reply)).start());
            both(ask(1), both(ask(90), ask(50))).await
        });
        assert_eq!(answers, Ok((Ok(1), (Ok(90), Ok(50)))));
    }
}

/// G10. A receive that is dropped before it returns has taken nothing.
#[test]
fn a_cancelled_receive_loses_no_message() {
    for seed in 0..200 {
        let sum = Deterministic::new(seed).run(async |mut cx: Cx<u32>| {
            let main = cx.addr();
            spawn(async move |mut cx: Cx<()>| {
                for n in 1..=50 {
                    send(main, n);
                    cx.sleep(Duration::from_millis(hammerbeam::world::random() % 3))
                        .await;
                }
            })
            .unwrap();
            let mut sum = 0;
            while sum < 50 * 51 / 2 {
                // A receive that loses the race against a sleep is dropped.
                if let Some(n) = cx.recv_timeout(Duration::from_millis(1)).await {
                    sum += n;
                }
            }
            sum
        });
        assert_eq!(sum, Ok(50 * 51 / 2));
    }
}
