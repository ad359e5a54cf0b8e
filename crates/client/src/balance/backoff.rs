//! How long to leave a server alone that cannot be reached.

use std::time::Duration;

/// Growing pauses between attempts to connect (gRPC, "Connection Backoff
/// Protocol", with shorter pauses: a gateway that is late is noticed).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first pause.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
    /// How much longer each pause is than the one before.
    pub multiplier: f64,
    /// By which part a pause is made longer or shorter by chance, so that many
    /// clients do not come at once.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(10),
            multiplier: 1.6,
            jitter: 0.2,
        }
    }
}

impl Backoff {
    /// The pause after so many failures in a row, at least one; `chance` is in
    /// 0 to 1.
    pub(crate) fn pause(&self, failures: u32, chance: f64) -> Duration {
        let power = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.multiplier.max(1.0).powi(power);
        let bounded = grown.min(self.max.as_secs_f64());
        let jitter = 1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * chance - 1.0);
        // Neither negative nor more than twice the longest pause.
        Duration::try_from_secs_f64(bounded * jitter).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
            multiplier: 2.0,
            jitter: 0.5,
        };
        for (failures, chance, millis) in [
            (1, 0.5, 100),
            (2, 0.5, 200),
            (4, 0.5, 800),
            (5, 0.5, 1000),
            (u32::MAX, 0.5, 1000),
            (1, 0.0, 50),
            (1, 1.0, 150),
        ] {
            let pause = backoff.pause(failures, chance);
            assert_eq!(pause, Duration::from_millis(millis), "{failures}");
        }
    }
}
