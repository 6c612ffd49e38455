//! A million processes come and go, with all that belongs to them, and leave nothing behind.
//!
//! The only test of this program, since it counts the allocations of the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use hammerbeam::{Addr, Cx, Down, Exit, ExitSignal, Reply, Runtime, call, send, spawn, time};

/// Counts the blocks that live.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator, with a counter beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, size) }
    }
}

enum Msg {
    Data(Box<[u64]>),
    Down(Down),
    Exit(ExitSignal),
    Ask(Reply<String>),
}

/// Lives a little: takes messages, answers, leaves some unread.
async fn live(mut cx: Cx<Msg>) -> Result<(), Exit> {
    loop {
        match cx.recv().await {
            Msg::Ask(reply) => {
                reply.send("answer".to_owned());
                // A timer that fires for nobody, one that is cancelled, one that nobody waits for.
                cx.send_after(Duration::from_millis(1), Msg::Data(Box::new([1])));
                cx.send_after(Duration::from_secs(3600), Msg::Data(Box::new([2])))
                    .cancel();
                return Err(Exit::term("done"));
            }
            Msg::Data(data) => assert_eq!(data.len(), 3),
            Msg::Down(_) | Msg::Exit(_) => {}
        }
    }
}

/// One round: a parent with children that it watches, links, calls, and some that nobody looks after.
async fn round(mut cx: Cx<Msg>, children: usize) {
    cx.trap_exit_as(Msg::Exit);
    for number in 0..children {
        let child: Addr<Msg> = match number % 4 {
            0 => {
                let child = spawn(live).unwrap();
                cx.monitor_as(child, Msg::Down);
                child
            }
            1 => cx.spawn_link(live).unwrap(),
            2 => cx.spawn_monitor(live).unwrap().0,
            _ => spawn(live).unwrap(),
        };
        send(child, Msg::Data(Box::new([1, 2, 3])));
        let asked = call(child, Msg::Ask)
            .timeout(Duration::from_secs(60))
            .start();
        // Left unread, or refused by an ended process.
        send(child, Msg::Data(Box::new([4, 5, 6])));
        assert_eq!(asked.await.unwrap(), "answer");
        match number % 4 {
            0 => hammerbeam::receive! { &mut cx;
                Msg::Down(down) => assert_eq!(down.pid, Some(child.pid()))
            },
            1 => hammerbeam::receive! { &mut cx;
                Msg::Exit(signal) => assert_eq!(signal.from, Some(child.pid()))
            },
            2 => {
                cx.recv_info().await;
            }
            _ => {}
        }
    }
}

/// As many processes, ten rounds side by side.
fn come_and_go(runtime: &Runtime, processes: usize) {
    const PARENTS: usize = 10;
    let children = processes / PARENTS;
    runtime
        .run(async move |mut cx: Cx<()>| {
            for _ in 0..PARENTS {
                cx.spawn_monitor(async move |cx: Cx<Msg>| round(cx, children).await)
                    .unwrap();
            }
            for _ in 0..PARENTS {
                let hammerbeam::Info::Down(down) = cx.recv_info().await else {
                    panic!("not a Down");
                };
                assert_eq!(down.reason, Exit::Normal);
            }
            // The last timers fire.
            time::sleep(Duration::from_millis(20)).await;
        })
        .unwrap();
    while runtime.process_count() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn after_a_million_processes_no_block_is_left() {
    let runtime = Runtime::builder()
        .workers(2)
        .background(false)
        .build()
        .unwrap();
    // Slots, timers, the workers' own memory: what grows once and is kept.
    come_and_go(&runtime, 100_000);
    let before = LIVE.load(Ordering::Relaxed);
    come_and_go(&runtime, 1_000_000);
    let after = LIVE.load(Ordering::Relaxed);
    println!("live blocks: {before} before, {after} after");
    // Workers keep up to 256 pieces of each of eight sizes; the rest is a handful.
    assert!(
        (after - before).abs() < 2 * 8 * 256 + 500,
        "{before} blocks before, {after} after"
    );
}
