//! The folder that is written to: its file system, and how long its disk takes.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use benchmark_report::figures::median;

/// What a commit writes, about: a few pages of a log that is written again and
/// again, so that its length stays and only its content must reach the disk.
const SYNCED: usize = 8 << 10;
const LOG: usize = 1 << 20;
const SYNCS: usize = 200;

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
