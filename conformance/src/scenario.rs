//! Scenarios: a name and a body, and the two worlds in which it can run.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hammerbeam::world::deterministic::Deterministic;
use hammerbeam::{Cx, Exit, Runtime};

use crate::observe::Message;
use crate::{calls, exit_signals, links, mailboxes, monitors, timers};

/// The body of a scenario, with its type erased.
pub type Body = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The name of its function, here and in Erlang.
    pub name: &'static str,
    /// Its body.
    pub body: fn(Cx<Message>, Say) -> Body,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scenario({})", self.name)
    }
}

impl Scenario {
    /// Runs it on threads. Returns what it said.
    ///
    /// # Panics
    /// If no runtime can be started.
    #[must_use]
    pub fn on_threads(self) -> Vec<String> {
        let say = Say::default();
        let told = say.clone();
        let runtime = Runtime::builder()
            .workers(2)
            .background(false)
            .shutdown_timeout(Duration::ZERO)
            .build()
            .expect("two workers are possible");
        let outcome = runtime.run(move |cx| (self.body)(cx, told));
        let _ = runtime.stop();
        say.lines(match outcome {
            Ok(Ok(())) => None,
            Ok(Err(exit)) => Some(format!("crashed {exit}")),
            Err(error) => Some(format!("crashed {error}")),
        })
    }

    /// Runs it in the deterministic world. Returns what it said.
    #[must_use]
    pub fn under_seed(self, seed: u64) -> Vec<String> {
        let say = Say::default();
        let told = say.clone();
        let outcome = Deterministic::new(seed).run(move |cx| (self.body)(cx, told));
        say.lines(match outcome {
            Ok(Ok(())) => None,
            Ok(Err(exit)) => Some(format!("crashed {exit}")),
            Err(error) => Some(format!("crashed {error}")),
        })
    }
}

/// Where a scenario says what it observes.
#[derive(Debug, Clone, Default)]
pub struct Say(Arc<Mutex<Vec<String>>>);

impl Say {
    /// One observation.
    pub fn say(&self, observation: impl fmt::Display) {
        self.lock().push(observation.to_string());
    }

    fn lines(&self, last: Option<String>) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.lock());
        lines.extend(last);
        lines
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All scenarios, in the order of the Erlang side.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        exit_signals::ALL,
        links::ALL,
        monitors::ALL,
        mailboxes::ALL,
        calls::ALL,
        timers::ALL,
    ]
    .concat()
}

/// The scenario with this name.
#[must_use]
pub fn named(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

/// Lists the scenarios of a module, which are functions of that module.
macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        /// The scenarios of this module.
        pub const ALL: &[crate::Scenario] = &[$(crate::Scenario {
            name: stringify!($name),
            body: |cx, say| Box::pin($name(cx, say)),
        }),+];
    };
}

pub(crate) use scenarios;
