//! The value of a JSON number as a float: the nearest one, of two equally near
//! the one with an even significand (IEEE 754 §4.3.1), and rounded once.
//!
//! There are three ways, the quickest first. Where digits and power of ten are
//! both doubles, one operation on them rounds as it should (W. D. Clinger, "How
//! to read floating point numbers accurately"). Up to nineteen digits are
//! multiplied by 128 bits of the power of five (D. Lemire, "Number parsing at a
//! gigabyte per second"), which leaves some texts undecided. Those, and whatever
//! is longer or is not a normal number, are for the standard library.

use super::fives::{self, FIVES};
use super::scan::{Decimal, Number};

/// The bits of a double's significand that are written down.
const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;

/// The powers of ten that are doubles.
pub(super) const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

impl Number<'_> {
    /// The nearest `double`; nothing when it is out of range.
    #[inline]
    pub(crate) fn to_f64(self) -> Option<f64> {
        let sign = u64::from(self.decimal.negative) << 63;
        Some(f64::from_bits(self.near()?.to_bits() | sign))
    }

    /// The nearest `float`; nothing when it is out of range.
    #[inline]
    pub(crate) fn to_f32(self) -> Option<f32> {
        let double = self.near()?;
        let magnitude = match narrow(double) {
            Some(magnitude) => magnitude,
            None if double == 0.0 => 0.0,
            None => rounded_once(self.text())?,
        };
        // Signs come as they like: no branch for them.
        let sign = u32::from(self.decimal.negative) << 31;
        Some(f32::from_bits(magnitude.to_bits() | sign))
    }

    /// As a `double`, without its sign.
    #[inline(always)]
    fn near(self) -> Option<f64> {
        let decimal = self.decimal;
        match simple(decimal) {
            Some(magnitude) => Some(magnitude),
            None if decimal.exact => full(decimal.mantissa, decimal.exponent, self.text()),
            None => cut_off(decimal.mantissa, decimal.exponent, self.text()),
        }
    }
}

/// By one exact operation, if that is possible.
#[inline(always)]
fn simple(decimal: Decimal) -> Option<f64> {
    const MOST: u64 = 1 << f64::MANTISSA_DIGITS;
    let shift = usize::try_from(decimal.exponent.unsigned_abs()).ok()?;
    let power = *TENS.get(shift)?;
    if decimal.mantissa > MOST || !decimal.exact {
        return None;
    }
    let mantissa = decimal.mantissa.cast_signed() as f64;
    Some(if decimal.exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    })
}

/// When the mantissa holds all digits.
#[inline(never)]
fn full(mantissa: u64, exponent: i64, text: &[u8]) -> Option<f64> {
    match normal(mantissa, exponent) {
        Some(value) => Some(value),
        None => parsed(text),
    }
}

/// When there are digits behind the mantissa's: they move the value by less than
/// one more in the last of those does.
#[cold]
#[inline(never)]
fn cut_off(mantissa: u64, exponent: i64, text: &[u8]) -> Option<f64> {
    let value = normal(mantissa, exponent);
    if value.is_some() && normal(mantissa + 1, exponent) == value {
        return value;
    }
    parsed(text)
}

#[cold]
#[inline(never)]
fn parsed(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value.abs())
}

/// As a `float`, when the double does not tell which.
#[cold]
#[inline(never)]
fn rounded_once(text: &[u8]) -> Option<f32> {
    let value: f32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value.abs())
}

/// The `float` that is nearest to whatever this double is nearest to; nothing
/// when the double lies in the middle of two, so that what it left off decides,
/// and out of the range of normal numbers, where the middles are elsewhere.
#[inline(always)]
pub(super) fn narrow(double: f64) -> Option<f32> {
    const LEFT_OFF: u32 = f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS;
    const MIDDLE: u64 = 1 << (LEFT_OFF - 1);
    const LEAST: u64 = (f32::MIN_POSITIVE as f64).to_bits();
    const GREATEST: u64 = (f32::MAX as f64).to_bits();
    let bits = double.to_bits();
    let in_the_middle = bits & ((1 << LEFT_OFF) - 1) == MIDDLE;
    let normal = bits.wrapping_sub(LEAST) <= GREATEST - LEAST;
    (normal && !in_the_middle).then_some(double as f32)
}

