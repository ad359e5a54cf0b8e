//! What a running process has used, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result, bail};

/// `USER_HZ`: what `/proc` counts processor time in, on every Linux.
const TICKS: f64 = 100.0;

/// Seconds of processor time that the process has used so far, its own and the
/// kernel's for it.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in brackets, which may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    match ticks.as_slice() {
        [user, system] => Ok((user + system) / TICKS),
        _ => bail!("the kernel does not say how much time the process used"),
    }
}

/// Bytes of memory that are the process's own or mapped in, right now.
///
/// # Errors
/// When there is no such process.
pub fn resident(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .context("the kernel does not say how much memory the process has")?;
    Ok(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let this = std::process::id();
        assert!(processor_time(this).unwrap() >= 0.0);
        assert!(resident(this).unwrap() > 100e3);
        assert!(resident(u32::MAX).is_err());
    }
}
