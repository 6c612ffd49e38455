//! Plain tokio: a task for each process, a channel for each mailbox, a oneshot for each answer.
//!
//! Twice, with unbounded channels as the BEAM's mailboxes are, and with bounded ones, which are what
//! most programs should use and which keep floods small. A process is found by its channel; where
//! two know each other from the start no address travels with the messages.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep};

use super::{Countdown, collect, on_worker, runtime};
use crate::report;
use crate::samples::{Hogs, Log, TICK};
use crate::workload::{Dice, FAR, Peer, Timers};

/// Tokio with unbounded channels.
pub(crate) type Unbounded = Tokio<UnboundedChannel>;
/// Tokio with bounded channels.
pub(crate) type Bounded = Tokio<BoundedChannel>;

/// Tokio with one kind of channel.
pub(crate) struct Tokio<C> {
    runtime: Runtime,
    channel: PhantomData<C>,
}

/// A kind of channel.
pub(crate) trait Channel: 'static {
    type Tx<M: Send + 'static>: Tx<M>;
    type Rx<M: Send + 'static>: Rx<M>;

    fn channel<M: Send + 'static>() -> (Self::Tx<M>, Self::Rx<M>);
}

/// The sending side of a mailbox. Who sends to a task that has ended learns nothing, as on the BEAM.
pub(crate) trait Tx<M>: Clone + Send + Sync + 'static {
    fn send(&self, message: M) -> impl Future<Output = ()> + Send;
    fn send_blocking(&self, message: M);
}

/// The mailbox.
pub(crate) trait Rx<M>: Send + 'static {
    fn recv(&mut self) -> impl Future<Output = Option<M>> + Send;
}

pub(crate) struct UnboundedChannel;

impl Channel for UnboundedChannel {
    type Tx<M: Send + 'static> = mpsc::UnboundedSender<M>;
    type Rx<M: Send + 'static> = mpsc::UnboundedReceiver<M>;

    fn channel<M: Send + 'static>() -> (Self::Tx<M>, Self::Rx<M>) {
        mpsc::unbounded_channel()
    }
}

impl<M: Send + 'static> Tx<M> for mpsc::UnboundedSender<M> {
    fn send(&self, message: M) -> impl Future<Output = ()> + Send {
        let _ = Self::send(self, message);
        std::future::ready(())
    }

    fn send_blocking(&self, message: M) {
        let _ = Self::send(self, message);
    }
}

impl<M: Send + 'static> Rx<M> for mpsc::UnboundedReceiver<M> {
    fn recv(&mut self) -> impl Future<Output = Option<M>> + Send {
        Self::recv(self)
    }
}

pub(crate) struct BoundedChannel;

/// More than the 1000 messages that may wait for one process of `big`, so that it cannot lock up.
const CAPACITY: usize = 1024;

impl Channel for BoundedChannel {
    type Tx<M: Send + 'static> = mpsc::Sender<M>;
    type Rx<M: Send + 'static> = mpsc::Receiver<M>;

    fn channel<M: Send + 'static>() -> (Self::Tx<M>, Self::Rx<M>) {
        mpsc::channel(CAPACITY)
    }
}

impl<M: Send + 'static> Tx<M> for mpsc::Sender<M> {
    async fn send(&self, message: M) {
        let _ = Self::send(self, message).await;
    }

    fn send_blocking(&self, message: M) {
        let _ = self.blocking_send(message);
    }
}

impl<M: Send + 'static> Rx<M> for mpsc::Receiver<M> {
    fn recv(&mut self) -> impl Future<Output = Option<M>> + Send {
        Self::recv(self)
    }
}

impl<C: Channel> Peer for Tokio<C> {
    fn start(workers: usize) -> Self {
        Self {
            runtime: runtime(workers),
            channel: PhantomData,
        }
    }

