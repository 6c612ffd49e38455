//! Kameo: an actor for each process, with an unbounded mailbox.
//!
//! The default mailbox holds 64 messages: `big` would lock up with it, and a flood would measure the
//! waiting. `try_send` never waits for an unbounded mailbox, and spares the future. The feature
//! `tracing` is off. An actor ends when its last `ActorRef` is dropped, so most have no stop message.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use kameo::mailbox;
use kameo::message::{Context, Message};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{Countdown, collect, on_worker, runtime, timers_as_tasks};
use crate::samples::{Client, Hogs, Log, TICK};
use crate::workload::{Dice, FAR, Peer, Timers};

/// Kameo on a multi-thread tokio runtime.
pub(crate) struct Kameo {
    runtime: Runtime,
}

fn spawn<A: Actor<Args = A>>(actor: A) -> ActorRef<A> {
    A::spawn_with_mailbox(actor, mailbox::unbounded())
}

/// Who sends to an actor that has ended learns nothing, as on the BEAM.
fn tell<A: Message<M>, M: Send + 'static>(to: &ActorRef<A>, message: M) {
    let _ = to.tell(message).try_send();
}

impl Peer for Kameo {
    fn start(workers: usize) -> Self {
        Self {
            runtime: runtime(workers),
        }
    }

    fn spawn(&self, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let countdown = Arc::new(Countdown::new(n));
            for _ in 0..n {
                // The only reference is dropped at once, which ends the actor.
                drop(spawn(Brief(Arc::clone(&countdown))));
            }
            countdown.wait().await;
            began.elapsed()
        })
    }

    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>) {
        let (took, actors) = on_worker(&self.runtime, async move {
            let began = Instant::now();
            let actors: Vec<_> = (0..n).map(|_| spawn(Server)).collect();
            let took = began.elapsed();
            let (tx, mut answers) = mpsc::unbounded_channel();
            for actor in &actors {
                tell(actor, Hello(tx.clone()));
            }
            collect(&mut answers, n).await;
            (took, actors)
        });
        (took, Box::new(actors))
    }

    fn pingpong(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            // Each has the other's reference, so that none travels with the messages.
            let prepared = Pinger::prepare_with_mailbox(mailbox::unbounded());
            let pinger = prepared.actor_ref().clone();
            let echo = spawn(Echo(pinger.clone()));
            prepared.spawn(Pinger {
                echo,
                left: 0,
                done: None,
            });
            rounds(&pinger, warmup).await;
            let began = Instant::now();
            rounds(&pinger, n).await;
            began.elapsed()
        })
    }

    fn call(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let server = spawn(Server);
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                server.ask(Ping).send().await.expect("the server answers");
            }
            began.elapsed()
        })
    }

    fn fanin(&self, senders: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (counter, counted) = counter(senders * n);
            for _ in 0..senders {
                tell(&spawn(Flooder(counter.clone())), Flood(n));
            }
            counted.await.expect("the counter counts to its end");
            began.elapsed()
        })
    }

    fn ring(&self, size: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let (done, mut is_done) = mpsc::unbounded_channel();
            // The one that closes the ring takes the token out when its hops are used up.
            let last = spawn(Node {
                next: None,
                done: Some(done),
            });
            let first = (1..size).fold(last.clone(), |next, _| {
                spawn(Node {
                    next: Some(next),
                    done: None,
                })
            });
            tell(&last, First(first.clone()));
            tell(&first, Token(size));
            is_done.recv().await;
            let began = Instant::now();
            tell(&first, Token(n));
            is_done.recv().await;
            began.elapsed()
        })
    }

    fn big(&self, processes: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (finished, mut has_finished) = mpsc::unbounded_channel();
            let all = Arc::new(OnceLock::new());
            let actors: Vec<_> = (0..processes)
                .map(|me| {
                    spawn(Big {
                        me: me as usize,
                        all: Arc::clone(&all),
                        dice: Dice::new(me),
                        left: n,
                        finished: finished.clone(),
                    })
                })
                .collect();
            let actors = all.get_or_init(|| actors);
            for actor in actors {
                tell(actor, BigMessage::Go);
            }
            collect(&mut has_finished, processes).await;
            for actor in actors {
                tell(actor, BigMessage::Stop);
            }
            began.elapsed()
        })
    }

    fn pipeline(&self, stages: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (sink, counted) = counter(n);
            // Stages are of two types, and a reference names the type.
            let last = spawn(Stage::Last(sink));
            let first = (2..stages).fold(last, |next, _| spawn(Stage::Inner(next)));
            tell(&spawn(Flooder(first)), Flood(n));
            counted.await.expect("the sink counts to its end");
            began.elapsed()
        })
    }

    fn timers(&self, n: u64) -> Timers {
        on_worker(&self.runtime, async move {
            let actor = spawn(Server);
            timers_as_tasks(n, || actor.tell(Ping).send_after(FAR)).await
        })
    }

    fn outside(&self, warmup: u64, n: u64) -> Duration {
        let server = on_worker(&self.runtime, async { spawn(Server) });
        let mut began = Instant::now();
        for i in 0..warmup + n {
            if i == warmup {
                began = Instant::now();
            }
            let answer = server.ask(Ping).blocking_send();
            answer.expect("the server answers");
        }
        began.elapsed()
    }

    fn lateness(&self, log: &Arc<Log>) {
        let _inside = self.runtime.enter();
        for client in log.begin() {
            tell(&spawn(Waiter), Wait(client));
        }
    }

    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>) {
        let _inside = self.runtime.enter();
        let server = spawn(Server);
        for i in 0..hogs.len() {
            tell(&spawn(Hog(Arc::clone(hogs))), Spin(i));
        }
        for client in log.begin() {
            let traveller = spawn(Traveller(server.clone()));
            tell(&traveller, Wait(client));
        }
    }
}

