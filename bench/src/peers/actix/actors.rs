//! The actors, and what they say to each other.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, SpawnHandle};
use tokio::sync::{mpsc, oneshot};

use super::super::Countdown;
use crate::samples::{Client, Hogs, TICK};
use crate::workload::{Dice, FAR};

/// An actor with the usual context.
macro_rules! actor {
    ($name:ident) => {
        impl Actor for $name {
            type Context = Context<Self>;
        }
    };
}

/// Ends at once, and counts itself when it has.
pub(super) struct Brief(pub(super) Arc<Countdown>);

impl Actor for Brief {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.stop();
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.0.one_ended();
    }
}

/// Answers: a `Ping` that was asked, and a `Hello` to the one it names.
pub(super) struct Server;
actor!(Server);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ping;
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Hello(pub(super) mpsc::UnboundedSender<()>);

impl Handler<Ping> for Server {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

impl Handler<Hello> for Server {
    type Result = ();

    fn handle(&mut self, Hello(from): Hello, _: &mut Context<Self>) {
        let _ = from.send(());
    }
}

#[derive(Default)]
pub(super) struct Pinger {
    echo: Option<Addr<Echo>>,
    left: u64,
    done: Option<oneshot::Sender<()>>,
}
actor!(Pinger);
pub(super) struct Echo(pub(super) Addr<Pinger>);
actor!(Echo);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Meet(pub(super) Addr<Echo>);
#[derive(Message)]
#[rtype(result = "()")]
struct Rounds(u64, oneshot::Sender<()>);
#[derive(Message)]
#[rtype(result = "()")]
struct Ball(u64);

pub(super) async fn rounds(pinger: &Addr<Pinger>, n: u64) {
    let (tx, rx) = oneshot::channel();
    pinger.do_send(Rounds(n, tx));
    rx.await.expect("the pinger ends its rounds");
}

impl Pinger {
    fn ping(&self) {
        let echo = self.echo.as_ref().expect("Meet comes first");
        echo.do_send(Ball(self.left));
    }
}

impl Handler<Meet> for Pinger {
    type Result = ();

    fn handle(&mut self, Meet(echo): Meet, _: &mut Context<Self>) {
        self.echo = Some(echo);
    }
}

impl Handler<Rounds> for Pinger {
    type Result = ();

    fn handle(&mut self, Rounds(n, done): Rounds, _: &mut Context<Self>) {
        self.left = n;
        self.done = Some(done);
        self.ping();
    }
}

impl Handler<Ball> for Pinger {
    type Result = ();

    fn handle(&mut self, Ball(n): Ball, _: &mut Context<Self>) {
        assert_eq!(n, self.left);
        self.left -= 1;
        if self.left > 0 {
            self.ping();
        } else if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
    }
}

impl Handler<Ball> for Echo {
    type Result = ();

