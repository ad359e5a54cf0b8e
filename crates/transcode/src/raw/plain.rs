//! Where a run of plain text ends: the next byte that a JSON string cannot
//! hold as it is, which is a quote, a backslash or a control character
//! (RFC 8259 §7). Reading stops there and writing escapes there.

use super::{Input, Level};

/// How many bytes are looked at in one step below [`Level::Widest`].
pub(super) const STEP: usize = 16;

/// The bytes among 16 that are not plain, the quotes among them, and the bytes
/// that are not ASCII, as a bit each, the first byte lowest.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    pub(super) special: u32,
    pub(super) quotes: u32,
    pub(super) high: u32,
}

impl Marks {
    /// Of these bytes and sixteen more.
    #[inline(always)]
    pub(super) fn and(self, next: Self) -> Self {
        Self {
            special: self.special | next.special << STEP,
            quotes: self.quotes | next.quotes << STEP,
            high: self.high | next.high << STEP,
        }
    }
}

/// Marks 16 bytes.
#[inline(always)]
pub(super) fn marks(chunk: &[u8; STEP], level: Level) -> Marks {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if level != Level::Plain {
        return sse2::marks(chunk);
    }
    let _ = level;
    plain_marks(chunk)
}

fn plain_marks(chunk: &[u8; STEP]) -> Marks {
    let (words, _) = chunk.as_chunks::<8>();
    let (low, high) = (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]));
    Marks {
        special: gather(special_bytes(low)) | gather(special_bytes(high)) << 8,
        quotes: gather(equal_bytes(low, b'"')) | gather(equal_bytes(high, b'"')) << 8,
        high: gather(low) | gather(high) << 8,
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The top bit of each byte that is not plain. Exact for every byte: nothing
/// carries from one byte into the next.
fn special_bytes(word: u64) -> u64 {
    // For a byte below 0x80, adding 0x60 sets its top bit when it is 0x20 or more.
    let low_seven = word & !HIGHS;
    let control = !(low_seven + ONES * 0x60) & !word;
    (control | equal_bytes(word, b'"') | equal_bytes(word, b'\\')) & HIGHS
}

/// The top bit of each byte that is this one; the other bits mean nothing.
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let different = word ^ (ONES * u64::from(byte));
    !(((different & !HIGHS) + !HIGHS) | different)
}