/// `mantissa × 10^exponent`, when it is a normal number and 128 bits of the
/// power of five are enough to tell which.
fn normal(mantissa: u64, exponent: i64) -> Option<f64> {
    const BIAS: i64 = 1023;
    if mantissa == 0 {
        return Some(0.0);
    }
    let five = FIVES.get(usize::try_from(exponent.checked_sub(fives::LEAST)?).ok()?)?;
    let zeros = mantissa.leading_zeros();
    let mantissa = mantissa << zeros;
    let (mut low, mut high) = wide(mantissa, five.high);
    // The lower half of the power matters when the bits behind those that are
    // kept are all ones: a carry would run through.
    const SPARE: u64 = u64::MAX >> (FRACTION + 3);
    if high & SPARE == SPARE {
        let (_, carried) = wide(mantissa, five.low);
        let carry;
        (low, carry) = low.overflowing_add(carried);
        high += u64::from(carry);
        if low == u64::MAX && !fives::EXACT.contains(&exponent) {
            return None;
        }
    }
    // The product begins with 1 or with 01. Kept are the significand and one
    // bit more, to round by.
    let upper = (high >> 63) as u32;
    let dropped = upper + 64 - FRACTION - 3;
    let mut significand = high >> dropped;
    let mut power = fives::binary(exponent) + 63 + i64::from(upper) - i64::from(zeros) + BIAS;
    // An exact middle goes to the even one; it is only possible where the power
    // of five fits beside the significand.
    if low <= 1
        && (-4..=23).contains(&exponent)
        && significand & 3 == 1
        && significand << dropped == high
    {
        significand &= !1;
    }
    significand = (significand + (significand & 1)) >> 1;
    if significand >> f64::MANTISSA_DIGITS != 0 {
        significand >>= 1;
        power += 1;
    }
    if !(1..2 * BIAS + 1).contains(&power) {
        return None;
    }
    let fraction = significand & ((1 << FRACTION) - 1);
    Some(f64::from_bits(power.cast_unsigned() << FRACTION | fraction))
}

/// The product, lower half first.
#[inline(always)]
fn wide(left: u64, right: u64) -> (u64, u64) {
    let product = u128::from(left) * u128::from(right);
    (product as u64, (product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Number<'_> {
        Number::parse_all(text.as_bytes()).expect("a number")
    }

    #[test]
    fn floats_are_rounded_once() {
        for (text, value) in [
            ("16777217.0000001", 16_777_218.0),
            ("16777217", 16_777_216.0),
            ("16777219", 16_777_220.0),
            ("1.000000059604644775390625", 1.0),
            ("1.00000005960464477539062500000000001", 1.000_000_1),
            ("1.000000178813934326171875", 1.000_000_2),
            ("1.00000017881393432617187499999999999", 1.000_000_1),
            ("3.4028235677973365e38", f32::MAX),
            ("1.401298464324817e-45", f32::from_bits(1)),
            ("7.0064923216240853546186479164495e-46", 0.0),
            ("7.0064923216240853546186479164496e-46", f32::from_bits(1)),
            ("1e-400", 0.0),
        ] {
            assert_eq!(parse(text).to_f32(), Some(value), "{text}");
        }
    }

    #[test]
    fn doubles_are_exact() {
        for (text, value) in [
            ("0.1", 0.1),
            ("9007199254740993", 9_007_199_254_740_992.0),
            (
                "9007199254740993.000000000000000000000001",
                9_007_199_254_740_994.0,
            ),
            (
                "2.2250738585072011e-308",
                f64::from_bits(0x000f_ffff_ffff_ffff),
            ),
            ("2.2250738585072012e-308", f64::MIN_POSITIVE),
            ("1.7976931348623158e308", f64::MAX),
            ("5e-324", f64::from_bits(1)),
            ("2e-324", 0.0),
            ("0e999999999999999999999", 0.0),
            ("1e-999999999999999999999", 0.0),
        ] {
            assert_eq!(parse(text).to_f64(), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_too_great_is_refused() {
        for text in [
            "3.4028235677973367e38",
            "3.5e38",
            "-1e39",
            "1e99999999999999999999",
        ] {
            assert_eq!(parse(text).to_f32(), None, "{text}");
        }
        for text in [
            "1.7976931348623159e308",
            "1e309",
            "-1e309",
            "1e99999999999999999999",
        ] {
            assert_eq!(parse(text).to_f64(), None, "{text}");
        }
    }

    #[test]
    fn zero_has_a_sign() {
        for text in [
            "-0",
            "-0.0",
            "-0e5",
            "-1e-400",
            "-0.000000000000000000000000e99",
        ] {
            assert_eq!(
                parse(text).to_f64().map(f64::to_bits),
                Some(1 << 63),
                "{text}"
            );
            assert_eq!(
                parse(text).to_f32().map(f32::to_bits),
                Some(1 << 31),
                "{text}"
            );
        }
    }
}
