//! Counts instructions per message, which a busy machine does not change.
//!
//! The program runs itself below valgrind, once with few messages and once with
//! more; what the additional ones took is the difference, so that the start and
//! everything that is compiled on first use drop out.

mod baseline;

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

pub(crate) use baseline::{Baseline, Change};

use crate::contender::Native;
use crate::sample::{Sample, Way};

/// Messages before what is counted: tables are compiled and buffers have grown.
const BEFORE: u64 = 3;

/// How many bytes of JSON the counted messages have together: enough for the
/// start's small differences between runs to vanish.
const COUNTED: usize = 1 << 18;

/// How many times a small message is repeated at most.
const MOST: usize = 4_000;

/// The hidden argument that starts the program as the one that is counted.
pub(crate) const FLAG: &str = "--repeat";

/// One thing to count.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) contender: Native,
    pub(crate) sample: &'a Sample,
    pub(crate) way: Way,
}

impl<'a> Job<'a> {
    /// All ways of all samples.
    pub(crate) fn all(contender: Native, samples: &'a [Sample]) -> Vec<Self> {
        let both = |sample| {
            Way::BOTH.map(|way| Self {
                contender,
                sample,
                way,
            })
        };
        samples.iter().flat_map(both).collect()
    }

    /// Instructions per message.
    fn count(&self) -> Result<f64> {
        let additional = (COUNTED / self.sample.json.len()).clamp(8, MOST) as u64;
        let few = self.instructions(BEFORE)?;
        let more = self.instructions(BEFORE + additional)?;
        ensure!(more > few, "valgrind counted nothing");
        Ok((more - few) as f64 / additional as f64)
    }

    fn instructions(&self, times: u64) -> Result<u64> {
        let Self {
            contender,
            sample,
            way,
        } = self;
        let job = format!(
            "{},{},{},{times}",
            contender.name(),
            sample.name,
            way.name()
        );
        let output = Command::new("valgrind")
            // The caches are not simulated: only instructions are wanted.
            .args(["--tool=cachegrind", "--cache-sim=no"])
            .arg("--cachegrind-out-file=/dev/null")
            .arg(env::current_exe()?)
            .args([FLAG, &job])
            .output()
            .context("valgrind does not start; run `cargo xtask bench transcode`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{job} below valgrind: {said}");
        total(&said).with_context(|| format!("valgrind gives no count: {said}"))
    }
}

/// The total in what valgrind says: `I   refs:      1,234,567`, or `I refs:` in
/// newer ones.
fn total(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("refs:"))?;
    let digits: String = line
        .rsplit(':')
        .next()?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// Does what is counted; the job is as the parent wrote it.
pub(crate) fn repeat(job: &str) -> Result<()> {
    let words: Vec<&str> = job.split(',').collect();
    let [contender, sample, way, times] = words[..] else {
        bail!("`{job}` is not CONTENDER,SAMPLE,WAY,TIMES");
    };
    let contender = Native::ALL
        .iter()
        .find(|one| one.name() == contender)
        .context("no such contender")?;
    let samples = Sample::all()?;
    let sample = samples
        .iter()
        .find(|one| one.name == sample)
        .context("no such sample")?;
    let way = Way::BOTH
        .into_iter()
        .find(|one| one.name() == way)
        .context("no such way")?;
    // Without a clock: reading it is a trick that valgrind does not know.
    contender.prepare(sample, true)?.repeat(way, times.parse()?)
}

/// Counts all jobs, on as many processors as there are: they do not disturb each
/// other's counts.
pub(crate) fn count(jobs: &[Job<'_>]) -> Result<Vec<f64>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, f64)>> {
        let mut counts = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else {
                return Ok(counts);
            };
            counts.push((place, job.count()?));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut counts = vec![0.0; jobs.len()];
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let Ok(done) = worker.join() else {
                bail!("a thread that counts panicked");
            };
            for (place, count) in done? {
                counts[place] = count;
            }
        }
        Ok(())
    })?;
    Ok(counts)
}

/// Counts by contender, way and sample.
#[cfg(feature = "peers")]
pub(crate) struct Counts(Vec<(Native, Way, &'static str, f64)>);

#[cfg(feature = "peers")]
impl Counts {
    /// The counts that came of these jobs.
    pub(crate) fn new(jobs: &[Job<'_>], counts: Vec<f64>) -> Self {
        let count =
            |(job, count): (&Job<'_>, f64)| (job.contender, job.way, job.sample.name, count);
        Self(jobs.iter().zip(counts).map(count).collect())
    }

    pub(crate) fn of(&self, contender: Native, way: Way, sample: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|one| (one.0, one.1, one.2) == (contender, way, sample))
            .map(|one| one.3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_in_what_valgrind_says() {
        let said = "==7== Cachegrind, a profiler\n==7== \n==7== I   refs:      12,345,678\n";
        assert_eq!(total(said), Some(12_345_678));
        assert_eq!(total("==7== I refs: 42"), Some(42));
        assert_eq!(total("==7== nothing"), None);
    }

    #[test]
    fn jobs_are_read_as_they_are_written() {
        repeat("ours,greeter,read,2").unwrap();
        repeat("oracle,nested,write,1").unwrap();
        for wrong in [
            "",
            "ours,greeter,read",
            "ours,greeter,up,1",
            "x,greeter,read,1",
        ] {
            assert!(repeat(wrong).is_err(), "{wrong}");
        }
    }
}
