//! `cargo xtask bench memory`: what the memory service costs.

use anyhow::{Result, bail};

use crate::repository::Repository;

/// Runs the benchmark of the memory service.
pub(crate) fn run(_repository: &Repository, _arguments: &[&str]) -> Result<()> {
    bail!("the benchmark of the memory service is not there yet")
}
