//! Which traces are recorded.

use crate::{TraceContext, TraceId};

/// Decides for a trace that begins here by a share of all, and for one that began
/// elsewhere as was decided there: else traces would have holes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    ratio: f64,
    heeds_parents: bool,
}

impl Sampler {
    /// Records every trace, but those that somebody has decided not to.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            ratio: 1.0,
            heeds_parents: true,
        }
    }

    /// Records this share of the traces that begin here, from 0 to 1; nothing
    /// when it is no such number. By the id, so that all who sample by the same
    /// share record the same traces.
    #[must_use]
    pub fn ratio(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self {
            ratio,
            heeds_parents: true,
        })
    }

    /// Decides the same way for traces that began elsewhere, for servers that
    /// strangers call.
    #[must_use]
    pub const fn ignoring_parents(self) -> Self {
        Self {
            heeds_parents: false,
            ..self
        }
    }

    /// Whether a span is recorded.
    pub(crate) fn samples(self, id: TraceId, parent: Option<&TraceContext>) -> bool {
        match parent {
            Some(parent) if self.heeds_parents => parent.is_sampled(),
            _ if self.ratio >= 1.0 => true,
            // 63 bits, as other implementations have it.
            _ => ((id.low() >> 1) as f64) < self.ratio * (1_u64 << 63) as f64,
        }
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_traces_is_recorded() {
        for ratio in [0.0, 0.1, 0.5, 1.0] {
            let sampler = Sampler::ratio(ratio).unwrap();
            let count = (0..20_000).filter(|_| sampler.samples(TraceId::random(), None));
            let share = count.count() as f64 / 20_000.0;
            assert!((share - ratio).abs() < 0.02, "{ratio}: {share}");
        }
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sampler::ratio(ratio), None);
        }
    }

    #[test]
    fn a_decision_is_heeded() {
        for sampled in [true, false] {
            let parent = TraceContext::root(|_| sampled);
            for ratio in [0.0, 1.0] {
                let sampler = Sampler::ratio(ratio).unwrap();
                let id = parent.trace_id();
                assert_eq!(sampler.samples(id, Some(&parent)), sampled);
                let own = sampler.ignoring_parents().samples(id, Some(&parent));
                assert_eq!(own, ratio > 0.5);
            }
        }
    }
}
