//! What a client is ready to wait for.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::{Code, Status};

/// When a call has to be over. Absent means never, as in gRPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

/// The largest `grpc-timeout` has eight digits of hours; a century is as good
/// as for ever, and keeps clocks from overflowing.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Deadline {
    /// A call that may take for ever.
    pub const NEVER: Self = Self(None);

    /// So long from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self(Some(Instant::now() + timeout.min(LONGEST)))
    }

    /// This one, or else so long from now, if there is such a time.
    #[must_use]
    pub fn or_after(self, timeout: Option<Duration>) -> Self {
        match timeout {
            Some(timeout) if self == Self::NEVER => Self::after(timeout),
            _ => self,
        }
    }

    /// The moment, if there is one.
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// The time left; nothing when it has passed.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0
            .map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// Whether there is no time left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// The status of a call that took too long.
    pub fn exceeded() -> Status {
        Status::new(
            Code::DeadlineExceeded,
            "the deadline passed before the call was over",
        )
    }

    /// Reads `grpc-timeout` (gRPC over HTTP/2, "Timeout").
    pub fn from_grpc(headers: &HeaderMap) -> Result<Self, Status> {
        Self::from_header(headers, "grpc-timeout", parse_grpc)
    }

    /// Reads `connect-timeout-ms` (Connect, "Timeouts").
    pub fn from_connect(headers: &HeaderMap) -> Result<Self, Status> {
        Self::from_header(headers, "connect-timeout-ms", |text| {
            let valid =
                (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            valid
                .then(|| text.parse().ok().map(Duration::from_millis))
                .flatten()
        })
    }

    /// Reads `x-request-timeout`, in seconds or with a unit, or `grpc-timeout`.
    pub fn from_rest(headers: &HeaderMap) -> Result<Self, Status> {
        match Self::from_header(headers, "x-request-timeout", parse_seconds)? {
            Self(None) => Self::from_grpc(headers),
            deadline => Ok(deadline),
        }
    }

    fn from_header(
        headers: &HeaderMap,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<Duration>,
    ) -> Result<Self, Status> {
        let Some(value) = headers.get(name) else {
            return Ok(Self::NEVER);
        };
        match value.to_str().ok().and_then(parse) {
            Some(timeout) => Ok(Self::after(timeout)),
            None => {
                let value = String::from_utf8_lossy(value.as_bytes());
                Err(Status::new(
                    Code::InvalidArgument,
                    format!("the header {name} has no valid timeout: `{value}`"),
                ))
            }
        }
    }
}

/// At most eight digits and a unit.
fn parse_grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// `1.5`, `1.5s` or `250ms`.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let plain = !number.is_empty()
        && number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = plain.then(|| number.parse().ok()).flatten()?;
    Duration::try_from_secs_f64(seconds * scale).ok()
}

/// Writes `grpc-timeout`, rounded up so that it never says zero too early.
pub fn to_grpc(timeout: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let nanos = timeout.as_nanos();
    for (unit, size) in [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("S", 1_000_000_000),
        ("M", 60_000_000_000),
    ] {
        let value = nanos.div_ceil(size);
        if value <= MOST {
            return format!("{value}{unit}");
        }
    }
    format!("{}H", nanos.div_ceil(3_600_000_000_000).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        assert_eq!(parse_grpc("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            parse_grpc("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(parse_seconds("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_seconds("20ms"), Some(Duration::from_millis(20)));
        for text in ["", "m", "1", "1x", "123456789S", "-1S", "é"] {
            assert_eq!(parse_grpc(text), None, "{text}");
        }
        for text in ["", "s", "-1", "1e3", "nan", "1.2.3"] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
        let _ = Deadline::after(Duration::MAX);
    }

    #[test]
    fn a_default_holds_where_nothing_is_said() {
        let hour = Deadline::after(Duration::from_secs(3600));
        let second = Some(Duration::from_secs(1));
        assert_eq!(hour.or_after(second), hour);
        assert_eq!(hour.or_after(None), hour);
        assert_eq!(Deadline::NEVER.or_after(None), Deadline::NEVER);
        let left = Deadline::NEVER.or_after(second).remaining().unwrap();
        assert!(left <= Duration::from_secs(1), "{left:?}");
    }

    #[test]
    fn timeouts_are_written_in_eight_digits() {
        for (timeout, text) in [
            (Duration::ZERO, "0n"),
            (Duration::from_millis(1), "1000000n"),
            (Duration::from_secs(1), "1000000u"),
            (Duration::from_secs(100 * 24 * 3600), "8640000S"),
            (Duration::new(0, 100_000_001), "100001u"),
        ] {
            assert_eq!(to_grpc(timeout), text);
        }
    }
}
