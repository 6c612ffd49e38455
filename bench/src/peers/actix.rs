//! Actix: actors on arbiters, which are threads with an event loop each.
//!
//! An actor never changes its thread, so where each one lives is part of the program. Here all that
//! talk to each other live on one arbiter, for speed: on two, `big` took four times as long and
//! `pipeline` half as long again, because a wake-up of another thread costs more than the work. The
//! senders of `fanin`, idle actors and the clients of the timed workloads are spread over all.
//! `do_send` ignores the mailbox's bound, as the BEAM's send has none. Answers to the main program go
//! by tokio's channels.

mod actors;

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter, Context, System, SystemRunner};
use futures::executor::block_on;
use tokio::sync::{mpsc, oneshot};

use self::actors::{
    Big, BigMessage, Brief, Counter, Echo, First, Flood, Flooder, Hello, Hog, Hold, Holder, Meet,
    Next, Node, Ping, Pinger, Server, Stage, Token, Waiter, rounds,
};
use super::{Countdown, collect};
use crate::report;
use crate::samples::{Hogs, Log};
use crate::workload::{Dice, Peer, Timers};

/// A system whose arbiters are the workers.
pub(crate) struct Actix {
    system: SystemRunner,
    arbiters: Vec<Arbiter>,
}

impl Actix {
    /// Starts an actor on the `i`th arbiter, counted round.
    fn start_on<A>(&self, i: u64, actor: A) -> Addr<A>
    where
        A: Actor<Context = Context<A>> + Send,
    {
        let arbiter = &self.arbiters[i as usize % self.arbiters.len()];
        A::start_in_arbiter(&arbiter.handle(), move |_| actor)
    }

    /// Runs a future on the first arbiter and waits for it.
    fn on_arbiter<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (tx, rx) = oneshot::channel();
        self.arbiters[0].spawn(async move { drop(tx.send(future.await)) });
        self.system.block_on(rx).expect("the arbiter lives")
    }

    /// Asks all holders, and asks again for nothing: the second answers come when the contexts have
    /// looked at the timers that the first question brought.
    fn ask_all(&self, holders: &[Addr<Holder>], what: Hold) {
        self.system.block_on(async {
            for question in [what, Hold::Nothing] {
                let asked: Vec<_> = holders.iter().map(|holder| holder.send(question)).collect();
                for answer in asked {
                    answer.await.expect("the holder answers");
                }
            }
        });
    }
}

impl Peer for Actix {
    fn start(workers: usize) -> Self {
        let system = System::new();
        let arbiters = (0..workers).map(|_| Arbiter::new()).collect();
        Self { system, arbiters }
    }

