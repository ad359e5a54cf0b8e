//! What a run has found, and the figures that are derived from it.

use benchmark_report::race::{self, Turn};

use crate::gateway::Contender;
use crate::streams::Cost;

/// The turns of one gateway.
pub(crate) type Turns = race::Turns<Contender>;

/// All of it; what was left out is empty.
#[derive(Default)]
pub(crate) struct Results {
    /// As much JSON as goes, by the method.
    pub(crate) json: Vec<(&'static str, Vec<Turns>)>,
    /// JSON at one rate for all, by the method, with the rate.
    pub(crate) paced: Vec<(&'static str, f64, Vec<Turns>)>,
    /// As much gRPC as goes, by the method.
    pub(crate) grpc: Vec<(&'static str, Vec<Turns>)>,
    /// Bytes of memory after the load.
    pub(crate) memory: Vec<(Contender, f64)>,
    pub(crate) streams: Vec<Cost>,
}

impl Results {
    /// Envoy's processor time per call of this method, divided by this one's.
    pub(crate) fn processor_ratio(&self, method: &str, contender: Contender) -> Option<f64> {
        let turns = of_method(&self.json, method)?;
        ratio(turns, contender, |turn| turn.processor)
    }

    /// Envoy's 99th percentile, divided by ours.
    pub(crate) fn p99_ratio(&self, method: &str) -> Option<f64> {
        let turns = of_method(&self.json, method)?;
        ratio(turns, Contender::Portolan, |turn| turn.p99)
    }

    /// Envoy's processor time per gRPC call, divided by this one's.
    pub(crate) fn grpc_ratio(&self, contender: Contender) -> Option<f64> {
        let turns = of_method(&self.grpc, "SayHello")?;
        ratio(turns, contender, |turn| turn.processor)
    }

    /// Envoy's memory, divided by ours.
    pub(crate) fn memory_ratio(&self) -> Option<f64> {
        let of = |who| {
            Some(
                self.memory
                    .iter()
                    .find(|(contender, _)| *contender == who)?
                    .1,
            )
        };
        Some(of(Contender::Envoy)? / of(Contender::Portolan)?)
    }

    /// Bytes per silent stream of ours, of the kind that takes more.
    pub(crate) fn dearest_stream(&self) -> Option<f64> {
        let ours = self
            .streams
            .iter()
            .find(|cost| cost.contender == Contender::Portolan)?;
        [ours.grpc, ours.json]
            .into_iter()
            .flatten()
            .reduce(f64::max)
    }
}

/// Envoy's figure, divided by this contender's.
pub(crate) fn ratio(
    turns: &[Turns],
    contender: Contender,
    figure: impl Fn(&Turn) -> f64,
) -> Option<f64> {
    let of = |who| turns.iter().find(|turns| turns.contender == who);
    Some(of(contender)?.ratio(of(Contender::Envoy)?, figure))
}

fn of_method<'a>(all: &'a [(&'static str, Vec<Turns>)], method: &str) -> Option<&'a [Turns]> {
    let (_, turns) = all.iter().find(|(name, _)| *name == method)?;
    Some(turns)
}
