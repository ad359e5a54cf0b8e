//! The budget of retries (gRPC A6, "Throttling Retry Attempts"): a server that
//! fails most calls is not sent more of them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::service_config::Throttling;

/// Tokens in thousandths, so that ratios of three digits are exact.
pub(crate) struct Throttle {
    tokens: AtomicI64,
    max: i64,
    gain: i64,
}

impl Throttle {
    pub(crate) fn new(throttling: Throttling) -> Self {
        let max = (throttling.max_tokens * 1000.0) as i64;
        Self {
            tokens: AtomicI64::new(max),
            max,
            gain: (throttling.ratio * 1000.0).round() as i64,
        }
    }

    /// A call went well.
    pub(crate) fn succeeded(&self) {
        self.change(self.gain);
    }

    /// A call failed in a way that retries are for. Whether there may be one.
    pub(crate) fn failed(&self) -> bool {
        self.change(-1000) > self.max / 2
    }

    fn change(&self, by: i64) -> i64 {
        let changed = |tokens: i64| Some((tokens + by).clamp(0, self.max));
        let before = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        (before.unwrap_or_else(|tokens| tokens) + by).clamp(0, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_tokens_are_for_retries() {
        let throttle = Throttle::new(Throttling {
            max_tokens: 4.0,
            ratio: 0.5,
        });
        assert!(throttle.failed());
        assert!(!throttle.failed());
        for _ in 0..10 {
            assert!(!throttle.failed());
        }
        // Nothing is owed: five calls that go well make up for it.
        for _ in 0..7 {
            throttle.succeeded();
        }
        assert!(throttle.failed());
        assert!(!throttle.failed());
    }
}
