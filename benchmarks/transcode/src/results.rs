//! What a whole run gave, by way, sample and contender.

use anyhow::Result;
use benchmark_report::figures::geometric_mean;

use crate::race::{self, Cell, Runner};
use crate::sample::{Sample, Way};

/// All cells, in the order of the ways, the samples and the runners.
pub(crate) struct Results {
    pub(crate) titles: Vec<String>,
    ways: Vec<Vec<Vec<Cell>>>,
}

impl Results {
    pub(crate) fn measure(runners: &[Runner], samples: &[Sample]) -> Result<Self> {
        let mut ways = Vec::new();
        for way in Way::BOTH {
            let mut cells = Vec::new();
            for sample in samples {
                eprintln!("timing {} {}", sample.name, way.title());
                cells.push(race::run(runners, sample, way)?);
            }
            ways.push(cells);
        }
        Ok(Self {
            titles: runners.iter().map(|runner| runner.title.clone()).collect(),
            ways,
        })
    }

    /// A contender's cells, one per sample.
    pub(crate) fn of(&self, way: Way, title: &str) -> Option<Vec<&Cell>> {
        let runner = self.titles.iter().position(|one| one == title)?;
        let of_way = Way::BOTH.into_iter().position(|one| one == way)?;
        Some(
            self.ways[of_way]
                .iter()
                .map(|cells| &cells[runner])
                .collect(),
        )
    }

    /// How many times as long as ours a contender takes, over all samples.
    pub(crate) fn mean_ratio(&self, way: Way, title: &str) -> Option<f64> {
        Some(geometric_mean(&self.ratios(way, title)?))
    }

    /// The same where it comes closest to ours.
    pub(crate) fn least_ratio(&self, way: Way, title: &str) -> Option<f64> {
        self.ratios(way, title)?.into_iter().reduce(f64::min)
    }

    fn ratios(&self, way: Way, title: &str) -> Option<Vec<f64>> {
        Some(self.of(way, title)?.iter().map(|cell| cell.ratio).collect())
    }
}
