//! The benchmarks, one file each: they compare, in one run, with what a user
//! would use instead, and print a table.

pub(crate) mod gateway;
mod go_peers;
pub(crate) mod memory;
pub(crate) mod transcode;
pub(crate) mod users;

use std::process::Command;

use anyhow::Result;

use crate::process::{self, command};
use crate::repository::Repository;

/// The cargo that runs us, so that one toolchain does everything.
fn cargo(repository: &Repository) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository.root());
    cargo
}

/// Builds packages for a measurement, each by itself: built together, our
/// program would get the features that only the benchmark asks for.
fn build_apart(repository: &Repository, packages: &[&str]) -> Result<()> {
    for package in packages {
        process::run(
            cargo(repository)
                .args(["build", "--release", "--locked", "--package"])
                .arg(package),
        )?;
    }
    Ok(())
}
