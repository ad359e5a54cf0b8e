//! A JSON number in a text: where it ends, whether it follows the grammar
//! (RFC 8259 §6), and its digits, in one pass. What it means as an integer or
//! as a float is its neighbours' affair.
//!
//! Nearly all numbers are short, have no exponent and stand at some distance
//! from the end of the text. These are read here, eight digits at a time and
//! with hardly a branch; what is not of this kind is left to [`grammar`].

use super::digits::{TENS, run};
use super::grammar;

/// As many digits as a `u64` holds for certain.
pub(super) const MOST_DIGITS: usize = 19;

/// A JSON number: what is written, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    /// What it stands in.
    json: &'a [u8],
    start: usize,
    pub(super) decimal: Decimal,
}

/// What a number says: `mantissa × 10^exponent`. The sign is apart, because
/// there is a negative zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    pub(super) mantissa: u64,
    /// Saturated: no text is long enough to make up for what is lost.
    pub(super) exponent: i64,
    pub(super) negative: bool,
    /// Whether the mantissa holds all digits. If not, it holds the first 19 but
    /// for the zeros in front, and what follows is not zero.
    pub(super) exact: bool,
    /// Where the text goes on.
    pub(super) end: usize,
}

impl<'a> Number<'a> {
    /// Reads a text that is a number and nothing else.
    pub(crate) fn parse_all(text: &'a [u8]) -> Option<Self> {
        scan(text, 0).filter(|number| number.end() == text.len())
    }

    /// Where the text goes on.
    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        self.decimal.end
    }

    /// The number as it is written.
    pub(crate) fn text(self) -> &'a [u8] {
        self.json
            .get(self.start..self.decimal.end)
            .unwrap_or_default()
    }
}

/// Reads the number that begins at a position, as far as it goes; nothing when
/// there is none or when it breaks off, as `1.` or `-` do, or has a zero in
/// front, as `01` has. What follows is not looked at.
#[inline(always)]
pub(crate) fn scan(json: &[u8], at: usize) -> Option<Number<'_>> {
    let decimal = match usual(json, at) {
        Some(decimal) => decimal,
        None => grammar::number(json, at)?,
    };
    Some(Number {
        json,
        start: at,
        decimal,
    })
}

/// An integer of up to 20 digits, and where the text goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlainInteger {
    pub(crate) negative: bool,
    pub(crate) magnitude: u64,
    pub(crate) end: usize,
}

impl PlainInteger {
    /// The value, when it is an integer of this size.
    #[inline(always)]
    pub(crate) fn to_i64(self) -> Option<i64> {
        if self.negative {
            0_i64.checked_sub_unsigned(self.magnitude)
        } else {
            i64::try_from(self.magnitude).ok()
        }
    }

    /// The value, when it is an integer of this size. A negative zero is zero.
    #[inline(always)]
    pub(crate) fn to_u64(self) -> Option<u64> {
        (!self.negative || self.magnitude == 0).then_some(self.magnitude)
    }
}

/// Reads an integer that is written in digits alone; nothing when there is none,
/// when it has a fraction, an exponent or a zero in front, when it does not fit,
/// and when it comes to within eight bytes of the end.
#[inline(always)]
pub(crate) fn plain_integer(json: &[u8], at: usize) -> Option<PlainInteger> {
    let negative = *json.get(at)? == b'-';
    let start = at + usize::from(negative);
    let word = word_at(json, start)?;
    let whole = run(word);
    if whole.length == 0 || (whole.length > 1 && word as u8 == b'0') {
        return None;
    }
    let (magnitude, end, next) = if whole.length < 8 {
        let next = (word >> (8 * whole.length)) as u8;
        (whole.value, start + whole.length, next)
    } else {
        long_integer(json, whole.value, start + 8)?
    };
    if next == b'.' || next | 0x20 == b'e' {
        return None;
    }
    Some(PlainInteger {
        negative,
        magnitude,
        end,
    })
}

/// The same behind eight digits: the magnitude, where the text goes on, and with
/// which byte.
#[inline(never)]
fn long_integer(json: &[u8], first: u64, at: usize) -> Option<(u64, usize, u8)> {
    let word = word_at(json, at)?;
    let second = run(word);
    let magnitude = first * TENS[second.length] + second.value;
    if second.length < 8 {
        let next = (word >> (8 * second.length)) as u8;
        return Some((magnitude, at + second.length, next));
    }
    let word = word_at(json, at + 8)?;
    let third = run(word);
    if third.length > 4 {
        return None;
    }
    let magnitude = magnitude
        .checked_mul(TENS[third.length])?
        .checked_add(third.value)?;
    let next = (word >> (8 * third.length)) as u8;
    Some((magnitude, at + 8 + third.length, next))
}

/// A number of up to 19 digits without an exponent; nothing also when it comes
/// to within eight bytes of the end.
#[inline(always)]
fn usual(json: &[u8], at: usize) -> Option<Decimal> {
    let negative = *json.get(at)? == b'-';
    let start = at + usize::from(negative);
    let word = word_at(json, start)?;
    let mut part = if word & 0xff00 == u64::from(b'.') << 8 {
        // One digit and a point is how most floats begin.
        let digit = (word & 0xff) ^ u64::from(b'0');
        if digit > 9 {
            return None;
        }
        Part {
            mantissa: digit,
            end: start + 1,
            next: b'.',
        }
    } else {
        let whole = run(word);
        if whole.length == 0 || (whole.length > 1 && word as u8 == b'0') {
            return None;
        }
        let end = start + whole.length;
        if whole.length < 8 {
            Part {
                mantissa: whole.value,
                end,
                next: (word >> (8 * whole.length)) as u8,
            }
        } else {
            more(json, whole.value, end)?
        }
    };
    let mut digits = part.end - start;
    let mut places = 0;
    if part.next == b'.' {
        let point = part.end;
        part = more(json, part.mantissa, point + 1)?;
        places = part.end - (point + 1);
        digits = part.end - start - 1;
        if places == 0 {
            return None;
        }
    }
    if digits > MOST_DIGITS || part.next | 0x20 == b'e' {
        return None;
    }
    Some(Decimal {
        mantissa: part.mantissa,
        exponent: -(places as i64),
        negative,
        exact: true,
        end: part.end,
    })
}

