//! hammerbeam: a process for each process, its mailbox for each mailbox, a call for each request.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hammerbeam::io::{TcpListener, TcpStream};
use hammerbeam::{Addr, Cx, Exit, Reply, Runtime, call, send, spawn, time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::report;
use crate::samples::{Hogs, Log, TICK};
use crate::workload::{Dice, FAR, Peer, Timers};

/// A runtime of our own.
pub(crate) struct Hammerbeam {
    runtime: Runtime,
}

impl Hammerbeam {
    /// Runs a process and waits for what it returns.
    fn run<M, T, F>(&self, body: impl FnOnce(Cx<M>) -> F) -> T
    where
        M: Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, Exit>> + Send + 'static,
    {
        self.runtime
            .run(body)
            .expect("a panic would have ended the run")
            .expect("nothing here fails")
    }
}

impl Peer for Hammerbeam {
    fn start(workers: usize) -> Self {
        Self {
            runtime: Runtime::builder()
                .workers(workers)
                .build()
                .expect("the system has threads and an epoll for a runtime"),
        }
    }

    fn spawn(&self, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<()>| {
            let began = Instant::now();
            let left = Arc::new(AtomicU64::new(n));
            let parent = cx.addr();
            for _ in 0..n {
                let left = Arc::clone(&left);
                spawn(async move |_: Cx<()>| {
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        send(parent, ());
                    }
                })?;
                cx.step().await;
            }
            cx.recv().await;
            Ok(began.elapsed())
        })
    }

    fn idle(&self, n: u64) -> (Duration, Box<dyn Any>) {
        let took = self.run(async move |mut cx: Cx<()>| {
            let began = Instant::now();
            let mut processes = Vec::with_capacity(n as usize);
            for _ in 0..n {
                processes.push(spawn(async |mut cx: Cx<Addr<()>>| {
                    loop {
                        send(cx.recv().await, ());
                    }
                })?);
                cx.step().await;
            }
            let took = began.elapsed();
            for process in processes {
                send(process, cx.addr());
                cx.step().await;
            }
            for _ in 0..n {
                cx.recv().await;
            }
            Ok(took)
        });
        (took, Box::new(()))
    }

    fn pingpong(&self, warmup: u64, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<u64>| {
            let echo = spawn(async |mut cx: Cx<(Addr<u64>, u64)>| {
                loop {
                    let (from, ball) = cx.recv().await;
                    send(from, ball);
                }
            })?;
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                send(echo, (cx.addr(), i));
                assert_eq!(cx.recv().await, i);
            }
            Ok(began.elapsed())
        })
    }

    fn call(&self, warmup: u64, n: u64) -> Duration {
        self.run(async move |_: Cx<()>| {
            let server = spawn(serve_calls)?;
            let mut began = Instant::now();
            for i in 0..warmup + n {
                if i == warmup {
                    began = Instant::now();
                }
                call(server, |reply| reply).await?;
            }
            Ok(began.elapsed())
        })
    }

    fn fanin(&self, senders: u64, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<()>| {
            let began = Instant::now();
            let parent = cx.addr();
            let counter = spawn(async move |cx: Cx<u64>| count(cx, senders * n, parent).await)?;
            for _ in 0..senders {
                spawn(async move |cx: Cx<()>| flood(cx, counter, n).await)?;
            }
            cx.recv().await;
            Ok(began.elapsed())
        })
    }

    fn ring(&self, size: u64, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<()>| {
            let main = cx.addr();
            let last = spawn(async move |mut cx: Cx<Token>| {
                let Token::First(first) = cx.recv().await else {
                    return;
                };
                loop {
                    match cx.recv().await {
                        Token::Hops(0) => send(main, ()),
                        Token::Hops(hops) => send(first, Token::Hops(hops - 1)),
                        Token::First(_) => {}
                    }
                }
            })?;
            let mut first = last;
            for _ in 1..size {
                let next = first;
                first = spawn(async move |mut cx: Cx<Token>| {
                    loop {
                        if let Token::Hops(hops) = cx.recv().await {
                            send(next, Token::Hops(hops.saturating_sub(1)));
                        }
                    }
                })?;
            }
            send(last, Token::First(first));
            send(first, Token::Hops(size));
            cx.recv().await;
            let began = Instant::now();
            send(first, Token::Hops(n));
            cx.recv().await;
            Ok(began.elapsed())
        })
    }

    fn big(&self, processes: u64, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<()>| {
            let began = Instant::now();
            let main = cx.addr();
            let mut all = Vec::new();
            for me in 0..processes {
                all.push(spawn(async move |cx: Cx<Big>| {
                    big_process(cx, me, n, main).await;
                })?);
            }
            let all: Arc<[Addr<Big>]> = all.into();
            for process in all.iter() {
                send(*process, Big::Go(Arc::clone(&all)));
            }
            for _ in 0..processes {
                cx.recv().await;
            }
            for process in all.iter() {
                send(*process, Big::Stop);
            }
            Ok(began.elapsed())
        })
    }

    fn pipeline(&self, stages: u64, n: u64) -> Duration {
        self.run(async move |mut cx: Cx<()>| {
            let began = Instant::now();
            let main = cx.addr();
            let mut first = spawn(async move |cx: Cx<u64>| count(cx, n, main).await)?;
            for _ in 1..stages {
                let next = first;
                first = spawn(async move |mut cx: Cx<u64>| {
                    for _ in 0..n {
                        send(next, cx.recv().await);
                    }
                })?;
            }
            spawn(async move |cx: Cx<()>| flood(cx, first, n).await)?;
            cx.recv().await;
            Ok(began.elapsed())
        })
    }

    fn timers(&self, n: u64) -> Timers {
        self.run(async move |cx: Cx<()>| {
            let mut timers = Vec::with_capacity(n as usize);
            let began = Instant::now();
            for _ in 0..n {
                timers.push(cx.send_after(FAR, ()));
            }
            let start = began.elapsed();
            let full_rss = report::rss();
            let began = Instant::now();
            for timer in timers {
                assert!(timer.cancel().is_some(), "none has fired");
            }
            Ok(Timers {
                start,
                cancel: began.elapsed(),
                full_rss,
            })
        })
    }

    fn outside(&self, warmup: u64, n: u64) -> Duration {
        let server = self.runtime.spawn(serve_calls).expect("there is room");
        let mut began = Instant::now();
        for i in 0..warmup + n {
            if i == warmup {
                began = Instant::now();
            }
            call(server, |reply| reply)
                .wait()
                .expect("the server answers");
        }
        began.elapsed()
    }

    fn lateness(&self, log: &Arc<Log>) {
        for client in log.begin() {
            let process = self.runtime.spawn(async move |_: Cx<()>| {
                while !client.is_over() {
                    let set = Instant::now();
                    time::sleep(TICK).await;
                    client.rang(set, Instant::now());
                }
            });
            process.expect("there is room");
        }
    }

    fn fairness(&self, hogs: &Arc<Hogs>, log: &Arc<Log>) {
        let server = self.runtime.spawn(serve_calls).expect("there is room");
        for i in 0..hogs.len() {
            let hogs = Arc::clone(hogs);
            let hog = self.runtime.spawn(async move |_: Cx<()>| hogs.spin(i));
            hog.expect("there is room");
        }
        for client in log.begin() {
            let process = self.runtime.spawn(async move |_: Cx<()>| {
                while !client.is_over() {
                    let set = Instant::now();
                    time::sleep(TICK).await;
                    let sent = Instant::now();
                    call(server, |reply| reply).await?;
                    client.went(set, sent, Instant::now());
                }
                Ok::<_, Exit>(())
            });
            process.expect("there is room");
        }
    }

    fn echo(&self, addr: SocketAddr) -> io::Result<()> {
        self.runtime
            .run(async move |_: Cx<()>| accept(TcpListener::bind(addr).await?).await)
            .expect("a panic would have ended the run")
    }
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    println!("ready");
    loop {
        match listener.accept().await {
            // A connection that breaks has nobody to tell.
            Ok((stream, _)) => drop(spawn(move |_: Cx<()>| async { drop(echo(stream).await) })),
            // Out of descriptors, or the other side has gone: later ones may do.
            Err(_) => time::sleep(Duration::from_millis(1)).await,
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

/// A process that answers requests.
async fn serve_calls(mut cx: Cx<Reply<()>>) {
    loop {
        cx.recv().await.send(());
    }
}

async fn count(mut cx: Cx<u64>, n: u64, parent: Addr<()>) {
    for _ in 0..n {
        cx.recv().await;
    }
    send(parent, ());
}

/// Sends as fast as it may: `step` gives way when the reductions are spent, as every function call does on the BEAM.
async fn flood(mut cx: Cx<()>, to: Addr<u64>, n: u64) {
    for x in 0..n {
        send(to, x);
        cx.step().await;
    }
}

enum Token {
    First(Addr<Self>),
    Hops(u64),
}

enum Big {
    Go(Arc<[Addr<Self>]>),
    Ping(Addr<Self>),
    Pong,
    Stop,
}

async fn big_process(mut cx: Cx<Big>, me: u64, n: u64, main: Addr<()>) {
    let Big::Go(all) = hammerbeam::receive!(&mut cx; go @ Big::Go(_) => go) else {
        return;
    };
    let mut dice = Dice::new(me);
    let mut left = n;
    send(all[dice.roll(all.len())], Big::Ping(cx.addr()));
    loop {
        match cx.recv().await {
            Big::Ping(from) => send(from, Big::Pong),
            Big::Pong if left == 1 => send(main, ()),
            Big::Pong => {
                left -= 1;
                send(all[dice.roll(all.len())], Big::Ping(cx.addr()));
            }
            Big::Stop => return,
            Big::Go(_) => {}
        }
    }
}
