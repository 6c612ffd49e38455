//! Timers: never early, and a cancel says what it found.

mod explore;

use std::time::Duration;

use explore::{
    assert_quiet, boom, down, everywhere, idle, on_threads, threads, under_seeds, until,
};
use hammerbeam::{Cx, exit, process_info, receive, send, spawn, time};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const HOUR: Duration = Duration::from_secs(3600);

/// G15.
#[test]
fn a_timer_never_fires_early() {
    everywhere(async |mut cx: Cx<u64>| {
        for wait in [0, 1, 3, 20] {
            let before = time::now();
            cx.send_after(millis(wait), wait);
            assert_eq!(cx.recv().await, wait);
            assert!(time::now() - before >= millis(wait), "{wait} ms");
        }
        Ok(())
    });
}

/// G15.
#[test]
fn a_sleep_never_ends_early() {
    everywhere(async |mut cx: Cx<()>| {
        for wait in [0, 1, 3, 20] {
            let before = time::now();
            cx.sleep(millis(wait)).await;
            assert!(time::now() - before >= millis(wait), "{wait} ms");
        }
        Ok(())
    });
}

/// G15. In virtual time, to the nanosecond.
#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    under_seeds(async |mut cx: Cx<u64>| {
        let start = time::now();
        let mut waits: Vec<u64> = (0..50).map(|n| n * 7919 % 1009 + 1).collect();
        for wait in &waits {
            cx.send_after(millis(*wait), *wait);
        }
        waits.sort_unstable();
        for wait in waits {
            assert_eq!(cx.recv().await, wait);
            let late = time::now() - start - millis(wait);
            assert!(late < millis(3), "{wait} ms came {late:?} late");
        }
        Ok(())
    });
}

/// G15.
#[test]
fn cancelling_a_pending_timer_says_how_much_time_was_left() {
    everywhere(async |mut cx: Cx<()>| {
        let timer = cx.send_after(HOUR, ());
        cx.sleep(millis(10)).await;
        let left = timer.cancel().expect("it had not fired");
        assert!(left > HOUR - Duration::from_secs(60), "{left:?}");
        assert!(left <= HOUR - millis(8), "{left:?}");
        assert_eq!(timer.cancel(), None, "it was cancelled");
        Ok(())
    });
}

/// G15.
#[test]
fn a_cancelled_timer_sends_nothing() {
    everywhere(async |mut cx: Cx<()>| {
        let timer = cx.send_after(millis(2), ());
        if timer.cancel().is_none() {
            cx.recv().await;
        }
        assert_quiet(&mut cx).await;
        Ok(())
    });
}

/// G15.
#[test]
fn cancelling_a_timer_that_fired_leaves_its_message() {
    everywhere(async |mut cx: Cx<u8>| {
        let me = cx.pid();
        let timer = cx.send_after(millis(1), 7);
        until(&mut cx, move || {
            process_info(me).is_some_and(|me| me.mailbox == 1)
        })
        .await;
        assert_eq!(timer.cancel(), None);
        assert_eq!(cx.recv().await, 7);
        Ok(())
    });
}

/// G15. Either it was cancelled or its message comes: never both, never neither.
#[test]
fn a_cancel_that_races_with_the_timer_is_one_outcome() {
    on_threads(async |mut cx: Cx<u32>| {
        for round in 0..200 {
            let timer = cx.send_after(Duration::from_micros(u64::from(round) * 10), round);
            cx.sleep(Duration::from_micros(1000)).await;
            if timer.cancel().is_none() {
                assert_eq!(cx.recv().await, round);
            }
            assert!(cx.try_recv().is_none());
        }
        Ok(())
    });
}

/// G15.
#[test]
fn a_timer_can_be_cancelled_by_any_process_of_its_runtime() {
    everywhere(async |mut cx: Cx<bool>| {
        let me = cx.addr();
        let timer = cx.send_after(HOUR, true);
        spawn(async move |_: Cx<()>| send(me, timer.cancel().is_none()))?;
        assert!(!cx.recv().await);
        Ok(())
    });
}

