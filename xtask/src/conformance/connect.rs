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

use super::go_tools::GoTools;
use crate::go;
use crate::process::{command, run, run_within};
use crate::repository::Repository;
use crate::steps::Steps;

/// What is installed of the suite.
const PROGRAMS: [&str; 3] = ["connectconformance", "grpcserver", "referenceserver"];
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
        tools: GoTools {
            sources: repository.root().join("conformance/connect"),
            folder: repository.clients().join("conformance/connect"),
            programs: &PROGRAMS,
        },
        // The testee is built beside the server.
        testee: repository
            .binary()
            .with_file_name("conformance-connect")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    let whole = || {
        place
            .contract(repository)
            .is_ok_and(|folder| folder.is_dir())
    };
    let ready = steps.run("set up the suite", || {
        place.tools.install(repository, whole)
    }) && steps.run("build the testee", || {
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
    tools: GoTools,
    testee: PathBuf,
}

impl Place {
    /// The folder with the suite's contract, which comes with its sources.
    fn contract(&self, repository: &Repository) -> Result<PathBuf> {
        let output = go::run_in(repository, &self.tools.folder)
            .args(["list", "-m", "-f", "{{.Dir}}", MODULE])
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
        let features = self.tools.folder.join("features.yaml");
        let all = fs::read_to_string(self.tools.sources.join("features.yaml"))?;
        fs::write(&features, all + mode.lacks)?;
        let log = self.tools.folder.join(mode.log);
        let file = File::create(&log)?;
        let mut runner = command(self.tools.program("connectconformance"));
        runner
            .args(["--mode", "server", "--conf"])
            .arg(&features)
            .arg("--")
            .arg(&self.testee)
            .env("CONFORMANCE_PROTO", self.contract(repository)?)
            .stdout(file.try_clone()?)
            .stderr(file);
        match mode.upstream {
            Some(program) => runner.env("CONFORMANCE_UPSTREAM", self.tools.program(program)),
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
