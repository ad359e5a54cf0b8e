//! `google.protobuf.Timestamp` as RFC 3339 text.

use super::Piece;
use super::digits::{put_fraction, two};
use super::duration::take_fraction;

/// 0001-01-01T00:00:00Z.
const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const MAX_SECONDS: i64 = 253_402_300_799;

/// Reads a timestamp into seconds since 1970 and nanoseconds.
pub(crate) fn parse(bytes: &[u8]) -> Option<(i64, i32)> {
    let (start, rest) = bytes.split_first_chunk::<19>()?;
    let date = pairs(start.first_chunk()?, b"0000-00-")?;
    let day = pairs(start[8..].first_chunk()?, b"00T00:00")?[0];
    let time = pairs(start.last_chunk()?, b"00:00:00")?;
    let (year, month) = (
        i64::from(date[0]) * 100 + i64::from(date[2]),
        i64::from(date[5]),
    );
    let (hour, minute, second) = (i64::from(time[0]), i64::from(time[3]), i64::from(time[6]));
    let day = i64::from(day);
    let in_range = year >= 1
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let (nanos, rest) = match rest {
        [b'.', rest @ ..] => take_fraction(rest)?,
        rest => (0, rest),
    };
    let offset = match rest {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let seconds =
        days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    (MIN_SECONDS..=MAX_SECONDS)
        .contains(&seconds)
        .then_some((seconds, nanos))
}

/// Reads eight bytes in which every `0` of the shape is a digit, and all others
/// are as the shape has them. At the place of each digit is then the number of
/// two digits that begins there.
#[inline(always)]
fn pairs(text: &[u8; 8], shape: &[u8; 8]) -> Option<[u8; 8]> {
    // What added to a byte of the right sort leaves its top bit clear: digits
    // are 0 to 9 then, the others 0.
    let room = shape.map(|byte| if byte == b'0' { 0x76 } else { 0x7f });
    let values = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*shape);
    let wrong = ((values & 0x7f7f_7f7f_7f7f_7f7f) + u64::from_le_bytes(room)) | values;
    if wrong & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // No byte is more than 99.
    Some((values * 10 + (values >> 8)).to_le_bytes())
}

/// A timestamp in quotes, and its length; `None` when it is outside the years 1
/// to 9999.
#[inline]
pub(crate) fn write(seconds: i64, nanos: i32) -> Option<Piece> {
    if !(MIN_SECONDS..=MAX_SECONDS).contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return None;
    }
    // Counted from the year 1, so that nothing is negative.
    let since = (seconds - MIN_SECONDS).cast_unsigned();
    let (year, month, day) = civil_from_days((since / 86_400) as u32);
    let of_day = (since % 86_400) as u32;
    let mut text = *b"\"0000-00-00T00:00:00__________Z\"";
    text[1..3].copy_from_slice(&two(year / 100));
    text[3..5].copy_from_slice(&two(year % 100));
    text[6..8].copy_from_slice(&two(month));
    text[9..11].copy_from_slice(&two(day));
    text[12..14].copy_from_slice(&two(of_day / 3600));
    text[15..17].copy_from_slice(&two(of_day / 60 % 60));
    text[18..20].copy_from_slice(&two(of_day % 60));
    let end = put_fraction(nanos.cast_unsigned(), &mut text, 20);
    text[end..end + 2].copy_from_slice(b"Z\"");
    Some((text, end + 2))
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, from the year 1 on. Years are counted from March, so
/// that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year as u32, month as u32);
    let (year, from_march) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let century = year / 100;
    let leap_days = year / 4 - century + century / 4;
    let before = year * 365 + leap_days + (153 * from_march + 2) / 5;
    i64::from(before) + day - 1 - 719_468
}

/// Year, month and day so many days after 0001-01-01. The multiplications stand
/// for divisions and are exact in this range (Neri and Schneider, "Euclidean
/// affine functions and their application to calendar algorithms", 2022).
#[inline(always)]
fn civil_from_days(days: u32) -> (u32, u32, u32) {
    // Years begin with March here, the first of them in the year 0.
    let quarters = 4 * (days + 306) + 3;
    let (century, of_century) = (quarters / 146_097, quarters % 146_097 / 4);
    let product = 2_939_745 * u64::from(4 * of_century + 3);
    let of_year = (product as u32) / 2_939_745 / 4;
    let year = 100 * century + (product >> 32) as u32;
    let scaled = 2141 * of_year + 197_913;
    let (month, day) = (scaled >> 16, scaled % 65_536 / 2141 + 1);
    if of_year >= 306 {
        (year + 1, month - 12, day)
    } else {
        (year, month, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let (seconds, nanos) = parse(text.as_bytes()).unwrap();
        let (text, length) = write(seconds, nanos).unwrap();
        String::from_utf8(text[1..length - 1].to_vec()).unwrap()
    }

    #[test]
    fn timestamps_are_read_and_written() {
        for text in [
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "2024-02-29T12:30:45.120Z",
            "1969-12-31T23:59:59.000001Z",
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(
            round_trip("2024-01-01T01:00:00.5+02:30"),
            "2023-12-31T22:30:00.500Z"
        );
        assert_eq!(parse(b"2000-03-01T00:00:00Z"), Some((951_868_800, 0)));
    }

    #[test]
    fn bad_timestamps_are_refused() {
        for text in [
            "",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01 00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.1234567890Z",
            "2024-01-01T00:00:00+1:00",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "20é4-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert!(write(MAX_SECONDS + 1, 0).is_none());
        assert!(write(0, -1).is_none());
    }

    #[test]
    fn every_day_comes_back() {
        let first = MIN_SECONDS / 86_400;
        for days in 0..=(MAX_SECONDS / 86_400 - first) as u32 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(
                days_from_civil(i64::from(year), i64::from(month), i64::from(day)),
                first + i64::from(days)
            );
        }
    }
}
