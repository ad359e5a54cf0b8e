//! Measures the memory service in one run and prints one table. Each file
//! measures one thing; here they are put in order.
//!
//! `cargo xtask bench memory` builds everything, prepares the peer and starts
//! this.

mod bench;
mod disk;
mod loaded;
mod protocols;
mod sample;
mod scan;
mod server;
mod start;
mod table;
mod thin;
mod writes;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use benchmark_report::{machine, page};
use clap::{Parser, ValueEnum};

use bench::Bench;
use table::Row;

/// Measures the memory service beside what one would use instead.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench memory")]
struct Arguments {
    /// Put the table into docs/benchmarks.md
    #[arg(long, conflicts_with = "only")]
    write: bool,

    /// Also measure the first build, which takes minutes
    #[arg(long)]
    cold_build: bool,

    /// Measure only these
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,

    /// The Python with faiss-cpu
    #[arg(long, value_name = "FILE", hide = true)]
    python: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The exact vector scan beside faiss
    Scan,
    /// Many clients that store, beside one
    Stores,
    /// A batch over gRPC, beside the store in process
    Batch,
    /// Memory and start with 100,000 memories
    Loaded,
    /// REST beside gRPC
    Protocols,
    /// The start on an empty folder
    Start,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = root
        .ancestors()
        .nth(2)
        .context("the package lies two folders deep in the repository")?;
    // The server was built into the same folder as this.
    let this = std::env::current_exe()?;
    let server = this.with_file_name(format!("portolan{}", std::env::consts::EXE_SUFFIX));
    ensure!(
        server.exists(),
        "the server is not built; run `cargo xtask bench memory`"
    );
    let work = this
        .ancestors()
        .nth(2)
        .context("the program lies below a build folder")?
        .join("benchmark-memory");
    let bench = Bench::new(server, arguments.python.clone(), root.to_owned(), work)?;

    let mut facts = vec![
        ("machine", machine::hardware()),
        ("system", machine::system()),
    ];
    let mut versions = vec![
        machine::version(&bench.server),
        machine::version("rustc"),
        "release profile of the workspace, no target-cpu".to_owned(),
    ];
    let (rows, peers) = measure(&bench, &arguments, repository)?;
    versions.extend(peers);
    facts.push(("versions", versions.join("; ")));
    let table = format!("{}\n{}", page::facts(&facts), table::markdown(&rows));
    println!("\n{table}");
    if arguments.write {
        page::write(&repository.join("docs/benchmarks.md"), "memory", &table)?;
    }
    Ok(())
}

/// The rows in their order, and what the peers are.
fn measure(
    bench: &Bench,
    arguments: &Arguments,
    repository: &Path,
) -> Result<(Vec<Row>, Option<String>)> {
    let wanted = |part| {
        let wanted = arguments.only.is_empty() || arguments.only.contains(&part);
        if wanted {
            eprintln!("measuring {part:?}");
        }
        wanted
    };
    let (mut rows, mut peers) = (Vec::new(), None);
    if wanted(Part::Scan) {
        let (row, peer) = scan::measure(bench)?;
        rows.push(row);
        peers = Some(peer);
    }
    if wanted(Part::Stores) {
        rows.push(writes::group_commit(bench)?);
    }
    if wanted(Part::Batch) {
        rows.push(writes::batch(bench)?);
    }
    if wanted(Part::Loaded) {
        rows.extend(loaded::measure(bench)?);
    }
    if wanted(Part::Protocols) {
        rows.extend(protocols::measure(bench)?);
    }
    if wanted(Part::Start) {
        rows.push(start::empty(bench)?);
    }
    if arguments.cold_build || arguments.only.is_empty() {
        let repository = arguments.cold_build.then_some(repository);
        rows.push(start::from_nothing(bench, repository)?);
    }
    Ok((rows, peers))
}
