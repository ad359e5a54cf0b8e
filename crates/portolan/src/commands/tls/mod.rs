//! `portolan tls`: certificates to try things out with.

mod authority;
mod self_signed;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Make a certificate authority, and a server's certificate that it signs
    SelfSigned(self_signed::Arguments),
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.work {
        Work::SelfSigned(arguments) => self_signed::run(&arguments),
    }
}
