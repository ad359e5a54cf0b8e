//! Decimal digits of a number whose length is known, two at a time.

/// The numbers from 0 to 99, and room up to a power of two.
static PAIRS: [[u8; 2]; 128] = {
    let mut pairs = [[b'0'; 2]; 128];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + value as u8 / 10, b'0' + value as u8 % 10];
        value += 1;
    }
    pairs
};

/// The two digits of a number below 100.
#[inline(always)]
pub(super) fn two(value: u32) -> [u8; 2] {
    PAIRS[value as usize % PAIRS.len()]
}

/// The three digits of a number below 1000.
#[inline(always)]
fn three(value: u32) -> [u8; 3] {
    let hundreds = value / 100;
    let [tens, ones] = two(value - hundreds * 100);
    [b'0' + hundreds as u8, tens, ones]
}

/// Puts nanoseconds at `at`: nothing, or a point and 3, 6 or 9 digits. Gives
/// where they end, which is at most ten bytes on.
#[inline(always)]
pub(super) fn put_fraction(nanos: u32, text: &mut [u8; 32], at: usize) -> usize {
    if nanos == 0 {
        return at;
    }
    let text = &mut text[at..at + 10];
    text[0] = b'.';
    let (milli, below) = (nanos / 1_000_000, nanos % 1_000_000);
    text[1..4].copy_from_slice(&three(milli));
    if below == 0 {
        return at + 4;
    }
    let (micro, nano) = (below / 1_000, below % 1_000);
    text[4..7].copy_from_slice(&three(micro));
    if nano == 0 {
        return at + 7;
    }
    text[7..].copy_from_slice(&three(nano));
    at + 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_three_six_or_nine_digits() {
        for (nanos, expected) in [
            (0, ""),
            (1, ".000000001"),
            (999_999_999, ".999999999"),
            (1_000, ".000001"),
            (120_000, ".000120"),
            (7_000_000, ".007"),
            (900_000_000, ".900"),
            (900_000_010, ".900000010"),
        ] {
            let mut text = [0; 32];
            let end = put_fraction(nanos, &mut text, 3);
            assert_eq!(&text[3..end], expected.as_bytes());
        }
    }
}
