//! Measures the transcoder in one run beside what one would use instead, or only
//! counts its instructions and holds them against a baseline. Here is the command
//! line.
//!
//! `cargo xtask bench transcode` builds everything, prepares the peers and
//! starts this.

#![cfg_attr(
    not(feature = "peers"),
    allow(dead_code, reason = "counting instructions needs only a part of it")
)]

mod allocations;
#[cfg(feature = "peers")]
mod compare;
mod contender;
mod contract;
mod gate;
#[cfg(feature = "peers")]
mod goals;
mod instructions;
#[cfg(feature = "peers")]
mod race;
#[cfg(feature = "peers")]
mod results;
mod sample;
#[cfg(feature = "peers")]
mod tables;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;

/// Measures the transcoder beside what one would use instead.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench transcode")]
struct Arguments {
    /// Put the tables into docs/benchmarks.md; with --instructions, renew the
    /// baseline
    #[arg(long)]
    write: bool,

    /// Only count instructions, and fail when one of the counts is more than 5 %
    /// above the baseline
    #[arg(long)]
    instructions: bool,

    /// What is counted
    #[arg(
        long = "repeat",
        value_name = "CONTENDER,SAMPLE,WAY,TIMES",
        hide = true
    )]
    repeat: Option<String>,

    /// The Python with protobuf
    #[arg(long, value_name = "FILE", hide = true)]
    python: Option<PathBuf>,

    /// The program over libprotobuf
    #[arg(long, value_name = "FILE", hide = true)]
    converter: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(job) = &arguments.repeat {
        return instructions::repeat(job);
    }
    if arguments.instructions {
        return gate::run(package, arguments.write);
    }
    whole(&arguments, package)
}

#[cfg(feature = "peers")]
fn whole(arguments: &Arguments, package: &Path) -> Result<()> {
    use anyhow::Context as _;

    let repository = package
        .ancestors()
        .nth(2)
        .context("the package lies two folders deep in the repository")?;
    let page = repository.join("docs/benchmarks.md");
    let peers = compare::Peers {
        python: arguments.python.clone(),
        converter: arguments.converter.clone(),
    };
    compare::run(&peers, package, arguments.write.then_some(&page))
}

#[cfg(not(feature = "peers"))]
fn whole(_: &Arguments, _: &Path) -> Result<()> {
    anyhow::bail!("built without the peers; only --instructions works")
}
