//! The commands, one file or folder each.

mod memory;
mod serve;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use tokio::runtime::{Builder, Runtime};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the vector memory over gRPC, gRPC-Web, Connect and REST/JSON
    Serve(Box<serve::Arguments>),
    /// Move memories in and out of a running server
    Memory(memory::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(*arguments),
            Self::Memory(arguments) => memory::run(arguments),
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
}
