//! Measures the users' service in one run beside what one would write instead.
//! Here is the command line and the order.
//!
//! `cargo xtask bench users` builds everything, prepares the peers and starts
//! this.

mod contender;
mod crowd;
mod serve;
mod tables;
mod tokens;
mod unary;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use benchmark_report::process::OTHER_CORE;
use benchmark_report::{machine, page};
use clap::{Parser, ValueEnum};

use contender::Programs;
use tables::Results;

/// As `portolan` itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the users' service beside the same service written plainly.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench users")]
struct Arguments {
    #[command(subcommand)]
    role: Option<serve::Role>,

    /// Put the tables into docs/benchmarks.md
    #[arg(long, conflicts_with = "only")]
    write: bool,

    /// Measure only these
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,

    /// How many turns each server has
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// How long a turn is
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,

    /// The Python with grpcio
    #[arg(long, value_name = "FILE", hide = true, default_value = "python3")]
    python: PathBuf,

    /// The folder with the Go program
    #[arg(long, value_name = "FOLDER", hide = true, default_value = ".")]
    go: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// GetUser over gRPC
    Unary,
    /// A token that was seen before
    Tokens,
    /// A room with 1,000 people
    Chat,
    /// 1,000 watchers
    Watch,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let Some(role) = arguments.role.take() {
        return role.play();
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package
        .ancestors()
        .nth(2)
        .context("the package lies two folders deep in the repository")?;
    let (hardware, system) = (machine::hardware(), machine::system());
    // What is measured has the other core to itself.
    let this = std::process::id().to_string();
    let core = OTHER_CORE.to_string();
    Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &core, &this])
        .output()
        .context("no cores to choose; install util-linux, which has taskset")?;
    let programs = Programs::new(&arguments.python, &arguments.go, package, repository)?;
    let results = measure(&arguments, &programs)?;
    let facts = [
        ("machine", hardware),
        ("system", system),
        ("versions", versions(&programs, package)?),
    ];
    let text = tables::markdown(&facts, &results);
    println!("\n{text}");
    if arguments.write {
        page::write(&repository.join("docs/benchmarks.md"), "users", &text)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments, programs: &Programs) -> Result<Results> {
    let wanted = |part| {
        let wanted = arguments.only.is_empty() || arguments.only.contains(&part);
        if wanted {
            eprintln!("measuring {part:?}");
        }
        wanted
    };
    let mut results = Results::default();
    if wanted(Part::Unary) {
        results.unary = unary::race(programs, arguments.rounds, arguments.seconds)?;
    }
    if wanted(Part::Tokens) {
        results.token = Some(tokens::seconds_per_call(programs)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if wanted(Part::Chat) {
        let server = contender::Contender::Portolan.start(programs)?;
        results.chat = Some(runtime.block_on(crowd::chat(&server, programs))?);
    }
    if wanted(Part::Watch) {
        let server = contender::Contender::Portolan.start(programs)?;
        results.watch = Some(runtime.block_on(crowd::watch(&server, programs))?);
    }
    Ok(results)
}

/// What took part.
fn versions(programs: &Programs, package: &Path) -> Result<String> {
    let line = |file: &str, name: &str| -> Result<String> {
        let text = std::fs::read_to_string(package.join("peers").join(file))?;
        let line = text.lines().find(|line| line.trim().starts_with(name));
        Ok(line.unwrap_or_default().trim().to_owned())
    };
    Ok([
        machine::version(&programs.portolan),
        machine::version("rustc"),
        "release profile of the workspace, no target-cpu".to_owned(),
        line("requirements.txt", "grpcio=")?,
        line("go.mod", "google.golang.org/grpc v")?,
    ]
    .join("; "))
}
