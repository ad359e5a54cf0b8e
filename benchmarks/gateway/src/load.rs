//! Load on a gateway by programs that others made: wrk for HTTP/1.1 with JSON,
//! h2load for gRPC and for a rate that is held.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use benchmark_report::load::{self, CONNECTIONS, Load};
use benchmark_report::process;

use crate::contract::{Route, frame};

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
    let text = process::output(&wrk)?;
    figures_of_wrk(&text).with_context(|| format!("wrk gave no figures; it said: {text}"))
}

/// As many gRPC calls as go in this time.
pub(crate) fn grpc(
    gateway: SocketAddr,
    route: &Route,
    bodies: &Bodies,
    seconds: u64,
) -> Result<Load> {
    let url = format!("http://{gateway}{}", route.rpc());
    load::grpc(&url, &[], &bodies.grpc, &bodies.log, seconds)
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
    let mut h2load = load::h2load(CONNECTIONS, seconds, &bodies.log)?;
    let each = rate / CONNECTIONS as f64;
    h2load
        .args(["--h1", "-m", "1", "--rps", &format!("{each:.1}")])
        .args(["-H", "content-type: application/json", "--data"])
        .arg(&bodies.json)
        .arg(format!("http://{gateway}{}", route.path));
    load::run(&h2load, &bodies.log, seconds)
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
    }
}
