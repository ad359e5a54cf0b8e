//! What the protobuf conformance runner says at the end of a run.

use anyhow::{Context, Result, bail};

/// The counts of one suite: the runner has one for the binary format and JSON,
/// and one for the text format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) passed: usize,
    pub(crate) skipped: usize,
    pub(crate) expected_failures: usize,
    pub(crate) failed: usize,
}

impl Verdict {
    /// All verdicts in what the runner printed.
    pub(crate) fn all(output: &str) -> Result<Vec<Self>> {
        output
            .lines()
            .filter_map(|line| line.strip_prefix("CONFORMANCE SUITE "))
            .map(|line| {
                let (_, counts) = line.split_once(": ").unwrap_or_default();
                Self::parse(counts)
                    .with_context(|| format!("the runner's verdict `{line}` is unknown"))
            })
            .collect()
    }

    /// Reads `7 successes, 0 skipped, 0 expected failures, 0 unexpected failures.`
    fn parse(counts: &str) -> Option<Self> {
        let mut verdict = Self::default();
        let mut found = 0;
        for part in counts.trim_end_matches('.').split(", ") {
            let (count, what) = part.split_once(' ')?;
            let place = match what {
                "successes" => &mut verdict.passed,
                "skipped" => &mut verdict.skipped,
                "expected failures" => &mut verdict.expected_failures,
                "unexpected failures" => &mut verdict.failed,
                _ => return None,
            };
            *place = count.parse().ok()?;
            found += 1;
        }
        (found == 4).then_some(verdict)
    }

    /// Fails unless every one of `tests` tests was run and passed. The count
    /// guards against a run that leaves out a syntax or a format.
    pub(crate) fn must_be_whole(self, tests: usize) -> Result<()> {
        let Self {
            passed,
            skipped,
            expected_failures,
            failed,
        } = self;
        if skipped + expected_failures + failed > 0 {
            bail!(
                "{failed} tests failed, {expected_failures} failed as expected and {skipped} were \
                 skipped; none may"
            );
        }
        if passed != tests {
            bail!("{passed} tests were run, not {tests}; was one of the suites left out?");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
CONFORMANCE TEST BEGIN ====================================

CONFORMANCE SUITE PASSED: 5567 successes, 0 skipped, 0 expected failures, 0 unexpected failures.
CONFORMANCE SUITE FAILED: 1 successes, 883 skipped, 2 expected failures, 3 unexpected failures.
";

    #[test]
    fn the_runner_is_understood() {
        let verdicts = Verdict::all(OUTPUT).unwrap();
        let second = Verdict {
            passed: 1,
            skipped: 883,
            expected_failures: 2,
            failed: 3,
        };
        assert_eq!(verdicts.len(), 2);
        assert_eq!(verdicts[0].passed, 5567);
        assert_eq!(verdicts[1], second);
        assert!(Verdict::all("CONFORMANCE SUITE FAILED: lost count").is_err());
    }

    #[test]
    fn only_a_whole_run_counts() {
        let verdicts = Verdict::all(OUTPUT).unwrap();
        assert!(verdicts[0].must_be_whole(5567).is_ok());
        assert!(verdicts[0].must_be_whole(5568).is_err());
        assert!(verdicts[1].must_be_whole(1).is_err());
    }
}
