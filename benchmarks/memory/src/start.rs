//! How soon a server is there: the built one over an empty folder, and, when
//! asked for, one that has to be compiled first.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;
use benchmark_report::{
    Verdict,
    figures::{median, time},
};

use crate::{
    bench::{Bench, remove},
    server::Server,
    table::Row,
};

const STARTS: usize = 20;
const START_GOAL: Duration = Duration::from_millis(50);
const BUILD_GOAL: Duration = Duration::from_secs(6 * 60);
/// When a build is given up.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Starts over an empty folder.
pub(crate) fn empty(bench: &Bench) -> Result<Row> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let folder = bench.folder("empty")?;
        let server = bench.start(&folder)?;
        times.push(server.listening().as_secs_f64());
        server.stop()?;
    }
    let most = Duration::from_secs_f64(times.iter().copied().fold(0.0, f64::max));
    let took = Duration::from_secs_f64(median(&times));
    Ok(Row {
        what: format!(
            "start of the built binary on an empty folder until `listening`, median of {STARTS}"
        ),
        ours: time(took),
        peer: format!("the slowest: {}", time(most)),
        ratio: "–".into(),
        goal: "≤ 50 ms".into(),
        verdict: Verdict::of(took <= START_GOAL),
    })
}

/// The first build and start, with sources downloaded but nothing compiled;
/// `None` for a run that leaves it out.
pub(crate) fn from_nothing(bench: &Bench, repository: Option<&Path>) -> Result<Row> {
    let row = |ours: String, verdict| Row {
        what: "`cargo run --release -- serve`, nothing compiled yet, until `listening`".into(),
        ours,
        peer: "–".into(),
        ratio: "–".into(),
        goal: "≤ 6 min".into(),
        verdict,
    };
    let Some(repository) = repository else {
        return Ok(row("–".into(), Verdict::NotMeasured));
    };
    let target = bench.work().with_file_name("cold-build");
    remove(&target)?;
    let built = build_and_start(bench, repository, &target);
    remove(&target)?;
    let took = built?;
    Ok(row(time(took), Verdict::of(took <= BUILD_GOAL)))
}

fn build_and_start(bench: &Bench, repository: &Path, target: &Path) -> Result<Duration> {
    let folder = bench.folder("from-nothing")?;
    // `cargo run` becomes the program that it runs, so that this process is the
    // server in the end, and a signal to it reaches the server.
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["run", "--release", "--locked", "--", "serve"])
        .current_dir(repository)
        .env("CARGO_TARGET_DIR", target);
    let server = Server::launch(&mut cargo, &folder, BUILD_LIMIT)?;
    let took = server.listening();
    server.stop()?;
    Ok(took)
}
