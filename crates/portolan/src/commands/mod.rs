//! The commands, one file or folder each.

mod check;
mod config;
mod gateway;
mod health;
mod memory;
mod openapi;
pub(crate) mod serve;
mod target;
mod tls;
mod token;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use tokio::runtime::{Builder, Runtime};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the vector memory and the users over gRPC, gRPC-Web, Connect and REST/JSON
    Serve(Box<serve::Arguments>),
    /// Stand in front of gRPC servers and serve what they serve in every protocol
    Gateway(Box<gateway::Arguments>),
    /// Check the configuration file, or describe it to editors
    Config(config::Arguments),
    /// Write an OpenAPI 3.1 document of contracts
    Openapi(Box<openapi::Arguments>),
    /// Move memories in and out of a running server
    Memory(memory::Arguments),
    /// Ask a server whether it is in service, and say so by the exit code
    Health(Box<health::Arguments>),
    /// Make certificates to try TLS out with
    Tls(tls::Arguments),
    /// Make JSON Web Tokens, and look at them
    Token(token::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(arguments) => serve::run(*arguments),
            Self::Gateway(arguments) => gateway::run(*arguments),
            Self::Config(arguments) => config::run(arguments),
            Self::Openapi(arguments) => openapi::run(*arguments),
            Self::Memory(arguments) => memory::run(arguments),
            Self::Health(arguments) => health::run(&arguments),
            Self::Tls(arguments) => tls::run(arguments),
            Self::Token(arguments) => token::run(arguments),
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
}
