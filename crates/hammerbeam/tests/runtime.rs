//! Starting and stopping a runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hammerbeam::runtime::{RunError, Runtime, StartError};
use hammerbeam::{Addr, Cx, Exit, Info, SpawnError, call, exit, process_info, send, spawn};

fn runtime(shutdown: Duration) -> Runtime {
    Runtime::builder()
        .workers(2)
        .background(false)
        .shutdown_timeout(shutdown)
        .build()
        .expect("a runtime starts")
}

/// G17. Everybody is asked, and who traps exits can clean up before it ends.
#[test]
fn a_stop_asks_every_process_to_end_and_waits() {
    let runtime = runtime(Duration::from_secs(60));
    let cleaned = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&cleaned);
    let ready = runtime
        .run(async move |mut cx: Cx<()>| {
            let main = cx.addr();
            for _ in 0..100 {
                spawn(async |mut cx: Cx<()>| cx.recv().await)?;
            }
            spawn(async move |mut cx: Cx<()>| {
                cx.trap_exit(true);
                send(main, ());
                let Info::Exit(signal) = cx.recv_info().await else {
                    return;
                };
                assert_eq!(signal.reason, Exit::Shutdown);
                cx.sleep(Duration::from_millis(5)).await;
                told.store(true, Ordering::SeqCst);
            })?;
            cx.recv().await;
            Ok::<_, Exit>(())
        })
        .unwrap();
    ready.unwrap();
    assert_eq!(runtime.process_count(), 101);
    let stopped = runtime.stop();
    assert!(cleaned.load(Ordering::SeqCst));
    assert_eq!(stopped.killed, 0);
    assert!(stopped.stuck.is_empty());
}

/// G17. Who ignores the request is killed when the time is over.
#[test]
fn a_stop_kills_a_process_that_does_not_end() {
    let runtime = runtime(Duration::from_millis(20));
    runtime
        .run(async |mut cx: Cx<()>| {
            let main = cx.addr();
            spawn(async move |mut cx: Cx<()>| {
                cx.trap_exit(true);
                send(main, ());
                loop {
                    cx.recv().await;
                }
            })?;
            cx.recv().await;
            Ok::<_, Exit>(())
        })
        .unwrap()
        .unwrap();
    let stopped = runtime.stop();
    assert_eq!(stopped.killed, 1);
    assert!(stopped.stuck.is_empty());
}

/// G17. Who does not await cannot be ended, and is named.
#[test]
fn a_stop_names_a_process_that_is_stuck() {
    let runtime = runtime(Duration::from_millis(20));
    let release = Arc::new(AtomicBool::new(false));
    let released = Arc::clone(&release);
    let stuck = runtime
        .run(async move |mut cx: Cx<()>| {
            let main = cx.addr();
            let stuck = spawn(async move |_: Cx<()>| {
                send(main, ());
                while !released.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })?;
            cx.recv().await;
            Ok::<_, Exit>(stuck.pid())
        })
        .unwrap()
        .unwrap();
    let stopped = runtime.stop();
    assert_eq!(stopped.stuck, [stuck]);
    // It can still be looked at, and still gets messages, of which it takes no notice.
    assert!(process_info(stuck).is_some());
    release.store(true, Ordering::Relaxed);
}

/// G17. While a runtime stops it starts nothing.
#[test]
fn a_stopping_runtime_refuses_to_start_processes() {
    let runtime = runtime(Duration::from_secs(60));
    let (tell, told) = std::sync::mpsc::channel();
    runtime
        .run(async move |mut cx: Cx<()>| {
            let main = cx.addr();
            spawn(async move |mut cx: Cx<()>| {
                cx.trap_exit(true);
                send(main, ());
                cx.recv_info().await;
                let refused = spawn(async |_: Cx<()>| {}).map(|_: Addr<()>| ());
                let _ = tell.send(refused);
            })?;
            cx.recv().await;
            Ok::<_, Exit>(())
        })
        .unwrap()
        .unwrap();
    let _ = runtime.stop();
    assert_eq!(told.recv().unwrap(), Err(SpawnError::Stopping));
}

/// G2. The first process' early end is an error with its reason, and not a hang.
#[test]
fn a_first_process_that_ends_early_gives_its_reason() {
    let runtime = runtime(Duration::from_secs(1));
    let killed = runtime.run(async |cx: Cx<()>| {
        exit(cx.pid(), Exit::Kill);
        std::future::pending::<()>().await;
    });
    assert!(
        matches!(killed, Err(RunError::Exited(Exit::Killed))),
        "{killed:?}"
    );
    let panicked = runtime.run(async |_: Cx<()>| -> u8 { panic!("out of luck") });
    let Err(RunError::Exited(Exit::Panic(report))) = panicked else {
        panic!("{panicked:?}");
    };
    assert_eq!(report.message, "out of luck");
    assert!(
        report
            .location
            .as_deref()
            .is_some_and(|at| at.contains("runtime.rs"))
    );
}

#[test]
fn impossible_numbers_are_refused_with_a_reason() {
    let workers = |n| Runtime::builder().workers(n).build();
    assert!(matches!(workers(0), Err(StartError::Workers { asked: 0 })));
    assert!(matches!(
        workers(65),
        Err(StartError::Workers { asked: 65 })
    ));
    let few = Runtime::builder().workers(4).max_threads(3).build();
    let Err(error) = few else {
        panic!("four workers need four threads")
    };
    assert_eq!(
        error.to_string(),
        "cannot start with 3 threads for 4 workers"
    );
}

/// Two runtimes live side by side, and their processes talk to each other.
#[test]
fn processes_of_two_runtimes_talk() {
    let one = runtime(Duration::from_secs(5));
    let two = runtime(Duration::from_secs(5));
    let server = one
        .spawn(async |mut cx: Cx<hammerbeam::Reply<u32>>| {
            loop {
                cx.recv().await.send(7);
            }
        })
        .unwrap();
    for _ in 0..1_000 {
        let answer = two.run(async move |_: Cx<()>| call(server, |reply| reply).await);
        assert_eq!(answer.unwrap(), Ok(7));
    }
    // The asking runtime ends first; then the server's.
    let _ = two.stop();
    assert!(server.pid().is_alive());
    let _ = one.stop();
    assert!(!server.pid().is_alive());
}

/// A thread of its own asks a process and blocks until it has the answer.
#[test]
fn a_plain_thread_can_call() {
    let runtime = runtime(Duration::from_secs(5));
    let server = runtime
        .spawn(async |mut cx: Cx<(u32, hammerbeam::Reply<u32>)>| {
            loop {
                let (n, reply) = cx.recv().await;
                reply.send(n + 1);
            }
        })
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                for n in 0..2_000 {
                    assert_eq!(call(server, |reply| (n, reply)).wait(), Ok(n + 1));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_thousand_runtimes_come_and_go() {
    for n in 0..1_000_u32 {
        let runtime = Runtime::builder()
            .workers(1 + (n % 3) as usize)
            .background(false)
            .build()
            .unwrap();
        let sum = runtime.run(async |mut cx: Cx<u32>| {
            let main = cx.addr();
            for i in 0..5 {
                spawn(async move |_: Cx<()>| send(main, i))?;
            }
            let mut sum = 0;
            for _ in 0..5 {
                sum += cx.recv().await;
            }
            Ok::<_, Exit>(sum)
        });
        assert_eq!(sum.unwrap(), Ok(10));
    }
}
