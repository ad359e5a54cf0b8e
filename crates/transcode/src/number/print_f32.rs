//! The shortest text of a `float` between 10^-6 and 2^20, which is what vectors
//! are made of, in whole numbers alone and nearly without a branch.
//!
//! A float is `m × 2^-s` with 24 bits of `m`. Let `10^-f` be the greatest power
//! of ten that is not above its last bit `2^-s`. Then `m × 10^(f-1)` fits 64
//! bits for these floats, so the number in units of `10^(1-f)` is known exactly:
//! what is above bit `s` is its whole part, the rest its fraction. Whatever lies
//! within half a last bit reads back as the same float (at exactly half only
//! when `m` is even, IEEE 754 §4.3.1), and a unit is longer than a last bit, so
//! at most one whole number of units lies there. If there is one it is the
//! shortest; if not, one more digit always does, and the nearest is taken. What
//! was written is then the digits of the units, without zeros at the end, and
//! that digit. The form of the text is [`zmij`]'s.

use super::digits::{ASCII, leading_zeros, spread, trailing_zeros};

/// The exponents, as they are stored, of the floats that this room prints.
const LOWEST: u32 = 107;
const HIGHEST: u32 = 146;

const FRACTION: u32 = 23;
/// From here on zmij writes no exponent.
const LEAST: u32 = 1e-6_f32.to_bits();
const ONE: u32 = 1_f32.to_bits();
/// The first that is too great: 2^20.
const END: u32 = (HIGHEST + 1) << FRACTION;

/// What the floats of one exponent have in common.
#[derive(Clone, Copy)]
struct Scale {
    /// `10^(f-1)`.
    units: u64,
    /// How many digits the longest text has behind the point: `f`.
    places: usize,
}

/// By the lower six bits of the exponent.
const SCALES: [Scale; 64] = {
    let mut scales = [Scale {
        units: 0,
        places: 0,
    }; 64];
    let mut exponent = LOWEST;
    while exponent <= HIGHEST {
        // The last bit of these floats is 2^-shift.
        let shift = 127 + FRACTION - exponent;
        let mut scale = Scale {
            units: 1,
            places: 1,
        };
        while scale.units as u128 * 10 < 1 << shift {
            scale.units *= 10;
            scale.places += 1;
        }
        scales[(exponent % 64) as usize] = scale;
        exponent += 1;
    }
    scales
};

/// Writes the shortest text of a float of a usual size, and gives its length;
/// nothing when it is of another size or a power of two (below which floats are
/// closer together than above).
#[inline]
pub(super) fn usual(value: f32, out: &mut [u8; 32]) -> Option<usize> {
    let bits = value.to_bits();
    let magnitude = bits & (u32::MAX >> 1);
    let significand = bits & ((1 << FRACTION) - 1);
    if magnitude.wrapping_sub(LEAST) >= END - LEAST || significand == 0 {
        return None;
    }
    let start = (bits >> 31) as usize;
    let exponent = magnitude >> FRACTION;
    let scale = SCALES[(exponent % 64) as usize];
    let decimal = Decimal::shortest(significand | 1 << FRACTION, exponent, scale.units);
    out[0] = b'-';
    Some(if magnitude < ONE {
        decimal.below_one(scale.places, out, start)
    } else {
        decimal.above_one(scale.places, out, start)
    })
}

/// A shortest decimal.
#[derive(Clone, Copy)]
struct Decimal {
    /// The first eight digits, one in a byte, zeros in front.
    digits: u64,
    /// The ninth.
    last: u8,
    /// Whether the ninth is wanted.
    has_last: bool,
}

impl Decimal {
    #[inline(always)]
    fn shortest(significand: u32, exponent: u32, units: u64) -> Self {
        let significand = u64::from(significand);
        let shift = 127 + FRACTION - exponent;
        let one = 1_u64 << shift;
        let exact = significand * units;
        let fraction = exact & (one - 1);
        let even = (significand & 1) ^ 1;
        // Half a last bit, and a hair more where the half itself counts.
        let reach = units / 2 + even;
        let down = fraction < reach;
        let up = fraction + reach > one;
        let whole = (exact >> shift) + u64::from(up);
        // The next digit, rounded. Of the two ties that there are, 2.5 and 7.5,
        // the first goes down to the even digit.
        let tie = u64::from(fraction == one >> 2);
        let last = (fraction * 10 + (one >> 1) - tie) >> shift;
        Self {
            digits: spread(whole as u32),
            last: b'0' + last as u8,
            has_last: !(up | down),
        }
    }

    /// `0.00123`: the ninth digit stands at the last place.
    #[inline(always)]
    fn below_one(self, places: usize, out: &mut [u8; 32], start: usize) -> usize {
        // A number below one has eight places at least, so its first digit
        // comes behind the 0 or, being a 0 itself, upon the point.
        let point = start + 1;
        let end = point + places;
        put(out, start, *b"0.000000");
        put(out, end - 8, (self.digits + ASCII).to_le_bytes());
        out[point] = b'.';
        out[end % 32] = self.last;
        end + 1 - self.unwanted()
    }

    /// `123.45`
    #[inline(always)]
    fn above_one(self, places: usize, out: &mut [u8; 32], start: usize) -> usize {
        let zeros = leading_zeros(self.digits);
        let text = (self.digits + ASCII) >> (8 * zeros);
        let whole = 9 - places - zeros;
        let point = start + whole;
        let end = start + 9 - zeros;
        put(out, start, text.to_le_bytes());
        put(out, point + 1, (text >> (8 * whole)).to_le_bytes());
        out[point % 32] = b'.';
        out[end % 32] = self.last;
        let end = end + 1 - self.unwanted();
        // Neither a point without digits behind it nor a shorter number.
        if end <= point + 1 { point } else { end }
    }

    /// How many of the nine digits are not wanted at the end. It is as good as
    /// random whether the ninth is, so there is no branch for it.
    #[inline(always)]
    fn unwanted(self) -> usize {
        let mask = usize::from(self.has_last).wrapping_sub(1);
        (1 + trailing_zeros(self.digits)) & mask
    }
}

/// Eight bytes, of which some may be written over later.
#[inline(always)]
fn put(out: &mut [u8; 32], at: usize, piece: [u8; 8]) {
    // All positions are below sixteen; so the compiler knows it, too.
    let at = at % 16;
    out[at..at + 8].copy_from_slice(&piece);
}
