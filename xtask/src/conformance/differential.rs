//! The same random messages through the transcoder and through Python's and
//! JavaScript's protobuf, of the versions that are locked beside the drivers in
//! `conformance/differential`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::packages;
use crate::process::{command, run, run_within};
use crate::repository::Repository;
use crate::setup;
use crate::steps::Steps;

/// A whole run takes some ten seconds.
const LIMIT: Duration = Duration::from_secs(600);

/// Sets both peers up and runs the comparison.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let sources = repository.root().join("conformance/differential");
    let folder = repository.clients().join("conformance/differential");
    let mut python = PathBuf::new();
    let _ = steps.run("set up the peers", || {
        let requirements = sources.join("python/requirements.txt");
        python = setup::peers(repository, "differential", &requirements)?;
        packages::install(&sources.join("node"), &folder)?;
        // A module looks for packages in the folders above its own.
        fs::copy(sources.join("node/driver.js"), folder.join("driver.js"))?;
        Ok(())
    }) && steps.run("build the comparison", || {
        run(command(env!("CARGO"))
            .args(["build", "--locked", "--package", "conformance-differential"])
            .current_dir(repository.root()))
    }) && steps.run("differential", || compare(repository, &folder, &python));
}

fn compare(repository: &Repository, folder: &Path, python: &Path) -> Result<()> {
    let program = repository
        .binary()
        .with_file_name("conformance-differential")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let driver = repository
        .root()
        .join("conformance/differential/python/driver.py");
    let mut comparison = command(program);
    comparison
        .arg("--python")
        .arg(python)
        .arg(driver)
        .args(["--javascript", "node"])
        .arg(folder.join("driver.js"));
    run_within(LIMIT, &mut comparison)
}
