//! Load by programs that others made: what came of it, and h2load.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// How many calls are under way at any time.
pub const CONNECTIONS: usize = 64;
/// gRPC clients share connections: so many calls on each of so many.
const GRPC_CONNECTIONS: usize = 8;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// How many answers came.
    pub requests: f64,
    /// In how many seconds.
    pub seconds: f64,
    /// Milliseconds within which half of the answers came.
    pub p50: f64,
    /// Milliseconds within which 99 of 100 did.
    pub p99: f64,
    /// Requests without an answer, or with one that is an error.
    pub failed: f64,
}

/// As many gRPC calls as go in this time, 64 at a time over 8 connections. The
/// file has the request's frame, and `log` is for what h2load writes.
///
/// # Errors
/// When h2load fails.
pub fn grpc(url: &str, metadata: &[&str], frame: &Path, log: &Path, seconds: u64) -> Result<Load> {
    let mut command = h2load(GRPC_CONNECTIONS, seconds, log)?;
    command
        .args(["-m", &(CONNECTIONS / GRPC_CONNECTIONS).to_string()])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(metadata.iter().flat_map(|header| ["-H", header]))
        .arg("--data")
        .arg(frame)
        .arg(url);
    run(&command, log, seconds)
}

/// h2load with these connections, to which the rest is added.
///
/// # Errors
/// When the log cannot be written.
pub fn h2load(connections: usize, seconds: u64, log: &Path) -> Result<Command> {
    // It adds to what is there.
    fs::write(log, "")?;
    let mut h2load = Command::new("h2load");
    h2load
        .args(["-c", &connections.to_string(), "-t", "1"])
        .args(["-D", &seconds.to_string(), "--log-file"])
        .arg(log);
    Ok(h2load)
}

/// Runs what [`h2load`] began.
///
/// # Errors
/// When it fails or gives no figures.
pub fn run(h2load: &Command, log: &Path, seconds: u64) -> Result<Load> {
    let text = process::output(h2load)?;
    let log = fs::read_to_string(log)?;
    figures(&log, seconds).with_context(|| format!("h2load gave no figures; it said: {text}"))
}

/// h2load's log: a line per request with its start, the HTTP status (or -1),
/// and the time in microseconds.
fn figures(log: &str, seconds: u64) -> Option<Load> {
    let mut times = Vec::new();
    let mut failed = 0.0;
    for line in log.lines() {
        let mut fields = line.split('\t').skip(1);
        let status = fields.next()?;
        if status != "200" {
            failed += 1.0;
        }
        times.push(fields.next()?.parse::<u64>().ok()?);
    }
    times.sort_unstable();
    let at = |share: f64| Some(*times.get((times.len() as f64 * share) as usize)? as f64 / 1e3);
    Some(Load {
        requests: times.len() as f64,
        seconds: seconds as f64,
        p50: at(0.5)?,
        p99: at(0.99)?,
        failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read() {
        let log = "1\t200\t1000\n2\t200\t3000\n3\t503\t2000\n";
        assert_eq!(
            figures(log, 3),
            Some(Load {
                requests: 3.0,
                seconds: 3.0,
                p50: 2.0,
                p99: 3.0,
                failed: 1.0,
            })
        );
        assert_eq!(figures("", 3), None);
    }
}