/// What was read up to a place.
#[derive(Clone, Copy)]
struct Part {
    /// Wraps around when there are too many digits.
    mantissa: u64,
    end: usize,
    /// The byte there, which is no digit.
    next: u8,
}

/// Goes on with digits from `at`.
#[inline(always)]
fn more(json: &[u8], mut mantissa: u64, mut at: usize) -> Option<Part> {
    loop {
        let word = word_at(json, at)?;
        let run = run(word);
        if run.length == 8 {
            // Constants, so that the next word need not wait for this one.
            mantissa = mantissa.wrapping_mul(TENS[8]).wrapping_add(run.value);
            at += 8;
            continue;
        }
        return Some(Part {
            mantissa: mantissa
                .wrapping_mul(TENS[run.length])
                .wrapping_add(run.value),
            end: at + run.length,
            next: (word >> (8 * run.length)) as u8,
        });
    }
}

/// The eight bytes at a position, if there are so many.
#[inline(always)]
fn word_at(json: &[u8], at: usize) -> Option<u64> {
    let word = json.get(at..at.wrapping_add(8))?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_integers_of_every_length_are_read() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let digits = format!("{state:020}");
            for length in 1..=20 {
                for sign in ["", "-"] {
                    let text = format!("{sign}{}", &digits[20 - length..]);
                    let json = format!("[{text},        ");
                    let found = plain_integer(json.as_bytes(), 1);
                    let leading_zero = length > 1 && digits[20 - length..].starts_with('0');
                    let magnitude = digits[20 - length..].parse().ok().filter(|_| !leading_zero);
                    let wanted = magnitude.map(|magnitude| PlainInteger {
                        negative: sign == "-",
                        magnitude,
                        end: 1 + text.len(),
                    });
                    assert_eq!(found, wanted, "{text}");
                    for behind in [".0", "e1", "E1", "00000"] {
                        let json = format!("[{text}{behind},        ");
                        let found = plain_integer(json.as_bytes(), 1);
                        let whole = format!("{text}{behind}");
                        assert!(found.is_none_or(|found| found.end == 1 + whole.len()));
                    }
                }
            }
        }
    }

    #[test]
    fn the_grammar_is_kept() {
        for text in [
            "0",
            "-0",
            "7",
            "10",
            "1.0",
            "-1.5",
            "0.001",
            "1e5",
            "1E5",
            "1e+5",
            "1e-05",
            "0e0",
            "12345678",
            "123456789",
            "1234567890123456789012",
            "0.12345678",
            "0.123456789",
            "1.00000000000000000000000000001e-100",
        ] {
            for (before, after) in [("", ""), ("[", "]"), ("     ", ",       ")] {
                let json = format!("{before}{text}{after}");
                let number = scan(json.as_bytes(), before.len());
                let found = number.map(Number::text);
                assert_eq!(found, Some(text.as_bytes()), "{json}");
            }
            assert!(Number::parse_all(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "00",
            "01.5",
            " 1",
            ".5",
            "-.5",
            "1.",
            "1.e5",
            "1e",
            "1e+",
            "1e-",
            "e5",
            "--1",
            "/",
            ":",
            "NaN",
            "Infinity",
            "-Infinity",
            "000000001",
            "\u{661}",
        ] {
            assert!(scan(text.as_bytes(), 0).is_none(), "{text}");
        }
        for text in [
            "1 ", "1,", "0x1", "1.5.5", "1e5e5", "1e5.5", "1-", "1\0", "1_000",
        ] {
            assert!(scan(text.as_bytes(), 0).is_some(), "{text}");
            assert!(Number::parse_all(text.as_bytes()).is_none(), "{text}");
        }
        assert!(scan(b"1", 1).is_none());
        assert!(scan(b"1", usize::MAX).is_none());
    }

    #[test]
    fn the_first_nineteen_digits_are_held() {
        for (text, mantissa, exponent, exact) in [
            ("0.0", 0, -1, true),
            ("-12.5e3", 125, 2, true),
            ("9999999999999999999", 9_999_999_999_999_999_999, 0, true),
            ("18446744073709551615", 1_844_674_407_370_955_161, 1, false),
            ("10000000000000000000", 1_000_000_000_000_000_000, 1, true),
            ("0.00000000000000000000125", 125, -23, true),
            (
                "1.0000000000000000000000001",
                1_000_000_000_000_000_000,
                -18,
                false,
            ),
            ("0.0000000000000000000000000", 0, -25, true),
        ] {
            let decimal = scan(text.as_bytes(), 0).expect("a number").decimal;
            let found = (decimal.mantissa, decimal.exponent, decimal.exact);
            assert_eq!(found, (mantissa, exponent, exact), "{text}");
        }
    }

    #[test]
    fn exponents_saturate() {
        for sign in ["", "-"] {
            let text = format!("1.5e{sign}{}", "9".repeat(1000));
            let number = scan(text.as_bytes(), 0).expect("a number");
            assert!(number.decimal.exponent.abs() > 1 << 50);
        }
    }
}
