//! The value of a JSON number as an integer, exactly: `7`, `7.0`, `70e-1` and
//! `0.7e1` are the same, `7.5` is none, and 20 digits are as good as one.

use super::digits::TENS;
use super::scan::{Decimal, MOST_DIGITS, Number};

impl Number<'_> {
    /// The value, when it is an integer of this size.
    #[inline]
    pub(crate) fn to_i64(self) -> Option<i64> {
        let magnitude = self.magnitude()?;
        if self.decimal.negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        }
    }

    /// The value, when it is an integer of this size.
    #[inline]
    pub(crate) fn to_i32(self) -> Option<i32> {
        i32::try_from(self.to_i64()?).ok()
    }

    /// The value, when it is an integer of this size. A negative zero is zero.
    #[inline]
    pub(crate) fn to_u64(self) -> Option<u64> {
        let magnitude = self.magnitude()?;
        (!self.decimal.negative || magnitude == 0).then_some(magnitude)
    }

    /// The value, when it is an integer of this size.
    #[inline]
    pub(crate) fn to_u32(self) -> Option<u32> {
        u32::try_from(self.to_u64()?).ok()
    }

    #[inline]
    fn magnitude(self) -> Option<u64> {
        let Decimal {
            mantissa,
            exponent,
            exact,
            ..
        } = self.decimal;
        match (exact, exponent) {
            (true, 0) => Some(mantissa),
            (true, _) => scaled(mantissa, exponent),
            (false, _) => recounted(self.text(), exponent),
        }
    }
}

/// With a fraction or an exponent.
#[cold]
#[inline(never)]
fn scaled(mantissa: u64, exponent: i64) -> Option<u64> {
    if mantissa == 0 {
        return Some(0);
    }
    let shift = usize::try_from(exponent.unsigned_abs()).ok()?;
    // What is 10^20 or more does not fit, and what is divided by as much is less
    // than one.
    let power = *TENS.get(shift)?;
    if exponent >= 0 {
        mantissa.checked_mul(power)
    } else {
        mantissa.is_multiple_of(power).then_some(mantissa / power)
    }
}

/// From the digits of the text, since the mantissa holds the first nineteen only
/// and what follows is not all zeros.
#[cold]
#[inline(never)]
fn recounted(text: &[u8], exponent: i64) -> Option<u64> {
    let digits = || {
        text.iter()
            .take_while(|byte| !matches!(byte, b'e' | b'E'))
            .filter(|byte| byte.is_ascii_digit())
            .map(|digit| digit - b'0')
            .skip_while(|digit| *digit == 0)
    };
    // How many digits stand before the decimal point once the exponent has moved
    // it: those of the mantissa, and as many as it says.
    let point = exponent.checked_add(MOST_DIGITS as i64)?;
    let (last, _) = digits()
        .enumerate()
        .filter(|(_, digit)| *digit != 0)
        .last()?;
    // The greatest has twenty.
    if point > 20 || i64::try_from(last).ok()? >= point {
        return None;
    }
    digits()
        .chain(std::iter::repeat(0))
        .take(usize::try_from(point).ok()?)
        .try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Number<'_>> {
        Number::parse_all(text.as_bytes())
    }

    #[test]
    fn integers_are_exact() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("7", 7),
            ("1e5", 100_000),
            ("1.0", 1),
            ("1.5e1", 15),
            ("100e-2", 1),
            ("0.0", 0),
            ("0e999999999999999999999", 0),
            ("0e-999999999999999999999", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            (
                "9007199254740993.000000000000000000000000",
                9_007_199_254_740_993,
            ),
            (
                "0.0000000000000000000000009007199254740993e40",
                9_007_199_254_740_993,
            ),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-922337203685477580800000000000000000e-17", i64::MIN),
        ] {
            let found = parse(text).and_then(Number::to_i64);
            assert_eq!(found, Some(value), "{text}");
        }
        for text in [
            "18446744073709551615",
            "18446744073709551615.000",
            "1844674407370955161500000e-5",
            "1.8446744073709551615e19",
            "0.00018446744073709551615e23",
        ] {
            let found = parse(text).and_then(Number::to_u64);
            assert_eq!(found, Some(u64::MAX), "{text}");
        }
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for text in [
            "1.5",
            "1e-1",
            "1e400",
            "1e999999999999999999999",
            "1e-999999999999999999999",
            "9007199254740993.0000000000000000001",
            "0.00000000000000000000000000000000001",
            "18446744073709551616",
            "18446744073709551615.5",
            "184467440737095516150",
            "99999999999999999999999999999999999999",
        ] {
            assert_eq!(parse(text).expect("a number").to_u64(), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_kept() {
        let to = |text| parse(text).expect("a number");
        assert_eq!(to("9223372036854775808").to_i64(), None);
        assert_eq!(to("-9223372036854775809").to_i64(), None);
        assert_eq!(to("-1").to_u64(), None);
        assert_eq!(to("-0.0").to_u64(), Some(0));
        assert_eq!(to("2147483647").to_i32(), Some(i32::MAX));
        assert_eq!(to("2147483648").to_i32(), None);
        assert_eq!(to("-2147483648").to_i32(), Some(i32::MIN));
        assert_eq!(to("-2147483649").to_i32(), None);
        assert_eq!(to("4294967295").to_u32(), Some(u32::MAX));
        assert_eq!(to("4294967296").to_u32(), None);
        assert_eq!(to("-1").to_u32(), None);
    }
}
