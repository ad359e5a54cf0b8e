//! Numbers in their decimal form, read exactly: no integer goes through a
//! floating-point number, and a `float` is rounded once.

/// An integer as sign and magnitude, so that both `int64` and `uint64` fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: u64,
}

impl Integer {
    /// Reads a JSON number that has an integral value: `7`, `7.0`, `70e-1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let negative = digits.len() != text.len();
        // Up to 19 digits cannot overflow.
        let plain = (1..=19).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        let magnitude = if plain {
            digits
                .bytes()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
        } else {
            Decimal::parse(digits)?.to_u64()?
        };
        Some(Self {
            negative,
            magnitude,
        })
    }

    pub(crate) fn to_i64(self) -> Option<i64> {
        if self.negative {
            0_i64.checked_sub_unsigned(self.magnitude)
        } else {
            i64::try_from(self.magnitude).ok()
        }
    }

    pub(crate) fn to_i32(self) -> Option<i32> {
        i32::try_from(self.to_i64()?).ok()
    }

    pub(crate) fn to_u64(self) -> Option<u64> {
        (!self.negative || self.magnitude == 0).then_some(self.magnitude)
    }

    pub(crate) fn to_u32(self) -> Option<u32> {
        u32::try_from(self.to_u64()?).ok()
    }
}

/// Whether the text follows JSON's grammar of numbers (RFC 8259 §6).
pub(crate) fn is_json_number(text: &str) -> bool {
    Decimal::parse(text.strip_prefix('-').unwrap_or(text)).is_some()
}

/// A finite `double`; `None` when the text is no JSON number or out of range.
pub(crate) fn parse_f64(text: &str) -> Option<f64> {
    is_json_number(text).then(|| finite_f64(text)).flatten()
}

/// A finite `float`, rounded once.
pub(crate) fn parse_f32(text: &str) -> Option<f32> {
    is_json_number(text).then(|| finite_f32(text)).flatten()
}

/// As [`parse_f64`], of text that is known to be a JSON number.
pub(crate) fn finite_f64(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// As [`parse_f32`], of text that is known to be a JSON number.
pub(crate) fn finite_f32(text: &str) -> Option<f32> {
    text.parse().ok().filter(|value: &f32| value.is_finite())
}

/// The parts of an unsigned JSON number.
struct Decimal<'a> {
    integral: &'a str,
    fraction: &'a str,
    /// Saturated: no number that is written out comes near the bounds.
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (integral, rest) = split_digits(text);
        if integral.is_empty() || (integral.len() > 1 && integral.starts_with('0')) {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => {
                let (fraction, rest) = split_digits(rest);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
        };
        let exponent = match rest.strip_prefix(['e', 'E']) {
            None if rest.is_empty() => 0,
            None => return None,
            Some(rest) => {
                let (negative, digits) = match rest.as_bytes().first()? {
                    b'-' => (true, &rest[1..]),
                    b'+' => (false, &rest[1..]),
                    _ => (false, rest),
                };
                let (digits, rest) = split_digits(digits);
                if digits.is_empty() || !rest.is_empty() {
                    return None;
                }
                let value = digits.parse().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
                if negative { -value } else { value }
            }
        };
        Some(Self {
            integral,
            fraction,
            exponent,
        })
    }

    /// The value, when it is an integer that fits.
    fn to_u64(&self) -> Option<u64> {
        let digits = || {
            self.integral
                .bytes()
                .chain(self.fraction.bytes())
                .map(|digit| u64::from(digit - b'0'))
        };
        let Some(last) = digits()
            .enumerate()
            .filter(|(_, digit)| *digit != 0)
            .map(|(index, _)| index)
            .last()
        else {
            return Some(0);
        };
        // How many digits stand before the decimal point once the exponent has
        // moved it.
        let point = i64::try_from(self.integral.len())
            .ok()?
            .checked_add(self.exponent)?;
        if i64::try_from(last).ok()? >= point {
            return None;
        }
        let mut value = 0_u64;
        for digit in digits().take(last + 1) {
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        for _ in i64::try_from(last + 1).ok()?..point {
            value = value.checked_mul(10)?;
        }
        Some(value)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}