/// Ends at once, and counts itself when it has.
struct Brief(Arc<Countdown>);

impl Actor for Brief {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(own: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(own)
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), Infallible> {
        self.0.one_ended();
        Ok(())
    }
}

/// Answers: a `Ping` that was asked, and a `Hello` to the one it names.
#[derive(Actor)]
struct Server;
struct Ping;
struct Hello(mpsc::UnboundedSender<()>);

impl Message<Ping> for Server {
    type Reply = ();

    async fn handle(&mut self, _: Ping, _: &mut Context<Self, ()>) {}
}

impl Message<Hello> for Server {
    type Reply = ();

    async fn handle(&mut self, Hello(from): Hello, _: &mut Context<Self, ()>) {
        let _ = from.send(());
    }
}

#[derive(Actor)]
struct Pinger {
    echo: ActorRef<Echo>,
    left: u64,
    done: Option<oneshot::Sender<()>>,
}
#[derive(Actor)]
struct Echo(ActorRef<Pinger>);
struct Rounds(u64, oneshot::Sender<()>);
struct Ball(u64);

async fn rounds(pinger: &ActorRef<Pinger>, n: u64) {
    let (tx, rx) = oneshot::channel();
    tell(pinger, Rounds(n, tx));
    rx.await.expect("the pinger ends its rounds");
}

impl Message<Rounds> for Pinger {
    type Reply = ();

    async fn handle(&mut self, Rounds(n, done): Rounds, _: &mut Context<Self, ()>) {
        self.left = n;
        self.done = Some(done);
        tell(&self.echo, Ball(n));
    }
}

impl Message<Ball> for Pinger {
    type Reply = ();

    async fn handle(&mut self, Ball(n): Ball, _: &mut Context<Self, ()>) {
        assert_eq!(n, self.left);
        self.left -= 1;
        if self.left > 0 {
            tell(&self.echo, Ball(self.left));
        } else if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
    }
}

impl Message<Ball> for Echo {
    type Reply = ();

    async fn handle(&mut self, ball: Ball, _: &mut Context<Self, ()>) {
        tell(&self.0, ball);
    }
}

/// Counts to an end.
#[derive(Actor)]
struct Counter {
    left: u64,
    done: Option<oneshot::Sender<()>>,
}
struct Add(#[expect(dead_code, reason = "carried, as in every peer")] u64);

fn counter(n: u64) -> (ActorRef<Counter>, oneshot::Receiver<()>) {
    let (tx, rx) = oneshot::channel();
    let counter = spawn(Counter {
        left: n,
        done: Some(tx),
    });
    (counter, rx)
}

impl Message<Add> for Counter {
    type Reply = ();

    async fn handle(&mut self, _: Add, _: &mut Context<Self, ()>) {
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(());
        }
    }
}

