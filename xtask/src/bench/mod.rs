//! The benchmarks, one file each: they compare, in one run, with what a user
//! would use instead, and print a table.

pub(crate) mod memory;
pub(crate) mod transcode;

use std::process::Command;

use crate::process::command;
use crate::repository::Repository;

/// The cargo that runs us, so that one toolchain does everything.
fn cargo(repository: &Repository) -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repository.root());
    cargo
}
