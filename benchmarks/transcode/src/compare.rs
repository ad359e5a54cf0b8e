//! The whole comparison: who takes part, in what order, and what becomes of the
//! figures.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use benchmark_report::{machine, page};

use crate::contender::{Native, Program, external_titles};
use crate::instructions::{self, Counts, Job};
use crate::race::Runner;
use crate::results::Results;
use crate::sample::Sample;
use crate::tables;

/// What belongs to a run besides the program.
pub(crate) struct Peers {
    /// A Python with protobuf.
    pub(crate) python: Option<PathBuf>,
    /// The program over libprotobuf.
    pub(crate) converter: Option<PathBuf>,
}

/// Measures everything and prints it; with a page, puts it there.
pub(crate) fn run(peers: &Peers, package: &Path, keep: Option<&Path>) -> Result<()> {
    let system = machine::system();
    let mut runners: Vec<Runner> = Native::ALL.iter().copied().map(native).collect();
    let mut versions = vec![
        machine::version("rustc"),
        "release profile of the workspace, no target-cpu".to_owned(),
    ];
    for (title, program) in externals(peers, package)? {
        if !versions.contains(&program.version) {
            versions.push(program.version.clone());
        }
        runners.push(Runner {
            title: title.to_owned(),
            prepare: Box::new(move |sample| program.prepare(sample)),
        });
    }
    let samples = Sample::all()?;
    let results = Results::measure(&runners, &samples)?;
    eprintln!("counting instructions");
    let jobs: Vec<Job<'_>> = Native::ALL
        .iter()
        .flat_map(|contender| Job::all(*contender, &samples))
        .collect();
    let counts = Counts::new(&jobs, instructions::count(&jobs)?);
    let mut facts = vec![
        ("machine", machine::hardware()),
        ("system", system),
        ("versions", versions.join("; ")),
    ];
    let missing = absent(peers);
    if !missing.is_empty() {
        facts.push(("not to be had here", missing.join("; ")));
    }
    let text = tables::markdown(&facts, &samples, &results, &counts);
    println!("\n{text}");
    keep.map_or(Ok(()), |file| page::write(file, "transcode", &text))
}

fn native(contender: Native) -> Runner {
    Runner {
        title: contender.title().to_owned(),
        prepare: Box::new(move |sample| contender.prepare(sample, false)),
    }
}

/// The programs that are there, each with its title.
fn externals(peers: &Peers, package: &Path) -> Result<Vec<(&'static str, Program)>> {
    // Beside the program itself, so below the build folder.
    let this = std::env::current_exe()?;
    let work = this
        .ancestors()
        .nth(2)
        .context("the program lies below a build folder")?
        .join("benchmark-transcode");
    let mut programs = Vec::new();
    if let Some(converter) = &peers.converter {
        for (title, mode) in [
            (external_titles::CPP_CACHED, "cached"),
            (external_titles::CPP_PER_CALL, "per-call"),
        ] {
            let program =
                Program::start(&mut Command::new(converter), Some(mode), &work.join(mode))?;
            programs.push((title, program));
        }
    }
    if let Some(python) = &peers.python {
        let mut command = Command::new(python);
        command.arg(package.join("peers/converter.py"));
        let program = Program::start(&mut command, None, &work.join("python"))?;
        programs.push((external_titles::PYTHON, program));
    }
    Ok(programs)
}

fn absent(peers: &Peers) -> Vec<&'static str> {
    let mut absent = Vec::new();
    if peers.converter.is_none() {
        absent.push(external_titles::CPP_CACHED);
        absent.push(external_titles::CPP_PER_CALL);
    }
    if peers.python.is_none() {
        absent.push(external_titles::PYTHON);
    }
    absent
}
