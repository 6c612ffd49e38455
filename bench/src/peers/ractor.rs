//! Ractor: an actor for each process. Its mailboxes are always unbounded.
//!
//! The features for spans and clustering are off. The first step of an actor runs in the task that
//! starts it, which `Actor::spawn` awaits.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use ractor::{Actor, ActorProcessingErr, ActorRef, Message, RpcReplyPort, call};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{Countdown, collect, on_worker, runtime, timers_as_tasks};
use crate::samples::{Client, Hogs, Log, TICK};
use crate::workload::{Dice, FAR, Peer, Timers};

/// Ractor on a multi-thread tokio runtime.
pub(crate) struct Ractor {
    runtime: Runtime,
}

type Done = Result<(), ActorProcessingErr>;

async fn spawn<A: Actor>(actor: A, args: A::Arguments) -> ActorRef<A::Msg> {
    let (actor, _) = Actor::spawn(None, actor, args)
        .await
        .expect("an actor without a name starts");
    actor
}

/// Who sends to an actor that has ended learns nothing, as on the BEAM.
fn tell<M: Message>(to: &ActorRef<M>, message: M) {
    let _ = to.cast(message);
}

impl Peer for Ractor {
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
                spawn(Brief, Arc::clone(&countdown)).await;
            }
            countdown.wait().await;
            began.elapsed()
        })
    }

    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>) {
        let (took, actors) = on_worker(&self.runtime, async move {
            let began = Instant::now();
            let mut actors = Vec::with_capacity(n as usize);
            for _ in 0..n {
                actors.push(spawn(Server, ()).await);
            }
            let took = began.elapsed();
            let (tx, mut answers) = mpsc::unbounded_channel();
            for actor in &actors {
                tell(actor, Request::Hello(tx.clone()));
            }
            collect(&mut answers, n).await;
            (took, actors)
        });
        (took, Box::new(actors))
    }

    fn pingpong(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let pinger = spawn(Pinger, ()).await;
            let echo = spawn(Echo, pinger.clone()).await;
            tell(&pinger, Play::Meet(echo));
            rounds(&pinger, warmup).await;
            let began = Instant::now();
            rounds(&pinger, n).await;
            began.elapsed()
        })
    }

    fn call(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let server = spawn(Server, ()).await;
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                call!(server, Request::Ping).expect("the server answers");
            }
            began.elapsed()
        })
    }

    fn fanin(&self, senders: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (counter, counted) = counter(senders * n).await;
            for _ in 0..senders {
                tell(&spawn(Flooder, counter.clone()).await, Flood(n));
            }
            counted.await.expect("the counter counts to its end");
            began.elapsed()
        })
    }

    fn ring(&self, size: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let (done, mut is_done) = mpsc::unbounded_channel();
            // The one that closes the ring takes the token out when its hops are used up.
            let last = spawn(Last, done).await;
            let mut first = last.clone();
            for _ in 1..size {
                first = spawn(Node, first).await;
            }
            tell(&last, Ring::First(first.clone()));
            tell(&first, Ring::Token(size));
            is_done.recv().await;
            let began = Instant::now();
            tell(&first, Ring::Token(n));
            is_done.recv().await;
            began.elapsed()
        })
    }

    fn big(&self, processes: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (finished, mut has_finished) = mpsc::unbounded_channel();
            let all = Arc::new(OnceLock::new());
            let mut actors = Vec::new();
            for me in 0..processes {
                let state = BigState {
                    me: me as usize,
                    all: Arc::clone(&all),
                    dice: Dice::new(me),
                    left: n,
                    finished: finished.clone(),
                };
                actors.push(spawn(Big, state).await);
            }
            let actors = all.get_or_init(|| actors);
            for actor in actors {
                tell(actor, BigMessage::Go);
            }
            collect(&mut has_finished, processes).await;
            for actor in actors {
                actor.stop(None);
            }
            began.elapsed()
        })
    }

    fn pipeline(&self, stages: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (mut first, counted) = counter(n).await;
            for _ in 1..stages {
                first = spawn(Stage, first).await;
            }
            tell(&spawn(Flooder, first).await, Flood(n));
            counted.await.expect("the sink counts to its end");
            began.elapsed()
        })
    }

    fn timers(&self, n: u64) -> Timers {
        on_worker(&self.runtime, async move {
            let (actor, _) = counter(u64::MAX).await;
            timers_as_tasks(n, || actor.send_after(FAR, || Add(0))).await
        })
    }

    fn outside(&self, warmup: u64, n: u64) -> Duration {
        let server = on_worker(&self.runtime, async { spawn(Server, ()).await });
        let mut began = Instant::now();
        for i in 0..warmup + n {
            if i == warmup {
                began = Instant::now();
            }
            // A call has no blocking form; a small executor parks the thread for it.
            block_on(async { call!(server, Request::Ping) }).expect("the server answers");
        }
        began.elapsed()
    }

    fn lateness(&self, log: &Arc<Log>) {
        let _inside = self.runtime.enter();
        for client in log.begin() {
            tell(&block_on(spawn(Waiter, ())), Wait(client));
        }
    }

    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>) {
        let _inside = self.runtime.enter();
        let server = block_on(spawn(Server, ()));
        for i in 0..hogs.len() {
            block_on(spawn(Hog, (Arc::clone(hogs), i)));
        }
        for client in log.begin() {
            tell(&block_on(spawn(Traveller, server.clone())), Wait(client));
        }
    }
}