/// G15.
#[test]
fn a_timer_cannot_be_cancelled_from_outside_of_its_runtime() {
    let (here, there) = (threads(), threads());
    let timer = here
        .run(async |cx: Cx<()>| {
            let keeps = spawn(idle::<()>).expect("there is room");
            let _ = cx;
            time::send_after(keeps, HOUR, ()).expect("it is inside")
        })
        .expect("it runs");
    assert_eq!(timer.cancel(), None);
    assert_eq!(
        there.run(async move |_: Cx<()>| timer.cancel()).ok(),
        Some(None)
    );
    let left = here.run(async move |_: Cx<()>| timer.cancel());
    assert!(left.is_ok_and(|left| left.is_some()));
}

/// G1, G15.
#[test]
fn a_timer_for_an_ended_process_sends_nothing() {
    everywhere(async |mut cx: Cx<()>| {
        let (child, _) = cx.spawn_monitor(idle::<u8>)?;
        time::send_after(child, millis(2), 1)?;
        exit(child, boom());
        down(&mut cx).await;
        time::send_after(child, millis(2), 2)?;
        let mut successors = Vec::new();
        for _ in 0..8 {
            successors.push(spawn(async |_: Cx<String>| {
                std::future::pending::<()>().await
            })?);
        }
        assert_quiet(&mut cx).await;
        for successor in successors {
            assert_eq!(process_info(successor.pid()).map(|p| p.mailbox), Some(0));
        }
        Ok(())
    });
}

/// G15.
#[test]
fn a_timer_outlives_whoever_set_it() {
    everywhere(async |mut cx: Cx<u8>| {
        let me = cx.addr();
        cx.spawn_monitor(async move |_: Cx<()>| time::send_after(me, millis(3), 7).map(drop))?;
        down(&mut cx).await;
        assert_eq!(cx.recv().await, 7);
        Ok(())
    });
}

/// G15.
#[test]
fn a_timer_outside_of_a_runtime_is_an_error() {
    let runtime = threads();
    let child = runtime.spawn(idle::<()>).expect("there is room");
    assert_eq!(time::send_after(child, HOUR, ()), Err(time::NoRuntime));
    let inside = runtime.enter();
    assert!(time::send_after(child, HOUR, ()).is_ok_and(|timer| timer.cancel().is_some()));
    drop(inside);
}

/// G15.
#[test]
fn the_longest_duration_is_for_ever() {
    everywhere(async |mut cx: Cx<()>| {
        let timer = cx.send_after(Duration::MAX, ());
        let waits = spawn(async |mut cx: Cx<()>| cx.sleep(Duration::MAX).await)?;
        let receives = spawn(async |mut cx: Cx<()>| {
            receive! { &mut cx; () if false => (); after Duration::MAX => () }
        })?;
        cx.sleep(millis(10)).await;
        assert!(waits.pid().is_alive() && receives.pid().is_alive());
        assert!(timer.cancel().is_some());
        Ok(())
    });
}

/// G15. One process waits with many limits, one after the other; each is its own.
#[test]
fn limits_of_one_process_do_not_disturb_each_other() {
    everywhere(async |mut cx: Cx<u8>| {
        for round in 0..5 {
            cx.send_after(millis(1), round);
            let received = cx.recv_timeout(HOUR).await;
            assert_eq!(received, Some(round), "a long limit that is not reached");
            let before = time::now();
            assert_eq!(cx.recv_timeout(millis(2)).await, None);
            assert!(time::now() - before >= millis(2), "a short one that is");
        }
        Ok(())
    });
}

/// G15.
#[test]
fn an_interval_makes_up_for_missed_ticks() {
    under_seeds(async |mut cx: Cx<()>| {
        let start = time::now();
        let mut every = time::interval(millis(10));
        every.tick().await;
        assert!(time::now() - start >= millis(10));
        cx.sleep(millis(35)).await;
        for _ in 0..3 {
            every.tick().await;
        }
        assert!(time::now() - start < millis(50), "those were missed");
        every.tick().await;
        assert!(time::now() - start >= millis(50));
        Ok(())
    });
}

/// G15, G19.
#[test]
fn an_hour_of_virtual_time_costs_nothing() {
    let before = std::time::Instant::now();
    under_seeds(async |mut cx: Cx<()>| {
        let start = time::now();
        cx.sleep(HOUR).await;
        assert!(time::now() - start >= HOUR);
        Ok(())
    });
    assert!(before.elapsed() < HOUR);
}