    fn spawn(&self, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let countdown = Arc::new(Countdown::new(n));
            for _ in 0..n {
                let countdown = Arc::clone(&countdown);
                tokio::spawn(async move { countdown.one_ended() });
            }
            countdown.wait().await;
            began.elapsed()
        })
    }

    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>) {
        let (took, processes) = on_worker(&self.runtime, async move {
            let began = Instant::now();
            let mut processes = Vec::with_capacity(n as usize);
            for _ in 0..n {
                let (tx, mut rx) = C::channel::<mpsc::UnboundedSender<()>>();
                tokio::spawn(async move {
                    while let Some(from) = rx.recv().await {
                        let _ = from.send(());
                    }
                });
                processes.push(tx);
            }
            let took = began.elapsed();
            let (tx, mut answers) = mpsc::unbounded_channel();
            for process in &processes {
                process.send(tx.clone()).await;
            }
            collect(&mut answers, n).await;
            (took, processes)
        });
        (took, Box::new(processes))
    }

    fn pingpong(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let (ping, mut pings) = C::channel::<u64>();
            let (pong, mut pongs) = C::channel::<u64>();
            tokio::spawn(async move {
                while let Some(ball) = pings.recv().await {
                    pong.send(ball).await;
                }
            });
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                ping.send(i).await;
                assert_eq!(pongs.recv().await, Some(i));
            }
            began.elapsed()
        })
    }

    fn call(&self, warmup: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let server = server::<C>();
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                let (tx, rx) = oneshot::channel();
                server.send(tx).await;
                rx.await.expect("the server answers");
            }
            began.elapsed()
        })
    }

    fn fanin(&self, senders: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (tx, rx) = C::channel();
            let counter = tokio::spawn(count::<C>(rx, senders * n));
            for _ in 0..senders {
                tokio::spawn(flood::<C>(tx.clone(), n));
            }
            counter.await.expect("the counter ends");
            began.elapsed()
        })
    }

    fn ring(&self, size: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let (done, mut is_done) = mpsc::unbounded_channel();
            let (first, mut rx) = C::channel::<u64>();
            for _ in 1..size {
                let (next, next_rx) = C::channel::<u64>();
                tokio::spawn(async move {
                    while let Some(hops) = rx.recv().await {
                        next.send(hops.saturating_sub(1)).await;
                    }
                });
                rx = next_rx;
            }
            // The one that closes the ring takes the token out when its hops are used up.
            let next = first.clone();
            tokio::spawn(async move {
                while let Some(hops) = rx.recv().await {
                    match hops {
                        0 => drop(done.send(())),
                        hops => next.send(hops - 1).await,
                    }
                }
            });
            first.send(size).await;
            is_done.recv().await;
            let began = Instant::now();
            first.send(n).await;
            is_done.recv().await;
            began.elapsed()
        })
    }

    fn big(&self, processes: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (finished, mut has_finished) = mpsc::unbounded_channel();
            let (txs, rxs): (Vec<_>, Vec<_>) = (0..processes).map(|_| C::channel()).unzip();
            let all: Arc<[C::Tx<Big>]> = txs.into();
            for (me, rx) in rxs.into_iter().enumerate() {
                let (all, finished) = (Arc::clone(&all), finished.clone());
                tokio::spawn(big_process::<C>(me, all, rx, n, finished));
            }
            collect(&mut has_finished, processes).await;
            for process in all.iter() {
                process.send(Big::Stop).await;
            }
            began.elapsed()
        })
    }

    fn pipeline(&self, stages: u64, n: u64) -> Duration {
        on_worker(&self.runtime, async move {
            let began = Instant::now();
            let (mut tx, rx) = C::channel::<u64>();
            let sink = tokio::spawn(count::<C>(rx, n));
            for _ in 1..stages {
                let (before, mut rx) = C::channel::<u64>();
                let next = std::mem::replace(&mut tx, before);
                tokio::spawn(async move {
                    while let Some(x) = rx.recv().await {
                        next.send(x).await;
                    }
                });
            }
            tokio::spawn(flood::<C>(tx, n));
            sink.await.expect("the sink ends");
            began.elapsed()
        })
    }

    /// One task holds the timers: futures that it polls once each, and drops.
    fn timers(&self, n: u64) -> Timers {
        // Without the budget for cooperation, of which each poll takes a part and whose end would
        // leave the other timers unarmed.
        let work = tokio::task::unconstrained(async move {
            let mut timers = Vec::with_capacity(n as usize);
            let began = Instant::now();
            for _ in 0..n {
                let mut timer = Box::pin(sleep(FAR));
                arm(timer.as_mut()).await;
                timers.push(timer);
            }
            let start = began.elapsed();
            let full_rss = report::rss();
            let began = Instant::now();
            timers.clear();
            Timers {
                start,
                cancel: began.elapsed(),
                full_rss,
            }
        });
        on_worker(&self.runtime, work)
    }

    fn outside(&self, warmup: u64, n: u64) -> Duration {
        let server = on_worker(&self.runtime, async { server::<C>() });
        let mut began = Instant::now();
        for i in 0..warmup + n {
            if i == warmup {
                began = Instant::now();
            }
            let (tx, rx) = oneshot::channel();
            server.send_blocking(tx);
            rx.blocking_recv().expect("the server answers");
        }
        began.elapsed()
    }

    fn lateness(&self, log: &Arc<Log>) {
        for client in log.begin() {
            self.runtime.spawn(async move {
                while !client.is_over() {
                    let set = Instant::now();
                    sleep(TICK).await;
                    client.rang(set, Instant::now());
                }
            });
        }
    }

    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>) {
        let _inside = self.runtime.enter();
        let server = server::<C>();
        for i in 0..hogs.len() {
            let hogs = Arc::clone(hogs);
            tokio::spawn(async move { hogs.spin(i) });
        }
        for client in log.begin() {
            let server = server.clone();
            tokio::spawn(async move {
                while !client.is_over() {
                    let set = Instant::now();
                    sleep(TICK).await;
                    let sent = Instant::now();
                    let (tx, rx) = oneshot::channel();
                    server.send(tx).await;
                    rx.await.expect("the server answers");
                    client.went(set, sent, Instant::now());
                }
            });
        }
    }

    fn echo(&self, addr: SocketAddr) -> io::Result<()> {
        self.runtime
            .block_on(self.runtime.spawn(serve(addr)))
            .expect("a panic would have ended the process")
    }
}

