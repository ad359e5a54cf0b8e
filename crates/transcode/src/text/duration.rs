//! `google.protobuf.Duration` as text: seconds with up to nine decimals and an
//! `s`.

use super::Piece;
use super::digits::put_fraction;
use crate::number::print;

/// About 10,000 years, the largest duration either way. The bound is on the
/// seconds alone; any fraction may stand behind it.
const MAX_SECONDS: i64 = 315_576_000_000;

/// Reads a duration into seconds and nanoseconds of the same sign.
pub(crate) fn parse(text: &[u8]) -> Option<(i64, i32)> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let negative = unsigned.len() != text.len();
    let digits = unsigned.strip_suffix('s')?;
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos = match fraction {
        None => 0,
        Some(fraction) => {
            let (nanos, rest) = take_fraction(fraction.as_bytes())?;
            if !rest.is_empty() {
                return None;
            }
            nanos
        }
    };
    if seconds > MAX_SECONDS {
        return None;
    }
    Some(if negative {
        (-seconds, -nanos)
    } else {
        (seconds, nanos)
    })
}

/// A duration in quotes, and its length; `None` when it is out of range or its
/// signs differ.
pub(crate) fn write(seconds: i64, nanos: i32) -> Option<Piece> {
    let valid = (-MAX_SECONDS..=MAX_SECONDS).contains(&seconds)
        && (-999_999_999..=999_999_999).contains(&nanos)
        && (seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0));
    if !valid {
        return None;
    }
    let mut digits = [0; 32];
    let count = print::u64(seconds.unsigned_abs(), &mut digits);
    let mut text = [0; 32];
    text[..2].copy_from_slice(b"\"-");
    let start = 1 + usize::from(seconds < 0 || nanos < 0);
    // Twelve digits at most, of which the range above makes sure.
    text[start..start + 12].copy_from_slice(&digits[..12]);
    let end = put_fraction(nanos.unsigned_abs(), &mut text, start + count.min(12));
    text[end..end + 2].copy_from_slice(b"s\"");
    Some((text, end + 2))
}

/// Reads one to nine digits as nanoseconds, and gives what follows.
pub(super) fn take_fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    const SCALES: [i32; 9] = [
        100_000_000,
        10_000_000,
        1_000_000,
        100_000,
        10_000,
        1_000,
        100,
        10,
        1,
    ];
    let mut value = 0;
    let mut count = 0;
    for byte in bytes.iter().take(SCALES.len()) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + i32::from(digit);
        count += 1;
    }
    let rest = &bytes[count..];
    if count == 0 || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((value * SCALES[count - 1], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, value) in [
            ("0s", (0, 0)),
            ("1.500s", (1, 500_000_000)),
            ("-0.000001s", (0, -1000)),
            ("-3.000000001s", (-3, -1)),
            ("315576000000s", (MAX_SECONDS, 0)),
            ("315576000000.999999999s", (MAX_SECONDS, 999_999_999)),
            ("-315576000000.999999999s", (-MAX_SECONDS, -999_999_999)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(value));
            let (written, length) = write(value.0, value.1).unwrap();
            assert_eq!(written[..length], *format!("\"{text}\"").as_bytes());
        }
    }

    #[test]
    fn bad_durations_are_refused() {
        for text in [
            "",
            "s",
            "1",
            "1.s",
            ".5s",
            "+1s",
            "--1s",
            "1e3s",
            "1 s",
            "315576000001s",
            "1.0000000000s",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert!(write(1, -1).is_none());
        assert!(write(MAX_SECONDS + 1, 0).is_none());
        assert!(write(0, 1_000_000_000).is_none());
    }
}
