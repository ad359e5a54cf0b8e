//! Every `google.api.http` rule of googleapis through the gateway, and what it
//! costs to find one.
//!
//! The contracts are those of the npm package `google-proto-files`, of the
//! version that is locked beside the judge in `conformance/rules`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::packages;
use crate::process::{command, run, run_within};
use crate::repository::Repository;
use crate::steps::Steps;

/// A whole run takes under a minute, the first a little longer.
const LIMIT: Duration = Duration::from_secs(900);

/// Sets everything up and tries every rule.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let place = Place::of(repository);
    let _ = place.set_up(steps)
        && steps.run("build the judge", || {
            run(&mut place.build(repository, false))
        })
        && steps.run("rules", || {
            run_within(LIMIT, &mut place.judge(repository, false))
        });
}

/// Sets everything up and takes the time of a search.
pub(crate) fn run_times(repository: &Repository, steps: &mut Steps) {
    let place = Place::of(repository);
    let _ = place.set_up(steps)
        && steps.run(
            "build the judge",
            || run(&mut place.build(repository, true)),
        )
        && steps.run("times of rules", || {
            run_within(LIMIT, place.judge(repository, true).arg("--time"))
        });
}

/// Where the parts of a run are.
struct Place {
    sources: PathBuf,
    folder: PathBuf,
}

impl Place {
    fn of(repository: &Repository) -> Self {
        Self {
            sources: repository.root().join("conformance/rules"),
            folder: repository.clients().join("conformance/rules"),
        }
    }

    fn set_up(&self, steps: &mut Steps) -> bool {
        steps.run("set up the contracts", || {
            packages::install(&self.sources, &self.folder)
        })
    }

    fn build(&self, repository: &Repository, release: bool) -> Command {
        let mut build = command(env!("CARGO"));
        build
            .args(["build", "--locked", "--package", "conformance-rules"])
            .current_dir(repository.root());
        if release {
            build.arg("--release");
        }
        build
    }

    fn judge(&self, repository: &Repository, release: bool) -> Command {
        let profile = if release { "release" } else { "debug" };
        let program = repository
            .target()
            .join(profile)
            .join("conformance-rules")
            .with_extension(std::env::consts::EXE_EXTENSION);
        let mut judge = command(program);
        judge
            .arg(self.folder.join("node_modules/google-proto-files"))
            .arg(self.kept());
        judge
    }

    /// Where the compiled contracts are kept, until others are locked.
    fn kept(&self) -> PathBuf {
        let kept = self.folder.join("googleapis.binpb");
        let time = |path: PathBuf| fs::metadata(path)?.modified();
        let stale =
            || -> Result<bool> { Ok(time(kept.clone())? < time(self.folder.join("installed"))?) };
        if stale().unwrap_or(false) {
            let _ = fs::remove_file(&kept);
        }
        kept
    }
}
