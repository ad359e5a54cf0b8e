//! Powers of five to 128 bits, for all powers of ten that a double can hold,
//! worked out when the crate is compiled.

use std::ops::RangeInclusive;

/// The least power in the table; digits below make no double.
pub(super) const LEAST: i64 = -342;
const GREATEST: i64 = 308;

/// The powers for which a product that ends in ones is no cause for doubt: the
/// positive ones are exact, and so is the division by the negative ones.
pub(super) const EXACT: RangeInclusive<i64> = -27..=55;

/// The first 128 bits of a power of five, the highest of which is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Five {
    pub(super) high: u64,
    pub(super) low: u64,
}

/// From `5^LEAST` on. They are rounded down, except for those negative powers
/// that are so small that the division can come out even: these are rounded up.
pub(super) static FIVES: [Five; (GREATEST - LEAST + 1) as usize] = table();

/// `floor(log2(10^exponent))`, for every exponent in the table.
#[inline(always)]
pub(super) fn binary(exponent: i64) -> i64 {
    (exponent * 217_706) >> 16
}

/// Bits for `5^308`, and for `5^-342` with 128 bits to spare.
const LIMBS: usize = 16;

const fn table() -> [Five; (GREATEST - LEAST + 1) as usize] {
    let mut table = [Five { high: 0, low: 0 }; (GREATEST - LEAST + 1) as usize];
    // Whole numbers, the lowest limb first.
    let mut product = [0; LIMBS];
    product[0] = 1;
    let mut exponent = 0;
    while exponent <= GREATEST {
        table[(exponent - LEAST) as usize] = first_bits(&product);
        times_five(&mut product);
        exponent += 1;
    }
    // Binary fractions, which are cut off; to cut off again and again gives the
    // same as to do it once.
    let mut quotient = [0; LIMBS];
    quotient[LIMBS - 1] = 1 << 63;
    let mut exponent = -1;
    while exponent >= LEAST {
        divide_by_five(&mut quotient);
        let mut five = first_bits(&quotient);
        if exponent >= *EXACT.start() {
            let (low, carry) = five.low.overflowing_add(1);
            five.low = low;
            five.high += carry as u64;
        }
        table[(exponent - LEAST) as usize] = five;
        exponent -= 1;
    }
    table
}

const fn times_five(limbs: &mut [u64; LIMBS]) {
    let mut carry = 0;
    let mut index = 0;
    while index < LIMBS {
        let product = limbs[index] as u128 * 5 + carry;
        limbs[index] = product as u64;
        carry = product >> 64;
        index += 1;
    }
}

const fn divide_by_five(limbs: &mut [u64; LIMBS]) {
    let mut rest = 0;
    let mut index = LIMBS;
    while index > 0 {
        index -= 1;
        let dividend = (rest << 64) | limbs[index] as u128;
        limbs[index] = (dividend / 5) as u64;
        rest = dividend % 5;
    }
}

/// The 128 bits from the highest that is set.
const fn first_bits(limbs: &[u64; LIMBS]) -> Five {
    let mut top = LIMBS - 1;
    while limbs[top] == 0 {
        top -= 1;
    }
    let first = limbs[top];
    let second = if top > 0 { limbs[top - 1] } else { 0 };
    let third = if top > 1 { limbs[top - 2] } else { 0 };
    let shift = first.leading_zeros();
    if shift == 0 {
        return Five {
            high: first,
            low: second,
        };
    }
    Five {
        high: first << shift | second >> (64 - shift),
        low: second << shift | third >> (64 - shift),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_paper() {
        let five = |exponent: i64| FIVES[(exponent - LEAST) as usize];
        for (exponent, high, low) in [
            (-342, 0xeef4_53d6_923b_d65a, 0x113f_aa29_06a1_3b3f),
            (-1, 0xcccc_cccc_cccc_cccc, 0xcccc_cccc_cccc_cccd),
            (0, 0x8000_0000_0000_0000, 0),
            (1, 0xa000_0000_0000_0000, 0),
            (308, 0x8e67_9c2f_5e44_ff8f, 0x570f_09ea_a7ea_7648),
        ] {
            assert_eq!(five(exponent), Five { high, low }, "{exponent}");
        }
        assert!(FIVES.iter().all(|five| five.high >> 63 == 1));
    }

    #[test]
    fn the_binary_exponent_is_right() {
        for exponent in LEAST..=GREATEST {
            let exact = (exponent as f64 * std::f64::consts::LOG2_10).floor() as i64;
            assert_eq!(binary(exponent), exact, "{exponent}");
        }
    }
}
