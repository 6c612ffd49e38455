//! Erlang: compiling and running the scenarios of `erlang/`, and reading what they print.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Erlang could not be run.
#[derive(Debug)]
pub enum ErlangError {
    /// A program is not there.
    Missing {
        /// Which.
        program: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A program failed.
    Failed {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The scratch folder could not be used.
    Scratch(io::Error),
}

impl fmt::Display for ErlangError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program, error } => write!(
                f,
                "cannot run `{program}` ({error}): install Erlang/OTP 25 or later (on Debian: apt-get install erlang-base), \
                 or set HAMMERBEAM_WITHOUT_ERLANG=1 to compare with golden/signals.txt alone"
            ),
            Self::Failed { program, output } => write!(f, "`{program}` failed:\n{output}"),
            Self::Scratch(error) => write!(f, "cannot use a scratch folder: {error}"),
        }
    }
}

impl std::error::Error for ErlangError {}

/// What scenarios observed: per scenario, its lines in order.
pub type Traces = BTreeMap<String, Vec<String>>;

/// Compiles and runs the scenarios. Returns what they printed.
///
/// # Errors
/// [`ErlangError`]: Erlang is not installed, or a scenario does not compile or run.
pub fn run() -> Result<String, ErlangError> {
    let scratch = Scratch::new().map_err(ErlangError::Scratch)?;
    let mut sources = std::fs::read_dir(here().join("erlang"))
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(ErlangError::Scratch)?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "erl"))
        .collect::<Vec<_>>();
    sources.sort();
    succeed(
        "erlc",
        Command::new("erlc")
            .args(["-Werror", "-o"])
            .arg(&scratch.0)
            .args(sources),
    )?;
    let output = succeed(
        "erl",
        Command::new("erl")
            .args(["-noshell", "-pa"])
            .arg(&scratch.0)
            .args(["-s", "scenarios", "main"])
            .current_dir(&scratch.0),
    )?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where the golden file is.
#[must_use]
pub fn golden_file() -> PathBuf {
    here().join("golden").join("signals.txt")
}

/// Takes an output apart.
#[must_use]
pub fn traces(output: &str) -> Traces {
    let mut traces = Traces::new();
    for line in output.lines() {
        let (scenario, observation) = line.split_once(": ").unwrap_or((line, ""));
        let lines = traces.entry(scenario.to_owned()).or_default();
        lines.push(observation.to_owned());
    }
    traces
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeed(program: &'static str, command: &mut Command) -> Result<Output, ErlangError> {
    let output = command
        .output()
        .map_err(|error| ErlangError::Missing { program, error })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&*output.stdout, &*output.stderr].concat();
    Err(ErlangError::Failed {
        program,
        output: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// A folder that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("hammerbeam-conformance-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