/// The top bits of eight bytes, one behind the other.
fn gather(word: u64) -> u32 {
    (((word & HIGHS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    use super::{Marks, STEP};

    #[inline(always)]
    pub(super) fn load(chunk: &[u8; STEP]) -> __m128i {
        // SAFETY: 16 bytes may be read, from any address; SSE2 is part of x86-64.
        unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn marks(chunk: &[u8; STEP]) -> Marks {
        let bytes = load(chunk);
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let last_control = _mm_set1_epi8(0x1f);
            let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
            let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
            let special = _mm_or_si128(control, _mm_or_si128(quote, backslash));
            Marks {
                special: _mm_movemask_epi8(special).cast_unsigned(),
                quotes: _mm_movemask_epi8(quote).cast_unsigned(),
                high: _mm_movemask_epi8(bytes).cast_unsigned(),
            }
        }
    }

    #[inline(always)]
    pub(super) fn differences(left: &[u8; STEP], right: &[u8; STEP]) -> u32 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { !_mm_movemask_epi8(_mm_cmpeq_epi8(load(left), load(right))).cast_unsigned() }
    }
}

/// The first byte from `at` on that is not plain, or the end; and whether all
/// before it is ASCII.
#[inline]
pub(crate) fn find_special(input: &Input<'_>, at: usize, level: Level) -> (usize, bool) {
    let length = input.bytes().len();
    let mut position = at;
    let mut high = 0;
    while position < length {
        let marks = marks(&input.chunk(position), level);
        if marks.special != 0 {
            let count = marks.special.trailing_zeros();
            high |= marks.high & ((1 << count) - 1);
            return (position + count as usize, high == 0);
        }
        high |= marks.high;
        position += STEP;
    }
    (position.min(length), high == 0)
}

/// Where the quote is that ends the text at `at`, if it is within 31 bytes and
/// the text is plain ASCII.
#[inline(always)]
pub(crate) fn find_near_quote(input: &Input<'_>, at: usize, level: Level) -> Option<usize> {
    let (chunks, _) = input.two_chunks(at)?.as_chunks::<STEP>();
    let count = near_quote(marks(&chunks[0], level).and(marks(&chunks[1], level)))?;
    Some(at + count)
}

/// How many bytes stand in front of the first that is not plain, if that is a
/// quote and they are all ASCII.
#[inline(always)]
pub(super) fn near_quote(marks: Marks) -> Option<usize> {
    let first = marks.special & marks.special.wrapping_neg();
    // Of what lies behind the quote nothing counts.
    let not_ascii = marks.high & first.wrapping_sub(1);
    (marks.quotes & first != 0 && not_ascii == 0).then(|| first.trailing_zeros() as usize)
}

/// Whether those bytes behind `at` are `key`'s that `wanted` has a bit for, the
/// first byte lowest.
#[inline(always)]
pub(crate) fn follows(input: &Input<'_>, at: usize, key: &[u8; 32], wanted: u32) -> bool {
    let (key, _) = key.as_chunks::<STEP>();
    let Some(first) = input.whole_chunk(at) else {
        return follows_near_end(input, at, key, wanted);
    };
    if differences(first, &key[0]) & wanted & 0xffff != 0 {
        return false;
    }
    let more = wanted >> STEP;
    more == 0 || differences(&input.chunk(at + STEP), &key[1]) & more == 0
}

#[inline(never)]
fn follows_near_end(input: &Input<'_>, at: usize, key: &[[u8; STEP]], wanted: u32) -> bool {
    let differ = |index: usize| {
        let chunk = input.chunk(at.saturating_add(index * STEP));
        differences(&chunk, &key[index]) & 0xffff
    };
    (differ(0) | differ(1) << STEP) & wanted == 0
}

/// The bytes in which two chunks differ, a bit each.
#[inline(always)]
fn differences(left: &[u8; STEP], right: &[u8; STEP]) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return sse2::differences(left, right);
    #[allow(unreachable_code)]
    plain_differences(left, right)
}

fn plain_differences(left: &[u8; STEP], right: &[u8; STEP]) -> u32 {
    let differ = |index: usize| {
        let word = |half: &[u8; STEP]| u64::from_le_bytes(half.as_chunks::<8>().0[index]);
        let different = word(left) ^ word(right);
        gather((((different & !HIGHS) + !HIGHS) | different) & HIGHS)
    };
    differ(0) | differ(1) << 8
}

/// The commas among 64 bytes, a bit each, the first byte lowest.
#[inline(always)]
pub(crate) fn commas(bytes: &[u8; 64]) -> u64 {
    let (chunks, _) = bytes.as_chunks::<STEP>();
    chunks
        .iter()
        .rev()
        .fold(0, |bits, chunk| bits << STEP | u64::from(commas_of(chunk)))
}

#[inline(always)]
fn commas_of(chunk: &[u8; STEP]) -> u32 {
    !differences(chunk, &[b','; STEP]) & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_special(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    #[test]
    fn every_byte_at_every_place_is_marked_at_every_level() {
        for level in [Level::Plain, Level::Baseline, Level::Widest] {
            let level = level.at_most(Level::detect());
            for place in 0..STEP {
                for byte in 0..=255 {
                    for filler in [b'a', 0x7f, 0x80, 0xff, b' ', b'!', b'#', b'[', b']'] {
                        let mut chunk = [filler; STEP];
                        chunk[place] = byte;
                        let marks = marks(&chunk, level);
                        assert_eq!(
                            marks.special,
                            u32::from(is_special(byte)) << place,
                            "{level:?} {byte:#x} among {filler:#x}"
                        );
                        let high = chunk.iter().enumerate().fold(0, |bits, (index, byte)| {
                            bits | u32::from(byte >> 7) << index
                        });
                        assert_eq!(marks.high, high);
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_ends_at_its_end() {
        for level in [Level::Plain, Level::Baseline] {
            let level = level.at_most(Level::detect());
            let find = |bytes: &[u8], at| find_special(&Input::new(bytes), at, level);
            for length in 0..70 {
                let mut bytes = vec![b'x'; length];
                assert_eq!(find(&bytes, 0), (length, true));
                bytes.extend_from_slice(b"\"more");
                assert_eq!(find(&bytes, 0), (length, true));
                bytes.splice(0..0, "é".bytes());
                assert_eq!(find(&bytes, 0), (length + 2, false));
                assert_eq!(find(&bytes, 2), (length + 2, true));
            }
        }
    }

    #[test]
    fn differences_are_the_same_with_and_without_vectors() {
        for place in 0..STEP {
            for byte in 0..=255 {
                for other in [0, 1, 0x7f, 0x80, 0xff, byte] {
                    let (mut left, mut right) = ([7; STEP], [7; STEP]);
                    left[place] = byte;
                    right[place] = other;
                    let wanted = u32::from(byte != other) << place;
                    assert_eq!(plain_differences(&left, &right), wanted);
                    assert_eq!(differences(&left, &right) & 0xffff, wanted);
                }
            }
        }
    }

    #[test]
    fn commas_are_found_at_every_place() {
        for place in 0..64 {
            let mut bytes = [b'-'; 64];
            bytes[place] = b',';
            assert_eq!(commas(&bytes), 1 << place);
        }
        assert_eq!(commas(&[b','; 64]), u64::MAX);
    }

    #[test]
    fn keys_are_compared_where_a_bit_says_so() {
        let mut key = [0; 32];
        let text = b",\"a_name_of_many_bytes\":";
        key[..text.len()].copy_from_slice(text);
        let json = b"{,\"a_name_of_many_bytes\":1}";
        for length in 1..=text.len() {
            let wanted = (1_u32 << length) - 1;
            assert!(follows(&Input::new(json), 1, &key, wanted));
            assert!(!follows(&Input::new(json), 0, &key, wanted));
            let mut other = key;
            other[length - 1] ^= 1;
            assert!(!follows(&Input::new(json), 1, &other, wanted));
            assert!(follows(&Input::new(json), 1, &other, wanted >> 1));
        }
        let cut = Input::new(&json[..10]);
        assert!(!follows(&cut, 1, &key, (1 << text.len()) - 1));
    }
}
