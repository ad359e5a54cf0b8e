//! The same random messages through the transcoder and through other people's
//! implementations of protobuf: Python's `google.protobuf` (on upb) and
//! JavaScript's `@bufbuild/protobuf`.
//!
//! Compared are whether a message is taken, what it means then, and the JSON it
//! becomes. What differs must stand in the table in [`explained`]; anything else
//! is a finding, and the exit code 1. `cargo xtask conformance differential`
//! installs the peers and runs this.
//!
//! `cases` makes the questions, `peer` puts them to another implementation, and
//! `compare` judges the answers.

mod cases;
mod compare;
mod explained;
mod peer;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};

use cases::Cases;
use compare::Judgement;
use peer::Peer;

/// How many contracts of each syntax a run tries, and from which seed on.
const CONTRACTS: &str = "PORTOLAN_DIFFERENTIAL_CONTRACTS";
const FIRST: &str = "PORTOLAN_DIFFERENTIAL_FIRST";
const USUAL: u64 = 60;

/// How many findings are printed in full.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs everything; whether nothing was found.
fn run() -> Result<bool> {
    let number = |name: &str, usual| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is not a number")),
        Err(_) => Ok(usual),
    };
    let (first, count) = (number(FIRST, 0)?, number(CONTRACTS, USUAL)?);
    let peers = Peer::from_arguments(std::env::args_os().skip(1))?;
    let cases = Cases::random(first..first + count)?;
    let answers: Vec<Result<Vec<peer::Answer>>> = thread::scope(|scope| {
        let asked = peers.iter().map(|peer| scope.spawn(|| peer.ask(&cases)));
        let asked: Vec<_> = asked.collect();
        asked
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| anyhow::bail!("a peer's thread broke"))
            })
            .collect()
    });
    let mut findings = 0;
    for (peer, answers) in peers.iter().zip(answers) {
        let answers = answers?;
        let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut equal, mut found) = (0, 0);
        for (case, answer) in cases.all.iter().zip(&answers) {
            match compare::judge(&cases, case, peer, answer) {
                Judgement::Equal => equal += 1,
                Judgement::Explained(why) => *explained.entry(why).or_default() += 1,
                Judgement::Finding(text) => {
                    found += 1;
                    if found <= SHOWN {
                        println!("{}: {text}\n", peer.name());
                    }
                }
            }
        }
        println!(
            "{}: {} messages, {equal} equal, {} explained, {found} not",
            peer.name(),
            answers.len(),
            explained.values().sum::<usize>(),
        );
        for (why, count) in explained {
            println!("  {count:5} {why}");
        }
        findings += found;
    }
    Ok(findings == 0)
}
