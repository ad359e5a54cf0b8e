//! Lists of short floats, as vectors are written: `0.25,-0.0412,…`.
//!
//! What is general about numbers costs more than the numbers here. So this
//! reads only what is in the usual form, several in a row, and stops before
//! anything else, which is left to [`scan`](super::scan()).

use super::digits::{ASCII, TENS, gather};
use crate::raw::{Level, Look, Work, commas, look_wide};

/// Commas are looked for among as many bytes.
const BLOCK: usize = 64;
/// As many bytes are looked at for one number: more than it has with its comma.
const WINDOW: usize = 24;
/// As many digits behind the point are read, enough for any normal float of
/// which the first is not far behind it.
const PLACES: usize = 14;

/// What is read in one go.
pub(crate) type Some32 = [[u8; 4]; 32];

/// Reads floats of one digit, a point and more digits, up to 15 bytes with the
/// sign, each with a comma right behind it, and gives how many and where the
/// next one begins.
#[inline(never)]
pub(crate) fn short_floats(
    json: &[u8],
    at: usize,
    out: &mut Some32,
    level: Level,
) -> (usize, usize) {
    look_wide(level, Words, List { json, at, out })
}

/// The list to read from, and where.
struct List<'a> {
    json: &'a [u8],
    at: usize,
    out: &'a mut Some32,
}

impl Work for List<'_> {
    type Output = (usize, usize);

    /// Where a number begins is known when the one before has ended. So the ends of
    /// some are looked for at once, and the numbers need not wait for each other.
    #[inline(always)]
    fn run<L: Look>(self, look: L) -> (usize, usize) {
        let Self { json, mut at, out } = self;
        let mut count = 0;
        while let Some(block) = json
            .get(at..at.wrapping_add(BLOCK + WINDOW))
            .and_then(<[u8]>::first_chunk::<{ BLOCK + WINDOW }>)
        {
            let mut commas = look.commas(block.first_chunk().unwrap_or(&[0; BLOCK]));
            let mut start = 0;
            while commas != 0 && count < out.len() {
                let end = commas.trailing_zeros() as usize;
                commas &= commas - 1;
                let Some(window) = block[start..].first_chunk() else {
                    break;
                };
                let Some(value) = short_float(look, window, end - start) else {
                    return (count, at + start);
                };
                out[count] = value.to_le_bytes();
                count += 1;
                // As many writers have it.
                start = end + 1 + usize::from(block[end + 1] == b' ');
            }
            at += start;
            if start == 0 || count == out.len() {
                break;
            }
        }
        (count, at)
    }
}

/// The value of a number of this length, if it is in the usual form.
#[inline(always)]
fn short_float(look: impl Look, window: &[u8; WINDOW], length: usize) -> Option<f32> {
    let negative = window[0] == b'-';
    let point = 1 + usize::from(negative);
    let head = window[point - 1] ^ b'0';
    let places = length.wrapping_sub(point + 1);
    if head > 9 || window[point] != b'.' || !(1..=PLACES).contains(&places) {
        return None;
    }
    let behind = look.digits(window[point + 1..].first_chunk()?, places)?;
    // Below 10^15, so it is a double.
    let mantissa = u64::from(head) * TENS[PLACES] + behind;
    let magnitude = nearest(mantissa.cast_signed() as f64)?;
    let sign = u32::from(negative) << 31;
    Some(f32::from_bits(magnitude.to_bits() | sign))
}

/// `mantissa / 10^14` as a `float`, of a mantissa that is a double; nothing when
/// it is not clear which float is nearest.
#[inline(always)]
fn nearest(mantissa: f64) -> Option<f32> {
    // A product is quicker than a quotient, and off by two units in the last
    // place at most. That decides nothing unless a middle of two floats is near.
    // What is not zero is far above the least normal float.
    const MIDDLE: u32 = 0x1000_0000;
    const NEAR: u32 = 4;
    let double = mantissa * 1e-14;
    let left_off = double.to_bits() as u32 & 0x1fff_ffff;
    (left_off.wrapping_sub(MIDDLE - NEAR) > 2 * NEAR).then_some(double as f32)
}