/// A task that answers requests.
fn server<C: Channel>() -> C::Tx<oneshot::Sender<()>> {
    let (tx, mut rx) = C::channel::<oneshot::Sender<()>>();
    tokio::spawn(async move {
        while let Some(from) = rx.recv().await {
            let _ = from.send(());
        }
    });
    tx
}

/// Polls a timer once, which is what starts it.
async fn arm(mut timer: Pin<&mut Sleep>) {
    poll_fn(|cx| {
        let _ = timer.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

async fn count<C: Channel>(mut rx: C::Rx<u64>, n: u64) {
    for _ in 0..n {
        rx.recv().await;
    }
}

async fn flood<C: Channel>(tx: C::Tx<u64>, n: u64) {
    for x in 0..n {
        tx.send(x).await;
    }
}

/// What the processes of `big` say to each other. The sender is a place in their common table: the
/// cheapest address there is.
enum Big {
    Ping(usize),
    Pong,
    Stop,
}

async fn big_process<C: Channel>(
    me: usize,
    all: Arc<[C::Tx<Big>]>,
    mut rx: C::Rx<Big>,
    n: u64,
    finished: mpsc::UnboundedSender<()>,
) {
    let mut dice = Dice::new(me as u64);
    let mut left = n;
    all[dice.roll(all.len())].send(Big::Ping(me)).await;
    while let Some(message) = rx.recv().await {
        match message {
            Big::Ping(from) => all[from].send(Big::Pong).await,
            Big::Pong if left == 1 => drop(finished.send(())),
            Big::Pong => {
                left -= 1;
                all[dice.roll(all.len())].send(Big::Ping(me)).await;
            }
            Big::Stop => break,
        }
    }
}

/// Connections that may wait to be accepted. `TcpListener::bind` allows 128, too few for a burst.
const BACKLOG: u32 = 4096;

async fn serve(addr: SocketAddr) -> io::Result<()> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    let listener = socket.listen(BACKLOG)?;
    println!("ready");
    loop {
        match listener.accept().await {
            // A connection that breaks has nobody to tell.
            Ok((stream, _)) => drop(tokio::spawn(async { drop(echo(stream).await) })),
            // Out of descriptors, or the other side has gone: later ones may do.
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
