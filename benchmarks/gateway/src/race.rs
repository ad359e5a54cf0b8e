//! Gateways under the same load, in turns: what slows the machine for a while
//! slows everybody.

use anyhow::{Context, Result};
use benchmark_report::figures::median;

use crate::gateway::{Contender, Gateway};
use benchmark_report::load::Load;

/// One turn of one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Seconds of its processor time per 100,000 answers.
    pub(crate) processor: f64,
    /// Answers per second.
    pub(crate) rate: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// The turns of one gateway.
pub(crate) struct Turns {
    pub(crate) contender: Contender,
    turns: Vec<Turn>,
    /// Requests that failed, in all turns.
    pub(crate) failed: f64,
}

/// Puts this load on every gateway, as many times as there are rounds, after
/// one turn that does not count.
pub(crate) fn run<'a>(
    gateways: impl IntoIterator<Item = &'a Gateway>,
    rounds: usize,
    load: impl Fn(&Gateway) -> Result<Load>,
) -> Result<Vec<Turns>> {
    let gateways: Vec<&Gateway> = gateways.into_iter().collect();
    let mut racers: Vec<Turns> = gateways
        .iter()
        .map(|gateway| Turns {
            contender: gateway.contender,
            turns: Vec::with_capacity(rounds),
            failed: 0.0,
        })
        .collect();
    for round in 0..=rounds {
        // Each has every neighbour in turn.
        for place in 0..gateways.len() {
            let racer = (place + round) % gateways.len();
            let before = gateways[racer].process.processor_time()?;
            let load = load(gateways[racer])
                .with_context(|| racers[racer].contender.title().to_owned())?;
            let used = gateways[racer].process.processor_time()? - before;
            if round == 0 {
                continue;
            }
            racers[racer].failed += load.failed;
            racers[racer].turns.push(Turn {
                processor: used / load.requests * 1e5,
                rate: load.requests / load.seconds,
                p50: load.p50,
                p99: load.p99,
            });
        }
    }
    Ok(racers)
}

impl Turns {
    /// The middle one of a figure.
    pub(crate) fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(&self.turns.iter().map(figure).collect::<Vec<_>>())
    }

    /// How many times a figure of another's is ours: the middle one of the
    /// rounds' ratios.
    pub(crate) fn ratio(&self, other: &Self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let pairs = other.turns.iter().zip(&self.turns);
        let ratios: Vec<f64> = pairs.map(|(x, y)| figure(x) / figure(y)).collect();
        median(&ratios)
    }
}