    fn handle(&mut self, ball: Ball, _: &mut Context<Self>) {
        self.0.do_send(ball);
    }
}

/// Counts to an end.
pub(super) struct Counter {
    left: u64,
    done: Option<oneshot::Sender<()>>,
}
actor!(Counter);

impl Counter {
    pub(super) fn new(n: u64, done: oneshot::Sender<()>) -> Self {
        Self {
            left: n,
            done: Some(done),
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Add(#[expect(dead_code, reason = "carried, as in every peer")] u64);

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, _: Add, _: &mut Context<Self>) {
        self.left -= 1;
        if self.left == 0
            && let Some(done) = self.done.take()
        {
            let _ = done.send(());
        }
    }
}

/// Where numbers go; cheaper than a `Recipient`, which is a trait object.
pub(super) enum Next {
    Stage(Addr<Stage>),
    Counter(Addr<Counter>),
}

impl Next {
    fn send(&self, add: Add) {
        match self {
            Self::Stage(stage) => stage.do_send(add),
            Self::Counter(counter) => counter.do_send(add),
        }
    }
}

/// Passes messages on.
pub(super) struct Stage(pub(super) Next);
actor!(Stage);

impl Handler<Add> for Stage {
    type Result = ();

    fn handle(&mut self, add: Add, _: &mut Context<Self>) {
        self.0.send(add);
    }
}

/// Sends many messages as fast as it can.
pub(super) struct Flooder(pub(super) Next);
actor!(Flooder);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Flood(pub(super) u64);

impl Handler<Flood> for Flooder {
    type Result = ();

    fn handle(&mut self, Flood(n): Flood, _: &mut Context<Self>) {
        for x in 0..n {
            self.0.send(Add(x));
        }
    }
}

/// A node of the ring.
pub(super) struct Node {
    pub(super) next: Option<Addr<Self>>,
    /// Only the one that closes the ring has it.
    pub(super) done: Option<mpsc::UnboundedSender<()>>,
}
actor!(Node);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct First(pub(super) Addr<Node>);
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Token(pub(super) u64);

impl Handler<First> for Node {
    type Result = ();

    fn handle(&mut self, First(first): First, _: &mut Context<Self>) {
        self.next = Some(first);
    }
}

impl Handler<Token> for Node {
    type Result = ();

    fn handle(&mut self, Token(hops): Token, _: &mut Context<Self>) {
        match (&self.done, &self.next) {
            (Some(done), _) if hops == 0 => drop(done.send(())),
            (_, Some(next)) => next.do_send(Token(hops.saturating_sub(1))),
            (_, None) => unreachable!("the ring is closed before the token starts"),
        }
    }
}

/// One of the crowd in which each pings random others.
pub(super) struct Big {
    pub(super) me: usize,
    /// Whole before the first message is sent: a ping may come before the own `Go`.
    pub(super) all: Arc<OnceLock<Vec<Addr<Self>>>>,
    pub(super) dice: Dice,
    pub(super) left: u64,
    pub(super) finished: mpsc::UnboundedSender<()>,
}
actor!(Big);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum BigMessage {
    Go,
    /// From a place in the common table: to clone an address allocates.
    Ping(usize),
    Pong,
    Stop,
}

impl Big {
    fn all(&self) -> &[Addr<Self>] {
        self.all
            .get()
            .expect("all are there before the first message")
    }

    fn ping(&mut self) {
        let sides = self.all().len();
        let to = self.dice.roll(sides);
        self.all()[to].do_send(BigMessage::Ping(self.me));
    }
}

impl Handler<BigMessage> for Big {
    type Result = ();

    fn handle(&mut self, message: BigMessage, cx: &mut Context<Self>) {
        match message {
            BigMessage::Go => self.ping(),
            BigMessage::Ping(from) => self.all()[from].do_send(BigMessage::Pong),
            BigMessage::Pong if self.left == 1 => drop(self.finished.send(())),
            BigMessage::Pong => {
                self.left -= 1;
                self.ping();
            }
            BigMessage::Stop => cx.stop(),
        }
    }
}

/// Holds a share of all timers.
pub(super) struct Holder {
    share: u64,
    timers: Vec<SpawnHandle>,
}
actor!(Holder);

impl Holder {
    pub(super) fn new(share: u64) -> Self {
        Self {
            share,
            timers: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub(super) enum Hold {
    Start,
    Cancel,
    Nothing,
}

impl Handler<Hold> for Holder {
    type Result = ();

    fn handle(&mut self, hold: Hold, cx: &mut Context<Self>) {
        match hold {
            Hold::Start => {
                let timers = (0..self.share).map(|_| cx.notify_later(Hold::Nothing, FAR));
                self.timers = timers.collect();
            }
            Hold::Cancel => {
                for timer in self.timers.drain(..) {
                    cx.cancel_future(timer);
                }
            }
            Hold::Nothing => {}
        }
    }
}

/// Waits for ticks, and after each asks the server if it has one, until its client is over.
pub(super) struct Waiter {
    pub(super) client: Client,
    pub(super) server: Option<Addr<Server>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Tick(Instant);

impl Actor for Waiter {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Context<Self>) {
        self.wait(cx);
    }
}

impl Waiter {
    fn wait(&self, cx: &mut Context<Self>) {
        if self.client.is_over() {
            cx.stop();
        } else {
            cx.notify_later(Tick(Instant::now()), TICK);
        }
    }
}

impl Handler<Tick> for Waiter {
    type Result = ();

    fn handle(&mut self, Tick(set): Tick, cx: &mut Context<Self>) {
        let rang = Instant::now();
        match &self.server {
            None => {
                self.client.rang(set, rang);
                self.wait(cx);
            }
            Some(server) => {
                let asked = wrap_future(server.send(Ping));
                cx.spawn(ActorFutureExt::map(
                    asked,
                    move |answer, own: &mut Self, cx: &mut Context<Self>| {
                        answer.expect("the server answers");
                        own.client.went(set, rang, Instant::now());
                        own.wait(cx);
                    },
                ));
            }
        }
    }
}

pub(super) struct Hog(pub(super) usize, pub(super) Arc<Hogs>);

impl Actor for Hog {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.1.spin(self.0)
    }
}
