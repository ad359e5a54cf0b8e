//! What the figures depend on besides the program: the machine and its system.

use std::{fs, path::Path, process::Command, thread};

/// The machine in one line: processor, cores, memory.
#[must_use]
pub fn hardware() -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kib: f64 = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let wide = match wide_vectors() {
        Some(wide) => format!(", {wide}"),
        None => String::new(),
    };
    format!(
        "{processor}{wide}, {cores} cores, {:.0} GiB of memory",
        kib / 1024.0 / 1024.0
    )
}

/// The system, and how busy it was when the run began: figures of a busy
/// machine are noise.
#[must_use]
pub fn system() -> String {
    let name = fs::read_to_string("/etc/os-release")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("PRETTY_NAME="))?;
            Some(line["PRETTY_NAME=".len()..].trim_matches('"').to_owned())
        })
        .unwrap_or_else(|| "unknown system".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!(
        "{name}, Linux {}, load average at the start {load}",
        kernel.join(".")
    )
}

/// What a program says its version is; its first line.
#[must_use]
pub fn version(program: impl AsRef<Path>) -> String {
    let output = Command::new(program.as_ref()).arg("--version").output();
    let text = output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The widest vector instructions, which programs choose by.
fn wide_vectors() -> Option<&'static str> {
    let flags = field("/proc/cpuinfo", "flags")?;
    let has = |name| flags.split(' ').any(|flag| flag == name);
    [("avx512f", "AVX-512"), ("avx2", "AVX2")]
        .into_iter()
        .find_map(|(flag, name)| has(flag).then_some(name))
}
