//! What a task did, step by step: a heading and a duration for each, and one
//! line for the whole at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of one task.
pub(crate) struct Steps {
    started: Instant,
    passed: usize,
    failed: Vec<String>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            passed: 0,
            failed: Vec::new(),
        }
    }

    /// Does one step and says how it went; whether it passed.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> bool {
        println!("── {name}");
        let started = Instant::now();
        let outcome = step();
        let took = duration(started.elapsed());
        match outcome {
            Ok(()) => {
                println!("── {name}: ok in {took}");
                self.passed += 1;
                true
            }
            Err(error) => {
                println!("── {name}: FAILED after {took}: {error:#}");
                self.failed.push(name.to_owned());
                false
            }
        }
    }

    /// Prints the closing line; its exit code says the same.
    pub(crate) fn conclude(self) -> ExitCode {
        let took = duration(self.started.elapsed());
        let total = self.passed + self.failed.len();
        if self.failed.is_empty() {
            println!("passed: {total} of {total} steps in {took}");
            ExitCode::SUCCESS
        } else {
            let names = self.failed.join(", ");
            println!(
                "failed: {} of {total} steps in {took}: {names}",
                self.failed.len()
            );
            ExitCode::FAILURE
        }
    }
}

/// A duration as people read it.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_whole() {
        let mut steps = Steps::new();
        assert!(steps.run("first", || Ok(())));
        assert!(!steps.run("second", || anyhow::bail!("it broke")));
        assert!(steps.run("third", || Ok(())));
        assert_eq!(steps.failed, ["second"]);
        assert_eq!(steps.passed, 2);
        assert_eq!(
            format!("{:?}", steps.conclude()),
            format!("{:?}", ExitCode::FAILURE)
        );
    }

    #[test]
    fn long_durations_are_in_minutes() {
        assert_eq!(duration(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
