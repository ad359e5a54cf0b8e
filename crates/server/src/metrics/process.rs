//! What the operating system says of this process, under the names that every
//! Prometheus client library uses. Linux only; elsewhere there is nothing.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// How `/proc` counts time, a second in so many ticks: the kernel promises this
/// number to programs whatever its own clock does (`man 5 proc`, `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the figures anew at every scrape. One that cannot be read is left out.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, unit: Option<Unit>, value: Option<f64>| -> fmt::Result {
            let Some(value) = value else { return Ok(()) };
            encoder
                .encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?
                .encode_gauge(&value)
        };
        gauge(
            "process_resident_memory",
            "Resident memory.",
            Some(Unit::Bytes),
            memory("VmRSS:"),
        )?;
        gauge(
            "process_virtual_memory",
            "Virtual memory.",
            Some(Unit::Bytes),
            memory("VmSize:"),
        )?;
        gauge(
            "process_open_fds",
            "Open file descriptors.",
            None,
            open_files(),
        )?;
        gauge(
            "process_max_fds",
            "File descriptors that may be open.",
            None,
            open_files_limit(),
        )?;
        gauge(
            "process_start_time",
            "Start, in seconds since 1970.",
            Some(Unit::Seconds),
            start_time(),
        )?;
        if let Some(seconds) = cpu_seconds() {
            encoder
                .encode_descriptor(
                    "process_cpu",
                    "CPU time used.",
                    Some(&Unit::Seconds),
                    MetricType::Counter,
                )?
                .encode_counter(&seconds, None::<&Exemplar<[(&str, &str); 0], f64>>)?;
        }
        Ok(())
    }
}

/// A line of `/proc/self/status` such as `VmRSS:  1234 kB`, in bytes.
pub(super) fn memory(field: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

pub(super) fn open_files() -> Option<f64> {
    // The listing itself has one of them open.
    Some(
        fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1) as f64,
    )
}

fn open_files_limit() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The numbers of `/proc/self/stat` from the third field on. The second is the
/// program's name, which may contain anything, so they start after its end.
fn stat() -> Option<Vec<f64>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(
        rest.split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect(),
    )
}

pub(super) fn cpu_seconds() -> Option<f64> {
    // `utime` and `stime`, fields 14 and 15.
    let stat = stat()?;
    Some((stat.get(11)? + stat.get(12)?) / TICKS_PER_SECOND)
}

fn start_time() -> Option<f64> {
    // `starttime`, field 22, counts from the start of the machine.
    let since_boot = stat()?.get(19)? / TICKS_PER_SECOND;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(boot + since_boot)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let resident = memory("VmRSS:").unwrap();
        assert!((1e5..1e11).contains(&resident), "{resident}");
        assert!(memory("VmSize:").unwrap() > resident);
        assert!(open_files().unwrap() >= 3.0);
        assert!(open_files_limit().unwrap() >= open_files().unwrap());
        assert!(cpu_seconds().unwrap() >= 0.0);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        assert!((now - start_time().unwrap()).abs() < 3600.0);
    }
}
