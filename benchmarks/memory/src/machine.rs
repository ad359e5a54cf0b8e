//! What the figures depend on besides the program: the machine, its system and
//! the folder that is written to.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::figures::median;

/// What a commit writes, about: a few pages of a log that is written again and
/// again, so that its length stays and only its content must reach the disk.
const SYNCED: usize = 8 << 10;
const LOG: usize = 1 << 20;
const SYNCS: usize = 200;

/// The machine in one line: processor, cores, memory.
pub(crate) fn hardware() -> String {
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
pub(crate) fn system() -> String {
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
pub(crate) fn version(program: impl AsRef<Path>) -> String {
    let output = Command::new(program.as_ref()).arg("--version").output();
    let text = output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// The kind of file system that a folder is on.
pub(crate) fn filesystem(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.into());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
            folder.starts_with(place).then_some((place.len(), kind))
        })
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".into(), |(_, kind)| kind.to_owned())
}

/// How long it takes here to write a little into a file and wait until it is
/// on the disk; the middle of many. This is what one commit at a time cannot
/// beat.
pub(crate) fn sync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    file.write_all(&vec![0; LOG])?;
    file.sync_all()?;
    let page = [7; SYNCED];
    let mut times = Vec::with_capacity(SYNCS);
    for sync in 0..SYNCS {
        let place = sync * SYNCED % LOG;
        file.seek(SeekFrom::Start(place as u64))?;
        let started = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64());
    }
    fs::remove_file(&path)?;
    Ok(Duration::from_secs_f64(median(&times)))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The widest vector instructions, which the scan chooses by.
fn wide_vectors() -> Option<&'static str> {
    let flags = field("/proc/cpuinfo", "flags")?;
    let has = |name| flags.split(' ').any(|flag| flag == name);
    [("avx512f", "AVX-512"), ("avx2", "AVX2")]
        .into_iter()
        .find_map(|(flag, name)| has(flag).then_some(name))
}
