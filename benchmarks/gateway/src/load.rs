//! Load on a gateway by programs that others made: wrk for HTTP/1.1 with JSON,
//! h2load for gRPC and for a rate that is held.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::contract::{Route, frame};
use crate::process::{OTHER_CORE, pinned};

/// How many calls are under way at any time.
pub(crate) const CONNECTIONS: usize = 64;
/// gRPC clients share connections: so many calls on each of so many.
const GRPC_CONNECTIONS: usize = 8;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    /// Milliseconds within which half of the answers came.
    pub(crate) p50: f64,
    /// Milliseconds within which 99 of 100 did.
    pub(crate) p99: f64,
    /// Requests without an answer, or with one that is an error.
    pub(crate) failed: f64,
}

/// The bodies of a route's requests, in files.
pub(crate) struct Bodies {
    json: PathBuf,
    grpc: PathBuf,
    log: PathBuf,
}

impl Bodies {
    /// Writes them into a folder.
    pub(crate) fn write(route: &Route, folder: &Path) -> Result<Self> {
        let file = |ending: &str| folder.join(format!("{}.{ending}", route.method));
        let bodies = Self {
            json: file("json"),
            grpc: file("grpc"),
            log: file("log"),
        };
        fs::write(&bodies.json, &route.request.json)?;
        fs::write(&bodies.grpc, frame(&route.request.wire))?;
        Ok(bodies)
    }
}

/// As many posts of JSON as go in this time, over 64 connections that are kept.
pub(crate) fn json(
    script: &Path,
    gateway: SocketAddr,
    route: &Route,
    bodies: &Bodies,
    seconds: u64,
) -> Result<Load> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://{gateway}{}", route.path))
        .env("LOAD_BODY", &bodies.json);
    let text = output(&wrk)?;
    figures_of_wrk(&text).with_context(|| format!("wrk gave no figures; it said: {text}"))
}

/// As many gRPC calls as go in this time, 64 at a time over 8 connections.
pub(crate) fn grpc(
    gateway: SocketAddr,
    route: &Route,
    bodies: &Bodies,
    seconds: u64,
) -> Result<Load> {
    let mut h2load = h2load(GRPC_CONNECTIONS, seconds, bodies)?;
    h2load
        .args(["-m", &(CONNECTIONS / GRPC_CONNECTIONS).to_string()])
        .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
        .arg("--data")
        .arg(&bodies.grpc)
        .arg(format!("http://{gateway}{}", route.rpc()));
    measured_by_h2load(&h2load, bodies, seconds)
}

/// Posts of JSON at this rate per second over 64 connections, whatever the
/// gateway could take.
pub(crate) fn json_at(
    rate: f64,
    gateway: SocketAddr,
    route: &Route,
    bodies: &Bodies,
    seconds: u64,
) -> Result<Load> {
    let mut h2load = h2load(CONNECTIONS, seconds, bodies)?;
    let each = rate / CONNECTIONS as f64;
    h2load
        .args(["--h1", "-m", "1", "--rps", &format!("{each:.1}")])
        .args(["-H", "content-type: application/json", "--data"])
        .arg(&bodies.json)
        .arg(format!("http://{gateway}{}", route.path));
    measured_by_h2load(&h2load, bodies, seconds)
}

fn h2load(connections: usize, seconds: u64, bodies: &Bodies) -> Result<Command> {
    // It adds to what is there.
    fs::write(&bodies.log, "")?;
    let mut h2load = Command::new("h2load");
    h2load
        .args(["-c", &connections.to_string(), "-t", "1"])
        .args(["-D", &seconds.to_string(), "--log-file"])
        .arg(&bodies.log);
    Ok(h2load)
}

fn measured_by_h2load(h2load: &Command, bodies: &Bodies, seconds: u64) -> Result<Load> {
    let text = output(h2load)?;
    let log = fs::read_to_string(&bodies.log)?;
    figures_of_h2load(&log, seconds)
        .with_context(|| format!("h2load gave no figures; it said: {text}"))
}

fn output(command: &Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = pinned(command, OTHER_CORE).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{name} ended with {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// The line of our script for wrk, which counts in microseconds.
fn figures_of_wrk(text: &str) -> Option<Load> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("figures "))?;
    let numbers: Vec<f64> = line.split(' ').flat_map(str::parse).collect();
    let &[requests, duration, p50, p99, failed] = numbers.as_slice() else {
        return None;
    };
    Some(Load {
        requests,
        seconds: duration / 1e6,
        p50: p50 / 1e3,
        p99: p99 / 1e3,
        failed,
    })
}

/// h2load's log: a line per request with its start, the HTTP status (or -1),
/// and the time in microseconds.
fn figures_of_h2load(log: &str, seconds: u64) -> Option<Load> {
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
        let text = "Running 2s test\nfigures 1000 2000000 1500 3000 1\n";
        assert_eq!(
            figures_of_wrk(text),
            Some(Load {
                requests: 1e3,
                seconds: 2.0,
                p50: 1.5,
                p99: 3.0,
                failed: 1.0,
            })
        );
        assert_eq!(figures_of_wrk("Running"), None);
        let log = "1\t200\t1000\n2\t200\t3000\n3\t503\t2000\n";
        assert_eq!(
            figures_of_h2load(log, 3),
            Some(Load {
                requests: 3.0,
                seconds: 3.0,
                p50: 2.0,
                p99: 3.0,
                failed: 1.0,
            })
        );
        assert_eq!(figures_of_h2load("", 3), None);
    }
}
