//! Whether the crates with code for one processor compile for another.

use std::time::Duration;

use anyhow::Result;

use crate::process::{command, run_quietly, run_within};
use crate::repository::Repository;

/// The other processor, of which the standard library is needed.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Long enough for a slow machine.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Checks what is ours alone; a crate with C in it would need another compiler.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    if let Err(error) = run_quietly(command("rustup").args(["target", "add", TARGET])) {
        println!("left out: the standard library for {TARGET} cannot be had: {error:#}");
        return Ok(());
    }
    run_within(
        LIMIT,
        command("cargo")
            .args(["check", "--locked", "--package", "portolan-transcode"])
            .args(["--target", TARGET])
            .current_dir(repository.root()),
    )
}
