//! Times all contenders on all samples, taking turns: what slows the machine for
//! a while slows everybody.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benchmark_report::figures::median;

use crate::contender::{self, Measured};
use crate::sample::{Sample, Way};

/// How much processor time one turn takes, about.
const TURN: Duration = Duration::from_millis(4);

/// How many turns each contender has per cell.
const ROUNDS: usize = 25;

/// One contender on one sample, one way.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Per message: the median over the turns, in nanoseconds.
    pub(crate) nanoseconds: f64,
    /// How many times as long as the first contender: the median over the
    /// rounds.
    pub(crate) ratio: f64,
    /// Per message, where they can be counted.
    pub(crate) allocations: Option<u64>,
}

/// Makes a contender ready for a sample.
type Prepare = Box<dyn Fn(&Sample) -> Result<Box<dyn Measured>>>;

/// A runner: its name, and what prepares it for a sample.
pub(crate) struct Runner {
    pub(crate) title: String,
    pub(crate) prepare: Prepare,
}

/// The cells of all runners on one sample, one way, in the runners' order.
pub(crate) fn run(runners: &[Runner], sample: &Sample, way: Way) -> Result<Vec<Cell>> {
    let mut racers = Vec::with_capacity(runners.len());
    for runner in runners {
        let racer = Racer::new(runner, sample, way)
            .with_context(|| format!("{}, {} {}", runner.title, sample.name, way.title()))?;
        racers.push(racer);
    }
    for round in 0..ROUNDS {
        // Each has every neighbour in turn.
        for place in 0..racers.len() {
            let racer = (place + round) % racers.len();
            racers[racer].turn(way)?;
        }
    }
    let first = racers[0].turns.clone();
    let cells = racers.iter().map(|racer| {
        let ratios: Vec<f64> = racer.turns.iter().zip(&first).map(|(x, y)| x / y).collect();
        Cell {
            nanoseconds: median(&racer.turns),
            ratio: median(&ratios),
            allocations: racer.allocations,
        }
    });
    Ok(cells.collect())
}

/// A contender with one sample, and how its turns went.
struct Racer {
    measured: Box<dyn Measured>,
    times: u64,
    /// Nanoseconds per message.
    turns: Vec<f64>,
    allocations: Option<u64>,
}

impl Racer {
    fn new(runner: &Runner, sample: &Sample, way: Way) -> Result<Self> {
        let mut measured = (runner.prepare)(sample)?;
        let output = measured.output(way)?;
        let given = match way {
            Way::Read => &sample.wire,
            Way::Write => &sample.json,
        };
        ensure!(
            contender::meaning(sample, way, &output)? == contender::meaning(sample, way, given)?,
            "the output means something else"
        );
        let allocations = measured.allocations(way)?;
        Ok(Self {
            times: times(&mut *measured, way)?,
            measured,
            turns: Vec::with_capacity(ROUNDS),
            allocations,
        })
    }

    fn turn(&mut self, way: Way) -> Result<()> {
        let took = self.measured.time(way, self.times)?;
        self.turns
            .push(took.as_secs_f64() * 1e9 / self.times as f64);
        Ok(())
    }
}

/// How many messages take a turn, at least one.
fn times(measured: &mut dyn Measured, way: Way) -> Result<u64> {
    let mut times = 1;
    loop {
        let took = measured.time(way, times)?;
        if took >= TURN / 4 {
            let of_turn = TURN.as_secs_f64() / took.as_secs_f64();
            return Ok(((times as f64 * of_turn) as u64).max(1));
        }
        times *= 2;
    }
}
