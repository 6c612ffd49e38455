//! The deterministic world: one thread, virtual time, an order drawn from a seed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use hammerbeam::world::deterministic::{Deterministic, Unfinished};
use hammerbeam::{Addr, Cx, Exit, call, send, spawn, time, world};

/// Ten processes tell one their number, after sleeping or not, as the seed's chance has it.
async fn race(mut cx: Cx<u64>) -> Vec<u64> {
    let main = cx.addr();
    for n in 0..10 {
        let racer = async move |mut cx: Cx<()>| {
            if world::random().is_multiple_of(3) {
                cx.sleep(Duration::from_millis(world::random() % 50)).await;
            }
            send(main, n);
        };
        spawn(racer).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..10 {
        order.push(cx.recv().await);
    }
    order
}

/// G19. The same seed, the same run.
#[test]
fn one_seed_is_one_run() {
    for seed in 0..50 {
        let first = Deterministic::new(seed).run_traced(race).unwrap();
        let second = Deterministic::new(seed).run_traced(race).unwrap();
        assert_eq!(first, second);
    }
}

/// G19. Other seeds are other runs.
#[test]
fn different_seeds_explore_different_orders() {
    let orders: HashSet<_> = (0..200)
        .map(|seed| Deterministic::new(seed).run(race).unwrap())
        .collect();
    assert!(orders.len() > 150, "only {} orders", orders.len());
}

#[test]
fn virtual_time_costs_nothing_and_agrees_with_the_clock() {
    let start = Instant::now();
    let passed = Deterministic::new(1)
        .run(async |mut cx: Cx<()>| {
            let begin = time::now();
            for _ in 0..365 {
                cx.sleep(Duration::from_secs(24 * 3600)).await;
            }
            time::now() - begin
        })
        .unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!(
        passed >= year && passed < year + Duration::from_secs(3600),
        "{passed:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_deadlock_is_found_and_its_processes_are_named() {
    let found = Deterministic::new(3).run(async |mut cx: Cx<()>| {
        let waits = spawn(async |mut cx: Cx<()>| cx.recv().await).unwrap();
        let _: Addr<()> = waits;
        cx.recv().await;
    });
    let Err(Unfinished::Deadlock { seed, waiting }) = found else {
        panic!("{found:?}");
    };
    assert_eq!((seed, waiting.len()), (3, 2));
}

#[test]
fn a_run_without_end_is_given_up() {
    let found = Deterministic::new(3)
        .max_turns(1_000)
        .run(async |mut cx: Cx<()>| {
            loop {
                cx.sleep(Duration::from_millis(1)).await;
            }
        });
    assert_eq!(
        found,
        Err::<(), _>(Unfinished::TooLong {
            seed: 3,
            turns: 1_000
        })
    );
}

/// A cycle of calls ends by the time limit, in virtual time.
#[test]
fn a_call_cycle_times_out_in_no_time() {
    type Ask = hammerbeam::Reply<()>;
    let answer = Deterministic::new(9)
        .run(async |_: Cx<()>| {
            let one: Addr<(Option<Addr<Ask>>, Ask)> =
                spawn(async |mut cx: Cx<(Option<Addr<Ask>>, Ask)>| {
                    let (other, reply) = cx.recv().await;
                    if let Some(other) = other {
                        call(other, |reply| reply).await?;
                    }
                    reply.send(());
                    Ok::<_, Exit>(())
                })
                .unwrap();
            let two = spawn(async move |mut cx: Cx<Ask>| {
                let reply = cx.recv().await;
                call(one, |reply| (None, reply)).await?;
                reply.send(());
                Ok::<_, Exit>(())
            })
            .unwrap();
            call(one, |reply| (Some(two), reply)).await
        })
        .unwrap();
    let text = answer.unwrap_err().to_string();
    assert!(
        text.contains("timed out") || text.contains("ended"),
        "{text}"
    );
}
