//! What a run prints: named values in order, as JSON or as text, with what else the machine did.
//!
//! The keys are those of the BEAM's workloads, so that one script can read both.

use std::fmt;
use std::fs;
use std::time::Instant;

/// One value of a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Whole(u64),
    Real(f64),
    Flag(bool),
    /// Nothing was measured. `null` in JSON.
    Missing,
}

/// The line a run prints.
#[derive(Debug)]
pub(crate) struct Report {
    fields: Vec<(&'static str, Value)>,
    started: Usage,
}

impl Report {
    /// Call before the work: CPU use is taken from here on.
    pub(crate) fn start() -> Self {
        Self {
            fields: Vec::new(),
            started: Usage::now(),
        }
    }

    pub(crate) fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        self.fields.push((key, value.into()));
    }

    /// Adds the CPU that this process and all others used since the start. A run during which the
    /// others were busy was disturbed.
    pub(crate) fn finish(&mut self) {
        let (own, others) = self.started.cores_until(&Usage::now());
        self.put("cpu_cores", own);
        self.put("others_cores", others);
    }

    /// One JSON object on one line.
    pub(crate) fn json(&self) -> String {
        let items: Vec<String> = self
            .fields
            .iter()
            .map(|(key, value)| match value {
                Value::Text(text) => format!("\"{key}\":\"{text}\""),
                Value::Missing => format!("\"{key}\":null"),
                _ => format!("\"{key}\":{value}"),
            })
            .collect();
        format!("{{{}}}", items.join(","))
    }
}

/// `tokio pingpong: n 1000000, seconds 0.19, …`
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.fields.iter().enumerate() {
            match i {
                0 => write!(f, "{value}")?,
                1 => write!(f, " {value}:")?,
                2 => write!(f, " {key} {value}")?,
                _ => write!(f, ", {key} {value}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(whole) => whole.fmt(f),
            // Six digits, as the BEAM's reports; the zero makes -0 a 0.
            Self::Real(real) => ((real * 1e6).round() / 1e6 + 0.0).fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Missing => f.write_str("-"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(whole: u64) -> Self {
        Self::Whole(whole)
    }
}

impl From<usize> for Value {
    fn from(whole: usize) -> Self {
        Self::Whole(whole as u64)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        // JSON has no word for the others.
        if real.is_finite() {
            Self::Real(real)
        } else {
            Self::Missing
        }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// Resident memory of this process, in bytes.
pub(crate) fn rss() -> u64 {
    status("VmRSS:")
}

/// The most resident memory this process ever had, in bytes.
pub(crate) fn peak_rss() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| {
        line.strip_prefix(field)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    kilobytes.map_or(0, |kb: u64| kb * 1024)
}

/// CPU seconds used so far, and when that was.
#[derive(Debug)]
struct Usage {
    at: Instant,
    own: f64,
    machine: f64,
}

/// Linux counts in hundredths of a second towards user space, on every machine we know of.
const TICKS_PER_SECOND: f64 = 100.0;

impl Usage {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            own: own_ticks().unwrap_or(0) as f64 / TICKS_PER_SECOND,
            machine: machine_ticks().unwrap_or(0) as f64 / TICKS_PER_SECOND,
        }
    }

    /// Cores kept busy by this process and by all others.
    fn cores_until(&self, later: &Self) -> (f64, f64) {
        let wall = (later.at - self.at).as_secs_f64();
        let own = (later.own - self.own) / wall;
        (own, (later.machine - self.machine) / wall - own)
    }
}

/// User and system time of this process.
fn own_ticks() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ').skip(11);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

/// User, nice, system, irq and softirq time of the machine.
fn machine_ticks() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let words: Vec<u64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok())
        .collect();
    [0, 1, 2, 5, 6].iter().map(|&i| words.get(i)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_flat_json_object() {
        let mut report = Report::start();
        report.put("peer", "tokio");
        report.put("n", 3_u64);
        report.put("ns_per_op", 1.25);
        report.put("starved", true);
        report.put("trip_p50_us", None::<f64>);
        assert_eq!(
            report.json(),
            r#"{"peer":"tokio","n":3,"ns_per_op":1.25,"starved":true,"trip_p50_us":null}"#
        );
    }

    #[test]
    fn the_kernel_tells_this_process_its_memory() {
        assert!(rss() > 0);
        assert!(peak_rss() >= rss() / 2);
    }
}
