//! The fuzzers in `fuzz/`, built as `cargo fuzz` builds them and run for a
//! while. They need no `cargo fuzz` and no nightly toolchain: the sanitizer
//! comes with the stable compiler, and only its flag has to be unlocked.
//!
//! Everything lands below the build folder, the corpora that grow among it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{command, run_quietly, run_within};
use crate::repository::Repository;
use crate::steps::Steps;

const TARGETS: [&str; 4] = ["json_to_wire", "wire_to_json", "round_trip", "fields"];

/// How long each runs, unless the command line says otherwise.
const SECONDS: u64 = 60;
/// How long each runs in `cargo xtask test`.
pub(crate) const SHORT: u64 = 20;

/// What a fuzzer does at the very least in its time, on the slowest machine: one
/// that does less does not work.
const LEAST_RUNS: u64 = 1_000;

/// How long the build may take.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Inputs are as long as this at most; small ones find more in the same time.
const LONGEST: &str = "-max_len=4096";

/// What `cargo fuzz` gives the compiler: counters at every edge, comparisons
/// reported, and the sanitizer.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
    "-Cforce-frame-pointers",
    "--cfg=fuzzing",
];

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    targets: Vec<&'static str>,
    seconds: u64,
}

impl Plan {
    /// Every fuzzer, for so long.
    pub(crate) fn all(seconds: u64) -> Self {
        Self {
            targets: TARGETS.to_vec(),
            seconds,
        }
    }

    /// Reads `[TARGET…] [--seconds N]`.
    pub(crate) fn read(words: &[&str]) -> Result<Self, String> {
        let mut plan = Self::all(SECONDS);
        let mut targets = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "--seconds" {
                let number = words.next().and_then(|number| number.parse().ok());
                plan.seconds = number.ok_or("--seconds needs a number")?;
                continue;
            }
            let known = TARGETS.into_iter().find(|target| target == word);
            targets.push(known.ok_or_else(|| format!("unknown fuzzer `{word}`"))?);
        }
        if !targets.is_empty() {
            plan.targets = targets;
        }
        Ok(plan)
    }
}

/// Builds the fuzzers and runs those that are asked for, as many at once as the
/// machine has processors.
pub(crate) fn run(repository: &Repository, plan: &Plan, steps: &mut Steps) {
    let mut place = None;
    let built = steps.run("build the fuzzers", || {
        place = Some(Place::build(repository)?);
        Ok(())
    });
    if let (true, Some(place)) = (built, place) {
        steps.run("fuzz", || place.run_all(plan));
    }
}

/// Where the fuzzers are and what they work with.
struct Place {
    sources: PathBuf,
    folder: PathBuf,
    programs: PathBuf,
}

impl Place {
    fn build(repository: &Repository) -> Result<Self> {
        let sources = repository.root().join("fuzz");
        let folder = repository.target().join("fuzz");
        let host = host()?;
        let mut build = command(env!("CARGO"));
        build
            .args([
                "build",
                "--release",
                "--locked",
                "--bins",
                "--target",
                &host,
            ])
            .arg("--manifest-path")
            .arg(sources.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&folder)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
            .env("RUSTC_BOOTSTRAP", "1");
        run_within(BUILD_LIMIT, &mut build)?;
        let place = Self {
            programs: folder.join(host).join("release"),
            sources,
            folder,
        };
        run_quietly(command(place.program("corpora")).arg(place.corpora()))?;
        fs::create_dir_all(place.folder.join("artifacts"))?;
        Ok(place)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    }

    fn corpora(&self) -> PathBuf {
        self.folder.join("corpora")
    }

    fn run_all(&self, plan: &Plan) -> Result<()> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let mut findings = Vec::new();
        for together in plan.targets.chunks(processors) {
            thread::scope(|scope| {
                let running = together.iter().map(|target| {
                    let run = move || self.run(target, plan.seconds);
                    (target, scope.spawn(run))
                });
                for (target, run) in running.collect::<Vec<_>>() {
                    match run.join() {
                        Ok(Ok(runs)) => println!("{target}: {runs} inputs, nothing found"),
                        Ok(Err(error)) => {
                            println!("{target}: {error:#}");
                            findings.push(*target);
                        }
                        Err(_) => findings.push(*target),
                    }
                }
            });
        }
        if !findings.is_empty() {
            bail!("{} found something", findings.join(", "));
        }
        Ok(())
    }

    /// Runs one; how many inputs it tried.
    fn run(&self, target: &str, seconds: u64) -> Result<u64> {
        let log = self.folder.join(format!("{target}.log"));
        let file = File::create(&log)?;
        let mut fuzzer = self.fuzzer(target);
        fuzzer
            .arg(self.corpora().join(target))
            .arg(format!("-max_total_time={seconds}"))
            .args([LONGEST, "-timeout=10", "-rss_limit_mb=4096"])
            .arg(format!(
                "-dict={}",
                self.sources.join("json.dict").display()
            ))
            .args(["-print_final_stats=1", "-verbosity=1"])
            .stdout(file.try_clone()?)
            .stderr(file);
        let ended = run_within(Duration::from_secs(seconds * 2 + 120), &mut fuzzer);
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if let Err(error) = ended {
            print!("{}", finding(&text));
            return Err(error).with_context(|| {
                let program = self.program(target);
                format!("run `{} FILE` with the input above", program.display())
            });
        }
        let runs = runs(&text).with_context(|| format!("see {}", log.display()))?;
        if runs < LEAST_RUNS {
            bail!("only {runs} inputs in {seconds} s; see {}", log.display());
        }
        Ok(runs)
    }

    fn fuzzer(&self, target: &str) -> Command {
        let mut prefix = self.folder.join("artifacts").join(target).into_os_string();
        prefix.push("-");
        let mut fuzzer = command(self.program(target));
        fuzzer
            .arg(format!("-artifact_prefix={}", Path::new(&prefix).display()))
            // Looking for leaks needs rights that containers do not give.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .env("RUST_BACKTRACE", "0");
        fuzzer
    }
}

/// This machine, as the compiler names it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = command(rustc).arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what it is for")?
        .to_owned())
}

/// How many inputs a fuzzer says it has tried.
fn runs(log: &str) -> Option<u64> {
    let count = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    count.trim().parse().ok()
}

/// What a log says about a finding: from the panic or the sanitizer's report on,
/// without the trace of the calls.
fn finding(log: &str) -> String {
    let mut lines = log.lines().skip_while(|line| {
        !(line.contains("panicked at") || line.contains("ERROR: ") || line.contains("ALARM: "))
    });
    let mut shown = String::new();
    for line in lines.by_ref().take(200) {
        if !line.trim_start().starts_with('#') {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read() {
        assert_eq!(Plan::read(&[]), Ok(Plan::all(SECONDS)));
        let plan = Plan::read(&["round_trip", "--seconds", "5"]).unwrap();
        assert_eq!((plan.targets, plan.seconds), (vec!["round_trip"], 5));
        assert_eq!(Plan::read(&["x"]), Err("unknown fuzzer `x`".to_owned()));
        assert!(Plan::read(&["--seconds"]).is_err());
    }

    #[test]
    fn a_log_is_understood() {
        let log = "INFO: x\nDone 5 runs\nstat::number_of_executed_units: 163821\n";
        assert_eq!(runs(log), Some(163_821));
        assert_eq!(runs("INFO: x"), None);
        let log = "INFO: a\nthread panicked at b\nwhy\n    #0 0x1 in f\nTest unit written to c\n";
        assert_eq!(
            finding(log),
            "thread panicked at b\nwhy\nTest unit written to c\n"
        );
    }
}
