//! Programs under the same load, in turns: what slows the machine for a while
//! slows everybody.

use anyhow::{Context, Result};

use crate::figures::median;
use crate::load::Load;
use crate::process::Process;

/// One turn of one program.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Seconds of its processor time per 100,000 answers.
    pub processor: f64,
    /// Answers per second.
    pub rate: f64,
    /// Milliseconds within which half of the answers came.
    pub p50: f64,
    /// Milliseconds within which 99 of 100 did.
    pub p99: f64,
}

/// A program that takes part.
pub trait Racer {
    /// What it is known by.
    type Name: Copy;

    /// What it is known by.
    fn name(&self) -> Self::Name;

    /// Its name for people.
    fn title(&self) -> String;

    /// What runs.
    fn process(&self) -> &Process;
}

/// The turns of one program.
#[derive(Clone, Debug)]
pub struct Turns<N> {
    /// Whose they are.
    pub contender: N,
    turns: Vec<Turn>,
    /// Requests that failed, in all turns.
    pub failed: f64,
}

/// Puts this load on every program, as many times as there are rounds, after
/// one turn that does not count.
///
/// # Errors
/// When the load cannot be made, or a program has ended.
pub fn run<'a, R: Racer + 'a>(
    racers: impl IntoIterator<Item = &'a R>,
    rounds: usize,
    load: impl Fn(&R) -> Result<Load>,
) -> Result<Vec<Turns<R::Name>>> {
    let racers: Vec<&R> = racers.into_iter().collect();
    let mut results: Vec<Turns<R::Name>> = racers
        .iter()
        .map(|racer| Turns {
            contender: racer.name(),
            turns: Vec::with_capacity(rounds),
            failed: 0.0,
        })
        .collect();
    for round in 0..=rounds {
        // Each has every neighbour in turn.
        for place in 0..racers.len() {
            let index = (place + round) % racers.len();
            let (racer, result) = (racers[index], &mut results[index]);
            let before = racer.process().processor_time()?;
            let load = load(racer).with_context(|| racer.title())?;
            let used = racer.process().processor_time()? - before;
            if round == 0 {
                continue;
            }
            result.failed += load.failed;
            result.turns.push(Turn {
                processor: used / load.requests * 1e5,
                rate: load.requests / load.seconds,
                p50: load.p50,
                p99: load.p99,
            });
        }
    }
    Ok(results)
}

impl<N> Turns<N> {
    /// The middle one of a figure.
    #[must_use]
    pub fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(&self.turns.iter().map(figure).collect::<Vec<_>>())
    }

    /// How many times a figure of another's is ours: the middle one of the
    /// rounds' ratios.
    #[must_use]
    pub fn ratio(&self, other: &Self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let pairs = other.turns.iter().zip(&self.turns);
        let ratios: Vec<f64> = pairs.map(|(x, y)| figure(x) / figure(y)).collect();
        median(&ratios)
    }
}
