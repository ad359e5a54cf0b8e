//! `cargo xtask bench transcode`: prepares what the benchmark of the transcoder
//! needs, and runs it. What it measures is in `benchmarks/transcode`.

mod converter;

use std::process::Command;

use anyhow::Result;

use super::cargo;
use crate::apt;
use crate::process::{self, Toolchain};
use crate::repository::Repository;
use crate::setup;

const PACKAGE: &str = "benchmark-transcode";

/// The option for the short form.
const INSTRUCTIONS: &str = "--instructions";

/// Runs the benchmark of the transcoder with these arguments.
pub(crate) fn run(repository: &Repository, arguments: &[&str]) -> Result<()> {
    apt::provide(&Toolchain::VALGRIND, "valgrind")?;
    if arguments.contains(&INSTRUCTIONS) {
        // Nothing that it is compared with is built.
        return process::run(
            start(repository)
                .args(["--no-default-features", "--"])
                .args(arguments),
        );
    }
    let peers = repository.root().join("benchmarks/transcode/peers");
    let python = setup::peers(repository, "transcode", &peers.join("requirements.txt"))?;
    let mut program = start(repository);
    program.args(["--", "--python"]).arg(python);
    match converter::provide(repository, &peers.join("converter.cc")) {
        Ok(converter) => {
            program.arg("--converter").arg(converter);
        }
        // The other rows are worth having without this one.
        Err(error) => println!("without libprotobuf: {error:#}"),
    }
    process::run(program.args(arguments))
}

/// Counts the transcoder's instructions and fails when they have risen: the step
/// of the tests.
pub(crate) fn instructions(repository: &Repository) -> Result<()> {
    run(repository, &[INSTRUCTIONS])
}

fn start(repository: &Repository) -> Command {
    let mut cargo = cargo(repository);
    cargo
        .args(["run", "--quiet", "--release", "--locked"])
        .args(["--package", PACKAGE]);
    cargo
}
