//! Eight decimal digits at a time in one register, both ways. The first digit
//! of the text is the lowest byte of the word.

/// `0` in each byte: added to digits it makes them text.
pub(super) const ASCII: u64 = 0x3030_3030_3030_3030;

/// The powers of ten that a `u64` holds.
pub(super) const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// The digits of a number below 10^8, one in a byte, zeros in front.
#[inline(always)]
pub(super) fn spread(value: u32) -> u64 {
    debug_assert!(value < 100_000_000);
    // Each step halves every lane: the quotient stays in the lower half, the
    // rest goes to the upper, which is where the text goes on. The products are
    // exact for four and for two digits.
    let value = u64::from(value);
    let fours = (value << 32) - (value / 10_000) * ((10_000 << 32) - 1);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = (fours << 16) - hundreds * ((100 << 16) - 1);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (twos << 8) - tens * ((10 << 8) - 1)
}

/// How many of eight spread digits are zeros in front; at most seven.
#[inline(always)]
pub(super) fn leading_zeros(digits: u64) -> usize {
    ((digits | 1 << 63).trailing_zeros() / 8) as usize
}

/// How many of eight spread digits are zeros at the end; at most seven.
#[inline(always)]
pub(super) fn trailing_zeros(digits: u64) -> usize {
    ((digits | 1).leading_zeros() / 8) as usize
}

/// The digits that eight bytes of text begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Their value.
    pub(super) value: u64,
    /// How many they are, zero to eight.
    pub(super) length: usize,
}

/// Reads the digits that eight bytes of text begin with.
#[inline(always)]
pub(super) fn run(text: u64) -> Run {
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let digits = text ^ ASCII;
    // Above nine the sum reaches the top bit. It may carry into the next byte,
    // but that comes after the end of the run.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & HIGHS;
    let length = others.trailing_zeros() / 8;
    // Moved to the end of the word, with zeros in front. An empty run is moved
    // out of it, which takes two steps, and no branch.
    let half = 32 - 4 * length;
    let digits = digits << half << half;
    Run {
        value: gather(digits),
        length: length as usize,
    }
}

/// The value of eight spread digits.
#[inline(always)]
pub(super) fn gather(digits: u64) -> u64 {
    let twos = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_spread_and_gathered() {
        let edges = [0, 1, 9, 10, 99, 100, 9_999, 10_000, 12_345_678, 99_999_999];
        for value in (0..100_000_000).step_by(997).chain(edges) {
            let text = format!("{value:08}");
            let word = u64::from_le_bytes(*text.as_bytes().first_chunk().expect("eight digits"));
            assert_eq!(spread(value) + ASCII, word, "{text}");
            let expected = Run {
                value: u64::from(value),
                length: 8,
            };
            assert_eq!(run(word), expected, "{text}");
        }
    }

    #[test]
    fn a_run_ends_at_anything_else() {
        for length in 0..8 {
            for other in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                for rest in [0, b'0', b'9', other, u8::MAX] {
                    let mut text = *b"98765432";
                    text[length..].fill(rest);
                    text[length] = other;
                    let value = text[..length]
                        .iter()
                        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
                    let found = run(u64::from_le_bytes(text));
                    assert_eq!(found, Run { value, length }, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn zeros_are_counted_at_both_ends() {
        for (value, leading, trailing) in [
            (12_345_678, 0, 0),
            (1_000, 4, 3),
            (10_000_000, 0, 7),
            (1, 7, 0),
        ] {
            assert_eq!(leading_zeros(spread(value)), leading);
            assert_eq!(trailing_zeros(spread(value)), trailing);
        }
        assert_eq!(leading_zeros(0), 7);
        assert_eq!(trailing_zeros(0), 7);
    }
}
