//! The grammar of JSON's numbers (RFC 8259 §6), byte by byte: any number, however
//! long, wherever it ends.

use super::scan::{Decimal, MOST_DIGITS};

/// Exponents are cut off here: far beyond what any digits make up for, and far
/// from where a sum overflows.
const MOST_POWER: i64 = 100_000_000_000_000_000;

/// Reads the number that begins at a position; see [`super::scan()`].
#[cold]
#[inline(never)]
pub(super) fn number(json: &[u8], at: usize) -> Option<Decimal> {
    let negative = byte_at(json, at) == b'-';
    let mut digits = Digits {
        json,
        at: at + usize::from(negative),
        mantissa: 0,
        held: 0,
        dropped: 0,
        exact: true,
    };
    let zero_in_front = byte_at(json, digits.at) == b'0';
    let whole = digits.run();
    if whole == 0 || (whole > 1 && zero_in_front) {
        return None;
    }
    let mut places = 0;
    if byte_at(json, digits.at) == b'.' {
        digits.at += 1;
        places = digits.run();
        if places == 0 {
            return None;
        }
    }
    let (power, end) = match byte_at(json, digits.at) {
        b'e' | b'E' => power(json, digits.at + 1)?,
        _ => (0, digits.at),
    };
    Some(Decimal {
        mantissa: digits.mantissa,
        exponent: power + digits.dropped - places,
        negative,
        exact: digits.exact,
        end,
    })
}

/// The digits of a number, before and behind the point.
struct Digits<'a> {
    json: &'a [u8],
    at: usize,
    mantissa: u64,
    /// How many the mantissa holds, but for zeros in front.
    held: usize,
    /// How many come behind these.
    dropped: i64,
    /// Whether those are all zeros.
    exact: bool,
}

impl Digits<'_> {
    /// Reads digits, and gives how many.
    fn run(&mut self) -> i64 {
        let start = self.at;
        while let byte @ b'0'..=b'9' = byte_at(self.json, self.at) {
            let digit = u64::from(byte - b'0');
            if self.held < MOST_DIGITS {
                self.mantissa = self.mantissa * 10 + digit;
                self.held += usize::from(self.mantissa != 0);
            } else {
                self.dropped += 1;
                self.exact &= digit == 0;
            }
            self.at += 1;
        }
        (self.at - start) as i64
    }
}

/// The exponent behind its `e`, and where it ends.
fn power(json: &[u8], at: usize) -> Option<(i64, usize)> {
    let sign = byte_at(json, at);
    let start = at + usize::from(matches!(sign, b'-' | b'+'));
    let mut end = start;
    let mut value = 0;
    while let digit @ b'0'..=b'9' = byte_at(json, end) {
        value = (value * 10 + i64::from(digit - b'0')).min(MOST_POWER);
        end += 1;
    }
    let value = if sign == b'-' { -value } else { value };
    (end > start).then_some((value, end))
}

/// Zero, which no number has, behind the end.
fn byte_at(json: &[u8], at: usize) -> u8 {
    json.get(at).copied().unwrap_or_default()
}
