//! Moments to come.

use std::time::Duration;

use tokio::time::Instant;

/// What is as good as never, and that clocks can count to.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// So long after a moment, however long that is: a choice of `Duration::MAX`
/// stands for never.
pub(crate) fn after(moment: Instant, time: Duration) -> Instant {
    moment + time.min(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_far_away() {
        let now = Instant::now();
        assert_eq!(
            after(now, Duration::from_secs(1)) - now,
            Duration::from_secs(1)
        );
        assert_eq!(after(now, Duration::MAX) - now, NEVER);
    }
}
