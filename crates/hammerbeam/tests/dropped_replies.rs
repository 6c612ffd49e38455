//! Replies that are dropped: who is told, and what the log says.

mod explore;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use explore::{idle, on_threads};
use hammerbeam::{CallError, Cx, Reply, call, spawn};
use tracing::field::{Field, Visit};
use tracing::span;

/// What this program logs, a line per event.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    /// The log of this program; from now on events are kept.
    fn of_this_program() -> &'static Arc<Self> {
        static LOG: OnceLock<Arc<Log>> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Arc::new(Self::default());
            tracing::subscriber::set_global_default(Keeps(Arc::clone(&log)))
                .expect("nobody else sets one");
            log
        })
    }

    fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|l| l.contains(text)).cloned().collect()
    }
}

struct Keeps(Arc<Log>);

impl tracing::Subscriber for Keeps {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(format!(
            "{} {}",
            event.metadata().level(),
            event.metadata().target()
        ));
        event.record(&mut line);
        let mut lines = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

struct Forgotten(Reply<u32>);

/// G13. At once: with the time limit, the test would take an hour.
#[test]
fn a_dropped_reply_fails_the_caller_at_once_and_leaves_one_log_line() {
    Log::of_this_program();
    on_threads(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Forgotten>| {
            let Forgotten(reply) = cx.recv().await;
            drop(reply);
            idle(cx).await;
        })?;
        let error = call(server, Forgotten)
            .timeout(Duration::from_secs(3600))
            .await;
        let Err(CallError::NoReply { callee }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(callee.pid, Some(server.pid()));
        let lines = Log::of_this_program().lines_with("Forgotten");
        let [line] = &lines[..] else {
            panic!("one line: {lines:?}");
        };
        assert!(line.starts_with("WARN hammerbeam::call"), "{line}");
        assert!(
            line.contains("a reply was dropped without an answer"),
            "{line}"
        );
        assert!(line.contains(&format!("by={}", server.pid())), "{line}");
        Ok(())
    });
}

struct Ended(#[allow(dead_code, reason = "it goes down with the process")] Reply<u32>);

/// G13. The end of a process is reported as such.
#[test]
fn a_reply_that_goes_down_with_its_process_leaves_no_log_line() {
    Log::of_this_program();
    on_threads(async |_: Cx<()>| {
        let server = spawn(async |mut cx: Cx<Ended>| {
            let _held = cx.recv().await;
        })?;
        let error = call(server, Ended).await;
        assert!(matches!(error, Err(CallError::Exited { .. })), "{error:?}");
        assert_eq!(
            Log::of_this_program().lines_with("Ended"),
            Vec::<String>::new()
        );
        Ok(())
    });
}
