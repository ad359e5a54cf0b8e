//! Leaves addresses out for a while that fail one call after the other, though
//! they can be reached.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::after;

/// When an address is left out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// After how many calls in a row that failed: with UNAVAILABLE, INTERNAL,
    /// UNKNOWN or DATA_LOSS, or without an answer before the deadline.
    pub consecutive_failures: u32,
    /// For how long the first time. Each further time takes as much longer.
    pub base_ejection: Duration,
    /// The longest time.
    pub max_ejection: Duration,
    /// How much of the addresses may be left out, in percent: one in any case,
    /// and never all.
    pub max_ejected_percent: u32,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected_percent: 50,
        }
    }
}

impl OutlierDetection {
    /// Whether another of so many addresses may be left out.
    pub(super) fn allows(&self, ejected: usize, addresses: usize) -> bool {
        let share = addresses * self.max_ejected_percent.min(100) as usize / 100;
        ejected < share.max(1) && ejected + 1 < addresses
    }
}

/// The record of an address.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    failures: u32,
    /// How often it was left out, less one for each time that it did well for
    /// as long.
    times: u32,
    until: Option<Instant>,
}

impl Record {
    /// Whether the address is left out now.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.lock().until.is_some_and(|until| until > now)
    }

    /// Notes how a call ended. Whether that is one failure too many.
    pub(super) fn note(&self, failed: bool, choice: &OutlierDetection) -> bool {
        let mut counts = self.lock();
        if !failed {
            counts.failures = 0;
            return false;
        }
        counts.failures = counts.failures.saturating_add(1);
        counts.failures >= choice.consecutive_failures.max(1)
    }

    /// Leaves the address out.
    pub(super) fn eject(&self, now: Instant, choice: &OutlierDetection) {
        let mut counts = self.lock();
        if let Some(until) = counts.until {
            let well = now.saturating_duration_since(until);
            let forgiven = well.as_secs_f64() / choice.base_ejection.as_secs_f64().max(0.001);
            counts.times = counts.times.saturating_sub(forgiven as u32);
        }
        counts.times = counts.times.saturating_add(1);
        let time = choice.base_ejection.saturating_mul(counts.times);
        counts.until = Some(after(now, time.min(choice.max_ejection)));
        counts.failures = 0;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ejections_grow_and_are_forgiven() {
        let choice = OutlierDetection {
            consecutive_failures: 2,
            base_ejection: Duration::from_secs(10),
            max_ejection: Duration::from_secs(25),
            max_ejected_percent: 50,
        };
        let record = Record::default();
        assert!(!record.note(true, &choice));
        assert!(!record.note(false, &choice));
        assert!(!record.note(true, &choice));
        assert!(record.note(true, &choice));
        let mut now = Instant::now();
        for seconds in [10, 20, 25, 25] {
            record.eject(now, &choice);
            let until = record.lock().until.unwrap();
            assert_eq!((until - now).as_secs(), seconds);
            assert!(record.is_ejected(now) && !record.is_ejected(until));
            now = until;
        }
        record.eject(now + Duration::from_secs(1000), &choice);
        assert_eq!((record.lock().until.unwrap() - now).as_secs(), 1010);
    }

    #[test]
    fn some_addresses_always_stay() {
        let choice = |percent| OutlierDetection {
            max_ejected_percent: percent,
            ..OutlierDetection::default()
        };
        for (percent, ejected, addresses, allowed) in [
            (50, 0, 1, false),
            (50, 0, 2, true),
            (50, 1, 2, false),
            (10, 0, 3, true),
            (10, 1, 3, false),
            (100, 1, 3, true),
            (100, 2, 3, false),
            (50, 1, 4, true),
        ] {
            let allows = choice(percent).allows(ejected, addresses);
            assert_eq!(allows, allowed, "{percent} {ejected} {addresses}");
        }
    }
}
