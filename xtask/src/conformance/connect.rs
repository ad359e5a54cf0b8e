//! The Connect conformance suite, against the gateway: in front of a tonic
//! service in the same process, and in front of the two gRPC servers that the
//! suite brings, reached through a channel. Without a list of failures to
//! overlook.
//!
//! The suite is a Go module, of the version that is locked in
//! `conformance/connect`, where the testee is too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Toolchain, command, run, run_quietly, run_within};
use crate::repository::Repository;
use crate::setup;
use crate::steps::Steps;

/// What is installed of the suite.
const PROGRAMS: [&str; 3] = ["connectconformance", "grpcserver", "referenceserver"];
/// The files that lock its version.
const LOCKS: [&str; 2] = ["go.mod", "go.sum"];
const MODULE: &str = "connectrpc.com/conformance";

/// A whole run takes less than a minute.
const LIMIT: Duration = Duration::from_secs(600);

/// What stands behind the gateway.
struct Mode {
    name: &'static str,
    log: &'static str,
    /// The suite's program, if it is one.
    upstream: Option<&'static str>,
    /// What it cannot do, as lines of the features.
    lacks: &'static str,
    /// How many cases the locked version has for that.
    cases: usize,
}

const MODES: [Mode; 3] = [
    Mode {
        name: "connect conformance, in process",
        log: "in-process.log",
        upstream: None,
        lacks: "",
        cases: 10_756,
    },
    Mode {
        name: "connect conformance, before the reference server",
        log: "reference.log",
        upstream: Some("referenceserver"),
        lacks: "",
        cases: 10_756,
    },
    Mode {
        name: "connect conformance, before grpc-go",
        log: "grpc-go.log",
        upstream: Some("grpcserver"),
        // Its service lacks the one method that may be called by GET.
        lacks: "  supports_connect_get: false\n",
        cases: 10_748,
    },
];

/// Sets everything up and runs the suite in every mode.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let place = Place {
        sources: repository.root().join("conformance/connect"),
        folder: repository.clients().join("conformance/connect"),
        // The testee is built beside the server.
        testee: repository
            .binary()
            .with_file_name("conformance-connect")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    let ready = steps.run("set up the suite", || place.install(repository))
        && steps.run("build the testee", || {
            run(command(env!("CARGO"))
                .args(["build", "--package", "conformance-connect"])
                .current_dir(repository.root()))
        });
    if !ready {
        return;
    }
    for mode in &MODES {
        steps.run(mode.name, || place.judge(repository, mode));
    }
}

/// Where the parts of a run are.
struct Place {
    sources: PathBuf,
    /// What is installed and logged.
    folder: PathBuf,
    testee: PathBuf,
}

impl Place {
    fn program(&self, name: &str) -> PathBuf {
        let path = self.folder.join("bin").join(name);
        path.with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Builds the suite's programs, unless they are there.
    fn install(&self, repository: &Repository) -> Result<()> {
        Toolchain::GO.check()?;
        let stamp = self.folder.join("installed");
        let mut locked = String::new();
        fs::create_dir_all(&self.folder)?;
        for lock in LOCKS {
            let path = self.sources.join(lock);
            locked += &fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            fs::copy(path, self.folder.join(lock))?;
        }
        let there = PROGRAMS.iter().all(|name| self.program(name).exists());
        if there
            && self
                .contract(repository)
                .is_ok_and(|folder| folder.is_dir())
            && fs::read_to_string(&stamp).is_ok_and(|text| text == locked)
        {
            return Ok(());
        }
        run_quietly(
            setup::go_command(repository)
                .args(["install", "tool"])
                .env("GOBIN", self.folder.join("bin"))
                .current_dir(&self.folder),
        )?;
        fs::write(stamp, locked).context("the set-up's stamp cannot be written")
    }

    /// The folder with the suite's contract, which comes with its sources.
    fn contract(&self, repository: &Repository) -> Result<PathBuf> {
        let output = setup::go_command(repository)
            .args(["list", "-m", "-f", "{{.Dir}}", MODULE])
            .current_dir(&self.folder)
            .output()
            .context("`go` does not start")?;
        if !output.status.success() {
            bail!(
                "the suite's sources are not there: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let folder = String::from_utf8(output.stdout).context("a path that is no text")?;
        Ok(Path::new(folder.trim()).join("proto"))
    }

    fn judge(&self, repository: &Repository, mode: &Mode) -> Result<()> {
        let features = self.folder.join("features.yaml");
        let all = fs::read_to_string(self.sources.join("features.yaml"))?;
        fs::write(&features, all + mode.lacks)?;
        let log = self.folder.join(mode.log);
        let file = File::create(&log)?;
        let mut runner = command(self.program("connectconformance"));
        runner
            .args(["--mode", "server", "--conf"])
            .arg(&features)
            .arg("--")
            .arg(&self.testee)
            .env("CONFORMANCE_PROTO", self.contract(repository)?)
            .stdout(file.try_clone()?)
            .stderr(file);
        match mode.upstream {
            Some(program) => runner.env("CONFORMANCE_UPSTREAM", self.program(program)),
            None => runner.env_remove("CONFORMANCE_UPSTREAM"),
        };
        let ended = run_within(LIMIT, &mut runner);
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        summary(&output, ended, mode.cases).with_context(|| format!("see {}", log.display()))
    }
}

/// The verdict on a whole run, in one line, after the names of what failed.
fn summary(output: &str, ended: Result<()>, cases: usize) -> Result<()> {
    for failed in output.lines().filter(|line| line.starts_with("FAILED: ")) {
        println!("{failed}");
    }
    let Some((passed, failed)) = output.lines().find_map(verdict) else {
        ended?;
        bail!("the suite came to no verdict");
    };
    println!("{passed} cases passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} cases failed; none may");
    }
    ended?;
    // A run that leaves something out would pass too.
    if passed != cases {
        bail!("{passed} cases were run, not {cases}; was one of the features left out?");
    }
    Ok(())
}

/// Reads `10756 passed, 0 failed`.
fn verdict(line: &str) -> Option<(usize, usize)> {
    let (passed, rest) = line.split_once(" passed, ")?;
    let failed = rest.strip_suffix(" failed")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_passes() {
        let text = |passed, failed| {
            format!(
                "\nTotal cases: {}\n{passed} passed, {failed} failed\n",
                passed + failed
            )
        };
        assert!(summary(&text(12, 0), Ok(()), 12).is_ok());
        assert!(summary(&text(11, 1), Ok(()), 12).is_err());
        assert!(summary(&text(11, 0), Ok(()), 12).is_err());
        assert!(summary(&text(12, 0), Err(anyhow::anyhow!("killed")), 12).is_err());
        assert!(summary("no verdict", Ok(()), 12).is_err());
        let more = text(12, 0) + "Another 3 could not be run due to client timing out.";
        assert!(summary(&more, Ok(()), 15).is_err());
    }
}
