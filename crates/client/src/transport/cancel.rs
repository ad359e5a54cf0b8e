//! What becomes of calls that nobody waits for any more.
//!
//! A reset for each would be simple, and servers take many resets for an attack:
//! they end the connection, and all other calls with it (GOAWAY with
//! ENHANCE_YOUR_CALM; the answer to CVE-2023-44487). So a call that will end
//! soon may do so, unread, and resets are rationed. When too many calls linger,
//! the connection takes no new ones and is closed after its last, which cancels
//! the rest at one go.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How long a call with a complete request and no answer yet may go on: most
/// end sooner than a reset takes to arrive.
const GRACE: Duration = Duration::from_millis(100);
/// How many resets at once, and how many a second after these. netty has the
/// tightest bound that is known: 200 in 30 seconds.
const BURST: f64 = 16.0;
const PER_SECOND: f64 = 6.0;
/// How many calls may wait for their reset on a connection, and how many may
/// linger in all.
const MOST_DUE: usize = 100;
const MOST: usize = 1000;

/// Calls that linger, and what is left of the ration.
pub(super) struct Cancelled {
    tokens: f64,
    counted: Option<Instant>,
    /// Streams that may end by themselves, until then. In their order.
    grace: VecDeque<(Instant, u32)>,
    /// Streams to be reset.
    due: VecDeque<u32>,
    /// How many streams linger; some of those above may have ended since.
    pub(super) lingering: usize,
}

impl Cancelled {
    pub(super) fn new() -> Self {
        Self {
            tokens: BURST,
            counted: None,
            grace: VecDeque::new(),
            due: VecDeque::new(),
            lingering: 0,
        }
    }

    /// Takes a stream over. One that may end soon gets a little time.
    pub(super) fn add(&mut self, stream: u32, may_end: bool, now: Instant) {
        self.lingering += 1;
        if may_end {
            self.grace.push_back((now + GRACE, stream));
        } else {
            self.due.push_back(stream);
        }
    }

    /// The next stream to reset now, if one is due and the ration allows.
    /// `lingers` says whether a stream is still there.
    pub(super) fn next(&mut self, now: Instant, lingers: impl Fn(u32) -> bool) -> Option<u32> {
        while let Some((until, stream)) = self.grace.front().copied()
            && until <= now
        {
            self.grace.pop_front();
            self.due.push_back(stream);
        }
        while let Some(stream) = self.due.front().copied() {
            if !lingers(stream) {
                self.due.pop_front();
                continue;
            }
            self.count(now);
            if self.tokens < 1.0 {
                return None;
            }
            self.tokens -= 1.0;
            self.due.pop_front();
            return Some(stream);
        }
        None
    }

    /// Whether more calls linger than a connection should have.
    pub(super) fn is_overrun(&mut self, lingers: impl Fn(u32) -> bool) -> bool {
        if self.due.len() > MOST_DUE {
            self.due.retain(|stream| lingers(*stream));
        }
        self.due.len() > MOST_DUE || self.lingering > MOST
    }

    /// When to look again.
    pub(super) fn alarm(&self, now: Instant) -> Option<Instant> {
        let allowed = self.due.front().map(|_| {
            let missing = (1.0 - self.tokens).max(0.0);
            now + Duration::from_secs_f64(missing / PER_SECOND)
        });
        let ended = self.grace.front().map(|(until, _)| *until);
        match (allowed, ended) {
            (Some(allowed), Some(ended)) => Some(allowed.min(ended)),
            (allowed, ended) => allowed.or(ended),
        }
    }

    fn count(&mut self, now: Instant) {
        let before = self.counted.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(before).as_secs_f64();
        self.tokens = (self.tokens + passed * PER_SECOND).min(BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_rationed() {
        let begun = Instant::now();
        let mut cancelled = Cancelled::new();
        for stream in 0..100 {
            cancelled.add(stream, false, begun);
        }
        let mut reset = 0;
        let mut now = begun;
        let mut first = None;
        while let Some(alarm) = cancelled.alarm(now) {
            now = now.max(alarm) + Duration::from_millis(1);
            while cancelled.next(now, |_| true).is_some() {
                reset += 1;
            }
            first.get_or_insert(reset);
        }
        assert_eq!((first, reset), (Some(16), 100));
        let passed = (now - begun).as_secs_f64();
        assert!((passed - 84.0 / PER_SECOND).abs() < 1.0, "{passed}");
    }

    #[test]
    fn what_ends_by_itself_is_not_reset() {
        let now = Instant::now();
        let mut cancelled = Cancelled::new();
        for stream in 0..10 {
            cancelled.add(stream, true, now);
        }
        assert_eq!(cancelled.next(now, |_| true), None);
        assert_eq!(cancelled.alarm(now), Some(now + GRACE));
        assert_eq!(cancelled.next(now + GRACE, |stream| stream == 7), Some(7));
        assert_eq!(cancelled.next(now + GRACE, |stream| stream == 7), None);
        assert_eq!(cancelled.alarm(now), None);
    }
}