/// Ends at once, and counts itself when it has.
struct Brief;

impl Actor for Brief {
    type Msg = ();
    type State = Arc<Countdown>;
    type Arguments = Arc<Countdown>;

    async fn pre_start(
        &self,
        me: ActorRef<()>,
        countdown: Arc<Countdown>,
    ) -> Result<Arc<Countdown>, ActorProcessingErr> {
        me.stop(None);
        Ok(countdown)
    }

    async fn post_stop(&self, _: ActorRef<()>, countdown: &mut Arc<Countdown>) -> Done {
        countdown.one_ended();
        Ok(())
    }
}

/// An actor whose state is what it is started with: all the others here are of this kind.
macro_rules! actor {
    ($(#[$doc:meta])* $name:ident, $message:ty, $state:ty, |$me:ident, $m:ident, $own:ident| $handle:expr) => {
        $(#[$doc])*
        struct $name;

        impl Actor for $name {
            type Msg = $message;
            type State = $state;
            type Arguments = $state;

            async fn pre_start(
                &self,
                _: ActorRef<$message>,
                state: $state,
            ) -> Result<$state, ActorProcessingErr> {
                Ok(state)
            }

            async fn handle(&self, $me: ActorRef<$message>, $m: $message, $own: &mut $state) -> Done {
                $handle;
                Ok(())
            }
        }
    };
}

enum Request {
    Ping(RpcReplyPort<()>),
    Hello(mpsc::UnboundedSender<()>),
}

actor!(
    /// Answers.
    Server, Request, (), |_me, request, _own| match request {
        Request::Ping(from) => drop(from.send(())),
        Request::Hello(from) => drop(from.send(())),
    }
);

enum Play {
    Meet(ActorRef<Ball>),
    Rounds(u64, oneshot::Sender<()>),
    Ball(u64),
}
struct Ball(u64);

#[derive(Default)]
struct Pinging {
    echo: Option<ActorRef<Ball>>,
    left: u64,
    done: Option<oneshot::Sender<()>>,
}

impl Pinging {
    fn ping(&self) {
        tell(
            self.echo.as_ref().expect("Meet comes first"),
            Ball(self.left),
        );
    }

    fn handle(&mut self, message: Play) {
        match message {
            Play::Meet(echo) => self.echo = Some(echo),
            Play::Rounds(n, done) => {
                self.left = n;
                self.done = Some(done);
                self.ping();
            }
            Play::Ball(n) => {
                assert_eq!(n, self.left);
                self.left -= 1;
                if self.left > 0 {
                    self.ping();
                } else if let Some(done) = self.done.take() {
                    let _ = done.send(());
                }
            }
        }
    }
}

struct Pinger;

impl Actor for Pinger {
    type Msg = Play;
    type State = Pinging;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Play>, (): ()) -> Result<Pinging, ActorProcessingErr> {
        Ok(Pinging::default())
    }

    async fn handle(&self, _: ActorRef<Play>, message: Play, own: &mut Pinging) -> Done {
        own.handle(message);
        Ok(())
    }
}

actor!(Echo, Ball, ActorRef<Play>, |_me, ball, pinger| tell(
    pinger,
    Play::Ball(ball.0)
));

async fn rounds(pinger: &ActorRef<Play>, n: u64) {
    let (tx, rx) = oneshot::channel();
    tell(pinger, Play::Rounds(n, tx));
    rx.await.expect("the pinger ends its rounds");
}

struct Add(u64);
struct Flood(u64);

async fn counter(n: u64) -> (ActorRef<Add>, oneshot::Receiver<()>) {
    let (tx, rx) = oneshot::channel();
    (spawn(Counter, (n, Some(tx))).await, rx)
}

actor!(
    /// Counts to an end.
    Counter, Add, (u64, Option<oneshot::Sender<()>>), |_me, _add, own| {
        own.0 -= 1;
        if own.0 == 0 && let Some(done) = own.1.take() {
            let _ = done.send(());
        }
    }
);

actor!(
    /// Sends many messages as fast as it can.
    Flooder, Flood, ActorRef<Add>, |_me, flood, to| for x in 0..flood.0 {
        tell(to, Add(x));
    }
);

actor!(
    /// Passes messages on.
    Stage, Add, ActorRef<Add>, |_me, add, next| tell(next, Add(add.0))
);

enum Ring {
    First(ActorRef<Self>),
    Token(u64),
}

actor!(
    Node,
    Ring,
    ActorRef<Ring>,
    |_me, message, next| if let Ring::Token(hops) = message {
        tell(next, Ring::Token(hops.saturating_sub(1)));
    }
);

/// The node that closes the ring.
struct Last;

impl Actor for Last {
    type Msg = Ring;
    type State = (Option<ActorRef<Ring>>, mpsc::UnboundedSender<()>);
    type Arguments = mpsc::UnboundedSender<()>;

    async fn pre_start(
        &self,
        _: ActorRef<Ring>,
        done: mpsc::UnboundedSender<()>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((None, done))
    }

    async fn handle(&self, _: ActorRef<Ring>, message: Ring, own: &mut Self::State) -> Done {
        match (message, &own.0) {
            (Ring::First(first), _) => own.0 = Some(first),
            (Ring::Token(0), _) => drop(own.1.send(())),
            (Ring::Token(hops), Some(first)) => tell(first, Ring::Token(hops - 1)),
            (Ring::Token(_), None) => unreachable!("the ring is closed before the token starts"),
        }
        Ok(())
    }
}

struct BigState {
    me: usize,
    /// Whole before the first message is sent: a ping may come before the own `Go`.
    all: Arc<OnceLock<Vec<ActorRef<BigMessage>>>>,
    dice: Dice,
    left: u64,
    finished: mpsc::UnboundedSender<()>,
}
enum BigMessage {
    Go,
    /// From a place in the common table.
    Ping(usize),
    Pong,
}

impl BigState {
    fn all(&self) -> &[ActorRef<BigMessage>] {
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

actor!(
    Big,
    BigMessage,
    BigState,
    |_me, message, own| match message {
        BigMessage::Go => own.ping(),
        BigMessage::Ping(from) => tell(&own.all()[from], BigMessage::Pong),
        BigMessage::Pong if own.left == 1 => drop(own.finished.send(())),
        BigMessage::Pong => {
            own.left -= 1;
            own.ping();
        }
    }
);

struct Wait(Client);

actor!(
    /// Waits for ticks until its client is over.
    Waiter, Wait, (), |_me, wait, _own| while !wait.0.is_over() {
        let set = Instant::now();
        sleep(TICK).await;
        wait.0.rang(set, Instant::now());
    }
);

actor!(
    /// Waits for ticks, and after each asks the server.
    Traveller, Wait, ActorRef<Request>, |_me, wait, server| while !wait.0.is_over() {
        let set = Instant::now();
        sleep(TICK).await;
        let sent = Instant::now();
        call!(server, Request::Ping).expect("the server answers");
        wait.0.went(set, sent, Instant::now());
    }
);

/// Computes for ever as soon as it has started.
struct Hog;

impl Actor for Hog {
    type Msg = ();
    type State = (Arc<Hogs>, usize);
    type Arguments = (Arc<Hogs>, usize);

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        state: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(state)
    }

    async fn post_start(&self, _: ActorRef<()>, (hogs, i): &mut Self::State) -> Done {
        hogs.spin(*i)
    }
}
