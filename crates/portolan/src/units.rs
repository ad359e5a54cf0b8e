//! Sizes and durations as people write them on a command line.

use std::time::Duration;

const KIB: u64 = 1024;
const KB: u64 = 1000;

/// Units of size, the longer before those that they end with.
const SIZES: [(&str, u64); 7] = [
    ("gib", KIB * KIB * KIB),
    ("mib", KIB * KIB),
    ("kib", KIB),
    ("gb", KB * KB * KB),
    ("mb", KB * KB),
    ("kb", KB),
    ("b", 1),
];

/// Units of time in milliseconds.
const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

/// The largest message that gRPC can say: its length has 32 bits.
const LARGEST_MESSAGE: u64 = u32::MAX as u64;

/// Reads a message size such as `4MiB`, `8MB` or `65536`.
pub(crate) fn message_size(text: &str) -> Result<usize, String> {
    let bytes = size(text).ok_or("write a size such as 4MiB, 8MB or 65536")?;
    match usize::try_from(bytes) {
        Ok(size) if (1..=LARGEST_MESSAGE).contains(&bytes) => Ok(size),
        _ => Err(format!("a message can have 1 to {LARGEST_MESSAGE} bytes")),
    }
}

/// Reads a duration such as `30s`, `500ms`, `2m` or, in seconds, `30`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let millis = TIMES
        .iter()
        .find_map(|(unit, factor)| number(text.strip_suffix(unit)?, *factor));
    let millis = millis.or_else(|| number(text, 1000));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| "write a duration such as 30s, 500ms or 2m".to_owned())
}

fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let with_unit = SIZES
        .iter()
        .find_map(|(unit, factor)| number(text.strip_suffix(unit)?, *factor));
    with_unit.or_else(|| number(&text, 1))
}

/// A whole number in front of its unit.
fn number(text: &str, factor: u64) -> Option<u64> {
    let text = text.trim();
    // `parse` alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("4MiB", 4 << 20),
            ("4mib", 4 << 20),
            ("8MB", 8_000_000),
            ("16 KiB", 16 << 10),
            ("100b", 100),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(message_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "+1",
            "4 miles",
            "0x10",
            "1.5MiB",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert_eq!(
                message_size(text),
                Err("write a size such as 4MiB, 8MB or 65536".into()),
                "{text}"
            );
        }
        for text in ["0", "4GiB", "4294967296"] {
            assert_eq!(
                message_size(text),
                Err("a message can have 1 to 4294967295 bytes".into()),
                "{text}"
            );
        }
        assert_eq!(message_size("4294967295"), Ok(4_294_967_295));
    }

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
