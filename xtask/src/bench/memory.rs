//! `cargo xtask bench memory`: prepares what the benchmark of the memory
//! service needs, and runs it. What it measures is in `benchmarks/memory`.

use anyhow::Result;

use super::{build_apart, cargo};
use crate::process;
use crate::repository::Repository;
use crate::setup;

const PACKAGE: &str = "benchmark-memory";

/// Runs the benchmark of the memory service with these arguments.
pub(crate) fn run(repository: &Repository, arguments: &[&str]) -> Result<()> {
    let folder = repository.root().join("benchmarks/memory");
    let python = setup::peers(repository, "memory", &folder.join("requirements.txt"))?;
    build_apart(repository, &["portolan", PACKAGE])?;
    process::run(
        cargo(repository)
            .args(["run", "--quiet", "--release", "--locked"])
            .args(["--package", PACKAGE, "--", "--python"])
            .arg(python)
            .args(arguments),
    )
}