/// Looks at eight bytes at a time, in ordinary registers.
#[derive(Clone, Copy)]
struct Words;

impl Look for Words {
    #[inline(always)]
    fn digits(self, text: &[u8; 16], count: usize) -> Option<u64> {
        let (words, _) = text.as_chunks::<8>();
        let behind = 8 * (16 - count.min(PLACES));
        let kept = u128::MAX >> behind;
        let low = (u64::from_le_bytes(words[0]) ^ ASCII) & kept as u64;
        let high = (u64::from_le_bytes(words[1]) ^ ASCII) & (kept >> 64) as u64;
        (are_digits(low) && are_digits(high))
            .then(|| gather(low) * TENS[PLACES - 8] + gather(high << (8 * (16 - PLACES))))
    }

    #[inline(always)]
    fn commas(self, text: &[u8; 64]) -> u64 {
        commas(text)
    }
}

/// Whether each byte is at most nine.
#[inline(always)]
fn are_digits(spread: u64) -> bool {
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // Above nine the sum reaches the top bit, or the next byte if it has that
    // bit already.
    (spread.wrapping_add(0x7676_7676_7676_7676) | spread) & HIGHS == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ends a test's list, so that there are bytes enough behind it.
    fn rest() -> String {
        "]".to_owned() + &" ".repeat(BLOCK + WINDOW)
    }

    /// What is read, by every kind of instructions.
    fn read(json: &str) -> (Vec<f32>, usize) {
        let by = |level| {
            let mut out = [[0; 4]; 32];
            let (count, at) = short_floats(json.as_bytes(), 0, &mut out, level);
            (out[..count].to_vec(), at)
        };
        let (floats, at) = by(Level::Plain);
        assert_eq!((floats.clone(), at), by(Level::Widest), "{json}");
        let floats = floats.into_iter().map(f32::from_le_bytes).collect();
        (floats, at)
    }

    #[test]
    fn floats_are_those_of_the_standard_library() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let places = 1 + (state % 15) as usize;
            let digits = format!("{:016}", state >> 11);
            let sign = if round % 2 == 0 { "" } else { "-" };
            let text = format!("{sign}{}.{}", state % 10, &digits[16 - places..]);
            let (found, at) = read(&(text.clone() + "," + &rest()));
            if let [value] = found[..] {
                let expected: f32 = text.parse().expect("a float");
                assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
                assert_eq!(at, text.len() + 1, "{text}");
            } else {
                assert_eq!((found.len(), at), (0, 0), "{text}");
                // Left to others as too long.
                assert!(places + sign.len() > 13, "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_in_this_form_is_left() {
        for (json, count, at) in [
            ("0.5,1.5,2,0.5,", 2, 8),
            ("0.5,-0.25,\"0.5\",", 2, 10),
            ("0.5, 0.5,", 2, 9),
            ("0.5,  0.5,", 1, 5),
            ("0.5", 0, 0),
            ("0.5]", 0, 0),
            ("0.5e3,", 0, 0),
            ("0.,", 0, 0),
            (".5,", 0, 0),
            ("00.5,", 0, 0),
            ("--0.5,", 0, 0),
            ("12.5,", 0, 0),
            ("0.12345678901234567,", 0, 0),
            ("", 0, 0),
        ] {
            let (found, stopped) = read(&(json.to_owned() + &rest()));
            assert_eq!((found.len(), stopped), (count, at), "{json}");
        }
        // Too near the end of the text to be looked at in one piece.
        assert_eq!(read("0.5,0.5,0.5"), (vec![], 0));
        let many = "0.5,".repeat(100) + &rest();
        assert_eq!(read(&many), (vec![0.5; 32], 128));
    }
}
