//! A counter that ten thousand processes talk to.
//!
//! One process owns the number; nobody else can touch it. The others tell it to count, ask it what it has counted, and end. A
//! watcher is told of each end.
//!
//! Run it with `cargo run --release --example counter`.

use std::time::Instant;

use hammerbeam::{Addr, Cx, Down, Exit, Reply, Spawn, call, send, spawn};

enum Counter {
    Add(u64),
    Total { reply: Reply<u64> },
}

async fn counter(mut cx: Cx<Counter>) {
    let mut total = 0;
    loop {
        match cx.recv().await {
            Counter::Add(n) => total += n,
            Counter::Total { reply } => reply.send(total),
        }
    }
}

/// Tells the counter a few numbers and sees that it has them.
async fn client(counter: Addr<Counter>, n: u64) -> Result<(), Exit> {
    for i in 0..10 {
        send(counter, Counter::Add(n + i));
    }
    let seen = call(counter, |reply| Counter::Total { reply }).await?;
    assert!(seen >= 10 * n + 45, "our own numbers are in the total");
    Ok(())
}

enum Event {
    Gone(Down),
}

fn main() {
    const CLIENTS: u64 = 10_000;

    let outcome = hammerbeam::run(async |mut cx: Cx<Event>| {
        let start = Instant::now();
        let counter = spawn(counter)?;
        for n in 0..CLIENTS {
            Spawn::new()
                .monitor_as(&cx, Event::Gone)
                .start(async move |_: Cx<()>| client(counter, n).await)?;
        }
        let mut failed = 0;
        for _ in 0..CLIENTS {
            let Event::Gone(down) = cx.recv().await;
            failed += u64::from(!down.reason.is_normal());
        }
        let total = call(counter, |reply| Counter::Total { reply }).await?;
        Ok::<_, Exit>((total, failed, start.elapsed()))
    });

    match outcome {
        Ok(Ok((total, failed, time))) => {
            println!(
                "{CLIENTS} processes told one counter {} numbers in {time:.1?}",
                10 * CLIENTS
            );
            println!("the total is {total}, {failed} processes failed");
            assert_eq!(total, (0..CLIENTS).map(|n| 10 * n + 45).sum());
        }
        Ok(Err(exit)) => eprintln!("failed: {exit}"),
        Err(error) => eprintln!("failed: {error}"),
    }
}
