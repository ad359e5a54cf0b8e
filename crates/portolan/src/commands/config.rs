//! `portolan config`: about the configuration file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use crate::config::Config;
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan config schema > portolan.schema.json\n  \
    portolan config check portolan.yaml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON schema of portolan.yaml, for editors
    Schema,
    /// Read a file and say what is wrong with it
    Check {
        /// The file
        #[arg(value_name = "FILE", default_value = "portolan.yaml")]
        file: PathBuf,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let line = match arguments.command {
        Command::Schema => serde_json::to_string_pretty(&Config::json_schema())?,
        Command::Check { file } => {
            Config::read(&file)?;
            format!("{}: fine", file.display())
        }
    };
    output::result(&line).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
