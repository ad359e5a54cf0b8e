//! Numbers as text, written from the start of a buffer: integers, and the
//! shortest decimal that reads back as the same float, the nearest of them,
//! without the `.0` of whole numbers.

use super::digits::{ASCII, leading_zeros, spread};
use super::print_f32;

const EIGHT_DIGITS: u64 = 100_000_000;

/// The text of a finite `float`, and its length: `-0.25`, `7`, `1e-7`.
#[inline]
pub(crate) fn f32(value: f32, out: &mut [u8; 32]) -> usize {
    match print_f32::usual(value, out) {
        Some(length) => length,
        None => unusual_f32(value, out),
    }
}

#[inline(never)]
fn unusual_f32(value: f32, out: &mut [u8; 32]) -> usize {
    let magnitude = value.abs();
    let whole = magnitude as u32;
    // Up to 2^24 every whole number is a float of its own.
    if whole <= 1 << f32::MANTISSA_DIGITS && whole as f32 == magnitude {
        return signed(value.is_sign_negative(), u64::from(whole), out);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    copy(text.strip_suffix(".0").unwrap_or(text), out)
}

/// The text of a finite `double`, and its length.
#[inline]
pub(crate) fn f64(value: f64, out: &mut [u8; 32]) -> usize {
    const END: i64 = 10_000_000_000_000_000;
    let magnitude = value.abs();
    let whole = magnitude as i64;
    // Below 10^16 the neighbours of a whole number are at most two away, so no
    // shorter number lies nearer to it; from there on there is an exponent.
    if whole < END && whole as f64 == magnitude {
        return signed(value.is_sign_negative(), whole.cast_unsigned(), out);
    }
    copy(zmij::Buffer::new().format_finite(value), out)
}

/// The text of an integer, and its length.
#[inline]
pub(crate) fn i64(value: i64, out: &mut [u8; 32]) -> usize {
    signed(value < 0, value.unsigned_abs(), out)
}

/// The text of an integer, and its length.
#[inline]
pub(crate) fn u64(value: u64, out: &mut [u8; 32]) -> usize {
    digits(value, out, 0)
}

#[inline]
fn signed(negative: bool, magnitude: u64, out: &mut [u8; 32]) -> usize {
    out[0] = b'-';
    digits(magnitude, out, usize::from(negative))
}

/// Writes digits from `start` on, and gives where they end.
#[inline(always)]
fn digits(value: u64, out: &mut [u8; 32], start: usize) -> usize {
    if value < EIGHT_DIGITS {
        first(value as u32, out, start)
    } else {
        many(value, out, start)
    }
}

#[inline(never)]
fn many(value: u64, out: &mut [u8; 32], start: usize) -> usize {
    let (above, below) = (value / EIGHT_DIGITS, (value % EIGHT_DIGITS) as u32);
    let end = if above < EIGHT_DIGITS {
        first(above as u32, out, start)
    } else {
        let end = first((above / EIGHT_DIGITS) as u32, out, start);
        eight((above % EIGHT_DIGITS) as u32, out, end)
    };
    eight(below, out, end)
}

/// One to eight digits.
#[inline(always)]
fn first(value: u32, out: &mut [u8; 32], start: usize) -> usize {
    let digits = spread(value);
    let zeros = leading_zeros(digits);
    let text = (digits + ASCII) >> (8 * zeros);
    put(out, start, text.to_le_bytes());
    start + 8 - zeros
}

/// Eight digits, zeros in front.
#[inline(always)]
fn eight(value: u32, out: &mut [u8; 32], at: usize) -> usize {
    put(out, at, (spread(value) + ASCII).to_le_bytes());
    at + 8
}

/// Copies what zmij wrote, at most 24 bytes, in pieces of a fixed size, which
/// cost less than a call: the last ends where the text ends and may cover what
/// is there already.
#[inline]
fn copy(text: &str, out: &mut [u8; 32]) -> usize {
    let text = text.as_bytes();
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<8>()) {
        put(out, 0, *first);
        put(out, length - 8, *last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        put(out, 0, *first);
        put(out, length - 8, *last);
    } else {
        for (to, from) in out.iter_mut().zip(text) {
            *to = *from;
        }
    }
    length
}

/// Some bytes, of which those at the end may be written over later.
#[inline(always)]
fn put<const N: usize>(out: &mut [u8; 32], at: usize, piece: [u8; N]) {
    // No text is longer than 24 bytes and nothing begins behind 16; so the
    // compiler knows it, too.
    let at = at.min(16);
    out[at..at + N].copy_from_slice(&piece);
}
