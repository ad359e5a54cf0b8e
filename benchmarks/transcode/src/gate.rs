//! The short form: counts the transcoder's instructions and holds them against
//! the committed baseline.

use std::path::Path;

use anyhow::{Result, bail};
use benchmark_report::machine;

use crate::contender::Native;
use crate::instructions::{self, Baseline, Change, Job};
use crate::sample::Sample;

/// Counts, tells, and fails when a count has risen too much; with `renew` the
/// counts become the baseline.
pub(crate) fn run(package: &Path, renew: bool) -> Result<()> {
    let path = package.join("instructions.toml");
    let samples = Sample::all()?;
    let jobs = Job::all(Native::Ours, &samples);
    let counts = instructions::count(&jobs)?;
    let counts = jobs
        .iter()
        .zip(counts)
        .map(|(job, count)| (job.way, job.sample.name.to_owned(), count));
    let now = Baseline::new(machine::version("rustc"), counts);
    let before = if renew && !path.exists() {
        Baseline::new(String::new(), [])
    } else {
        Baseline::read(&path)?
    };
    let changes = before.changes(&now);
    for change in &changes {
        println!("{}", line(change));
    }
    if renew {
        return now.write(&path);
    }
    if changes.iter().any(Change::is_much_better) {
        println!("much better than the baseline; renew it with --instructions --write");
    }
    let risen = changes.iter().filter(|change| !change.is_fine()).count();
    if risen == 0 {
        return Ok(());
    }
    let compiler = if before.compiler == now.compiler {
        String::new()
    } else {
        format!(
            "; the baseline is of {}, this is {}",
            before.compiler, now.compiler
        )
    };
    bail!(
        "{risen} of {} counts rose by more than 5 %; if that is wanted, renew the baseline with \
         `cargo xtask bench transcode --instructions --write`{compiler}",
        changes.len()
    )
}

fn line(change: &Change) -> String {
    let rise = change
        .rise()
        .map_or("new".to_owned(), |rise| format!("{:+.1} %", rise * 100.0));
    let verdict = if change.before.is_none() || change.is_fine() {
        ""
    } else {
        "  TOO MANY"
    };
    format!(
        "{:<12} {:<10} {:>10.0} instructions  {rise}{verdict}",
        change.way.title(),
        change.sample,
        change.now
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Way;

    #[test]
    fn a_line_says_what_rose() {
        let mut change = Change {
            way: Way::Read,
            sample: "user".into(),
            before: Some(1_000.0),
            now: 1_100.0,
        };
        assert_eq!(
            line(&change),
            "JSON → wire  user             1100 instructions  +10.0 %  TOO MANY"
        );
        change.before = None;
        assert_eq!(
            line(&change),
            "JSON → wire  user             1100 instructions  new"
        );
    }
}
