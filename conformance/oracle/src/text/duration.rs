//! `google.protobuf.Duration` as text: seconds with up to nine decimals and an
//! `s`.

/// About 10,000 years, the largest duration either way. The bound is on the
/// seconds alone; any fraction may stand behind it.
const MAX_SECONDS: i64 = 315_576_000_000;

/// Reads a duration into seconds and nanoseconds of the same sign.
pub(crate) fn parse(text: &str) -> Option<(i64, i32)> {
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

/// Appends a duration; `None` when it is out of range or its signs differ.
pub(crate) fn write(seconds: i64, nanos: i32, out: &mut Vec<u8>) -> Option<()> {
    let valid = (-MAX_SECONDS..=MAX_SECONDS).contains(&seconds)
        && (-999_999_999..=999_999_999).contains(&nanos)
        && (seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0));
    if !valid {
        return None;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(
        itoa::Buffer::new()
            .format(seconds.unsigned_abs())
            .as_bytes(),
    );
    put_fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    Some(())
}

/// Reads one to nine digits as nanoseconds, and gives what follows.
pub(super) fn take_fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let count = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let (digits, rest) = bytes.split_at(count);
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Some((value * 10_i32.pow(9 - count as u32), rest))
}

/// Appends nanoseconds as nothing, or a point and 3, 6 or 9 digits.
pub(super) fn put_fraction(nanos: u32, out: &mut Vec<u8>) {
    let (mut value, count) = match nanos {
        0 => return,
        _ if nanos.is_multiple_of(1_000_000) => (nanos / 1_000_000, 3),
        _ if nanos.is_multiple_of(1_000) => (nanos / 1_000, 6),
        _ => (nanos, 9),
    };
    let start = out.len();
    out.resize(start + 1 + count, b'.');
    for digit in out[start + 1..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}