    /// One future per arbiter starts its share, in batches: an event loop that starts a million
    /// actors at one go would run none of them before the end.
    fn spawn(&self, n: u64) -> Duration {
        let began = Instant::now();
        let countdown = Arc::new(Countdown::new(n));
        let workers = self.arbiters.len() as u64;
        for (arbiter, i) in self.arbiters.iter().zip(0..) {
            let share = n * (i + 1) / workers - n * i / workers;
            let countdown = Arc::clone(&countdown);
            arbiter.spawn(async move {
                for i in 0..share {
                    Brief(Arc::clone(&countdown)).start();
                    if i % 64 == 63 {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        self.system.block_on(countdown.wait());
        began.elapsed()
    }

    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>) {
        let began = Instant::now();
        let actors: Vec<_> = (0..n).map(|i| self.start_on(i, Server)).collect();
        let took = began.elapsed();
        let (tx, mut answers) = mpsc::unbounded_channel();
        for actor in &actors {
            actor.do_send(Hello(tx.clone()));
        }
        self.system.block_on(collect(&mut answers, n));
        (took, Box::new(actors))
    }

    fn pingpong(&self, warmup: u64, n: u64) -> Duration {
        let pinger = self.start_on(0, Pinger::default());
        let echo = self.start_on(0, Echo(pinger.clone()));
        pinger.do_send(Meet(echo));
        self.on_arbiter(async move {
            rounds(&pinger, warmup).await;
            let began = Instant::now();
            rounds(&pinger, n).await;
            began.elapsed()
        })
    }

    fn call(&self, warmup: u64, n: u64) -> Duration {
        let server = self.start_on(0, Server);
        self.on_arbiter(async move {
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                server.send(Ping).await.expect("the server answers");
            }
            began.elapsed()
        })
    }

    fn fanin(&self, senders: u64, n: u64) -> Duration {
        let began = Instant::now();
        let (tx, rx) = oneshot::channel();
        let counter = self.start_on(0, Counter::new(senders * n, tx));
        for i in 0..senders {
            let flooder = self.start_on(i, Flooder(Next::Counter(counter.clone())));
            flooder.do_send(Flood(n));
        }
        self.system
            .block_on(rx)
            .expect("the counter counts to its end");
        began.elapsed()
    }

    fn ring(&self, size: u64, n: u64) -> Duration {
        let (done, mut is_done) = mpsc::unbounded_channel();
        // The one that closes the ring takes the token out when its hops are used up.
        let last = self.start_on(
            0,
            Node {
                next: None,
                done: Some(done),
            },
        );
        let first = (1..size).fold(last.clone(), |next, _| {
            self.start_on(
                0,
                Node {
                    next: Some(next),
                    done: None,
                },
            )
        });
        last.do_send(First(first.clone()));
        self.on_arbiter(async move {
            first.do_send(Token(size));
            is_done.recv().await;
            let began = Instant::now();
            first.do_send(Token(n));
            is_done.recv().await;
            began.elapsed()
        })
    }

    fn big(&self, processes: u64, n: u64) -> Duration {
        let began = Instant::now();
        let (finished, mut has_finished) = mpsc::unbounded_channel();
        let all = Arc::new(OnceLock::new());
        let actors: Vec<_> = (0..processes)
            .map(|me| {
                let big = Big {
                    me: me as usize,
                    all: Arc::clone(&all),
                    dice: Dice::new(me),
                    left: n,
                    finished: finished.clone(),
                };
                self.start_on(0, big)
            })
            .collect();
        let actors = all.get_or_init(|| actors);
        for actor in actors {
            actor.do_send(BigMessage::Go);
        }
        self.system.block_on(collect(&mut has_finished, processes));
        for actor in actors {
            actor.do_send(BigMessage::Stop);
        }
        began.elapsed()
    }

    fn pipeline(&self, stages: u64, n: u64) -> Duration {
        let began = Instant::now();
        let (tx, rx) = oneshot::channel();
        let sink = self.start_on(0, Counter::new(n, tx));
        let first = (1..stages).fold(Next::Counter(sink), |next, _| {
            Next::Stage(self.start_on(0, Stage(next)))
        });
        self.start_on(0, Flooder(first)).do_send(Flood(n));
        self.system
            .block_on(rx)
            .expect("the sink counts to its end");
        began.elapsed()
    }

    /// Spread over many actors, because a context looks at each of its futures whenever it runs, and
    /// searches among them for each one that is cancelled. The actors are there before the clock
    /// starts; their memory, a hundredth of theirs for each timer, is counted.
    fn timers(&self, n: u64) -> Timers {
        let actors = n.div_ceil(100);
        let holders: Vec<_> = (0..actors)
            .map(|i| self.start_on(i, Holder::new(n * (i + 1) / actors - n * i / actors)))
            .collect();
        self.ask_all(&holders, Hold::Nothing);
        let began = Instant::now();
        self.ask_all(&holders, Hold::Start);
        let start = began.elapsed();
        let full_rss = report::rss();
        let began = Instant::now();
        self.ask_all(&holders, Hold::Cancel);
        Timers {
            start,
            cancel: began.elapsed(),
            full_rss,
        }
    }

    fn outside(&self, warmup: u64, n: u64) -> Duration {
        let server = self.start_on(0, Server);
        let mut began = Instant::now();
        for i in 0..warmup + n {
            if i == warmup {
                began = Instant::now();
            }
            // A request has no blocking form; a small executor parks the thread for it.
            block_on(server.send(Ping)).expect("the server answers");
        }
        began.elapsed()
    }

    fn lateness(&self, log: &Arc<Log>) {
        for (client, i) in log.begin().zip(0..) {
            self.start_on(
                i,
                Waiter {
                    client,
                    server: None,
                },
            );
        }
    }

    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>) {
        let server = self.start_on(0, Server);
        for i in 0..hogs.len() {
            // From the second one on: a single hog leaves the server alone.
            self.start_on(i as u64 + 1, Hog(i, Arc::clone(hogs)));
        }
        for (client, i) in log.begin().zip(0..) {
            let server = Some(server.clone());
            self.start_on(i, Waiter { client, server });
        }
    }
}
