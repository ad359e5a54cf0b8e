//! The `portolan` command: reads the command line, runs one command, and turns
//! its end into an exit code. What the commands do is in their own files.

mod commands;
mod config;
mod contracts;
mod demo;
mod documented;
mod encoding;
mod files;
mod flags;
mod front;
mod guards;
mod lines;
mod listening;
mod live;
mod opened;
mod output;
mod services;
mod settings;
mod signals;
mod telemetry;
mod units;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

/// A call allocates some dozens of times, mostly on one thread what another
/// frees; the system's allocator took a fifth of a small call's instructions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Write a gRPC service once; everyone can reach it
#[derive(Debug, Parser)]
#[command(
    name = "portolan",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Example:\n  portolan serve --demo\n  curl http://127.0.0.1:8080/v1/metrics"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Wrong use ends here, with exit code 2.
    let arguments = Arguments::parse();
    match arguments.command.run() {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
