//! Panics: from a payload to an exit reason, with the place where it happened, and the report of a crash.
//!
//! **Promise.** A crash is reported once, as a `tracing` event of level error with target `hammerbeam::process`, or as one line on
//! standard error if the program has no subscriber. The process-wide panic hook stays in charge of panics outside processes.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use crate::process::block::Header;
use crate::process::exit::PanicReport;
use crate::process::{Exit, Pid, current};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs the hook that notes where a process panicked; once per program.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if current::self_pid().is_some() {
                let place = info.location().map(ToString::to_string);
                let _ = PLACE.try_with(|cell| cell.replace(place));
            } else {
                before(info);
            }
        }));
    });
}

/// The exit reason for a panic that was just caught on this thread.
pub(crate) fn reason(during: &'static str, payload: &(dyn Any + Send)) -> Exit {
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let location = PLACE.try_with(RefCell::take).ok().flatten();
    Exit::Panic(Arc::new(PanicReport {
        message,
        location,
        during,
    }))
}

/// Runs what belongs to no living process: a foreign waker, the destructor of what an ended one left behind. A panic of it is
/// reported and harms nobody: neither the process that happens to run on this thread nor the thread.
pub(crate) fn contain(what: &'static str, run: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
        // A subscriber that panics as well is not worth a worker.
        let reported = catch_unwind(AssertUnwindSafe(|| {
            tracing::error!(target: "hammerbeam::process", panic = %reason(what, &*payload), "a panic outside of all bodies");
        }));
        if let Err(second) = reported {
            discard(second);
        }
        discard(payload);
    }
}

/// Drops a panic's payload, whose own destructor may panic.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Reports the end of a process if it is a crash.
pub(crate) fn report(header: &Header, pid: Pid, reason: &Exit) {
    if !matches!(reason, Exit::Panic(_) | Exit::Error(_)) {
        return;
    }
    let label = header
        .extension()
        .and_then(|extension| extension.relations.lock().label.clone())
        .unwrap_or_default();
    let body = (header.table.body_name)();
    if tracing::dispatcher::has_been_set() {
        tracing::error!(
            target: "hammerbeam::process",
            %pid, label = &*label, body, reason = %reason,
            "process crashed"
        );
    } else {
        eprintln!("hammerbeam: process {pid} {label} crashed: {reason} (body {body})");
    }
}