/// Sends many messages as fast as it can.
#[derive(Actor)]
struct Flooder<A: Actor>(ActorRef<A>);
struct Flood(u64);

impl<A: Message<Add>> Message<Flood> for Flooder<A> {
    type Reply = ();

    async fn handle(&mut self, Flood(n): Flood, _: &mut Context<Self, ()>) {
        for x in 0..n {
            tell(&self.0, Add(x));
        }
    }
}

/// Passes messages on.
#[derive(Actor)]
enum Stage {
    Inner(ActorRef<Self>),
    Last(ActorRef<Counter>),
}

impl Message<Add> for Stage {
    type Reply = ();

    async fn handle(&mut self, add: Add, _: &mut Context<Self, ()>) {
        match self {
            Self::Inner(next) => tell(next, add),
            Self::Last(sink) => tell(sink, add),
        }
    }
}

#[derive(Actor)]
struct Node {
    next: Option<ActorRef<Self>>,
    /// Only the one that closes the ring has it.
    done: Option<mpsc::UnboundedSender<()>>,
}
struct Token(u64);
struct First(ActorRef<Node>);

impl Message<First> for Node {
    type Reply = ();

    async fn handle(&mut self, First(first): First, _: &mut Context<Self, ()>) {
        self.next = Some(first);
    }
}

impl Message<Token> for Node {
    type Reply = ();

    async fn handle(&mut self, Token(hops): Token, _: &mut Context<Self, ()>) {
        match (&self.done, &self.next) {
            (Some(done), _) if hops == 0 => drop(done.send(())),
            (_, Some(next)) => tell(next, Token(hops.saturating_sub(1))),
            (_, None) => unreachable!("the ring is closed before the token starts"),
        }
    }
}

#[derive(Actor)]
struct Big {
    me: usize,
    /// Whole before the first message is sent: a ping may come before the own `Go`.
    all: Arc<OnceLock<Vec<ActorRef<Self>>>>,
    dice: Dice,
    left: u64,
    finished: mpsc::UnboundedSender<()>,
}
enum BigMessage {
    Go,
    /// From a place in the common table.
    Ping(usize),
    Pong,
    Stop,
}

impl Big {
    fn all(&self) -> &[ActorRef<Self>] {
        self.all
            .get()
            .expect("all are there before the first message")
    }

    fn ping(&mut self) {
        let sides = self.all().len();
        let to = self.dice.roll(sides);
        tell(&self.all()[to], BigMessage::Ping(self.me));
    }
}

impl Message<BigMessage> for Big {
    type Reply = ();

    async fn handle(&mut self, message: BigMessage, cx: &mut Context<Self, ()>) {
        match message {
            BigMessage::Go => self.ping(),
            BigMessage::Ping(from) => tell(&self.all()[from], BigMessage::Pong),
            BigMessage::Pong if self.left == 1 => drop(self.finished.send(())),
            BigMessage::Pong => {
                self.left -= 1;
                self.ping();
            }
            BigMessage::Stop => cx.stop(),
        }
    }
}

/// Waits for ticks until its client is over.
#[derive(Actor)]
struct Waiter;
struct Wait(Client);

impl Message<Wait> for Waiter {
    type Reply = ();

    async fn handle(&mut self, Wait(client): Wait, _: &mut Context<Self, ()>) {
        while !client.is_over() {
            let set = Instant::now();
            sleep(TICK).await;
            client.rang(set, Instant::now());
        }
    }
}

/// Waits for ticks, and after each asks the server.
#[derive(Actor)]
struct Traveller(ActorRef<Server>);

impl Message<Wait> for Traveller {
    type Reply = ();

    async fn handle(&mut self, Wait(client): Wait, _: &mut Context<Self, ()>) {
        while !client.is_over() {
            let set = Instant::now();
            sleep(TICK).await;
            let sent = Instant::now();
            self.0.ask(Ping).send().await.expect("the server answers");
            client.went(set, sent, Instant::now());
        }
    }
}

#[derive(Actor)]
struct Hog(Arc<Hogs>);
struct Spin(usize);

impl Message<Spin> for Hog {
    type Reply = ();

    async fn handle(&mut self, Spin(i): Spin, _: &mut Context<Self, ()>) {
        self.0.spin(i)
    }
}
