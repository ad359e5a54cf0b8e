//! The buffer that a message grows in: short pieces are stored whole, sixteen
//! or thirty-two bytes at once, and only as many count as belong to them.

use super::plain::{STEP, marks, near_quote};
use super::{Input, Level, Piece};

/// Bytes that are appended to.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
}

/// Where a length-prefixed value begins, and how many bytes are kept for its
/// length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    start: usize,
    kept: u8,
}

impl Output {
    /// Goes on with these bytes.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What is there so far.
    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Room for so many bytes more.
    #[inline(always)]
    fn make_room(&mut self, count: usize) {
        if self.bytes.capacity() - self.bytes.len() < count {
            self.grow(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, count: usize) {
        // More than a piece at a time; the vector doubles from here on.
        self.bytes.reserve(count.max(64));
    }

    /// Overwrites one byte that is there.
    #[inline(always)]
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) {
        self.put(&[byte], 1);
    }

    /// Appends the first `count` bytes of `piece`, all of them when there are
    /// fewer.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, piece: &[u8; N], count: usize) {
        self.make_room(N);
        let length = self.bytes.len();
        // SAFETY: there is room for all N bytes behind the first `length`, and
        // at most these N are counted, which are initialised now.
        unsafe {
            self.bytes
                .as_mut_ptr()
                .add(length)
                .cast::<[u8; N]>()
                .write_unaligned(*piece);
            self.bytes.set_len(length + count.min(N));
        }
    }

    /// Appends a piece.
    #[inline(always)]
    pub(crate) fn put_piece<const N: usize>(&mut self, piece: &Piece<N>) {
        self.make_room(N);
        let length = self.bytes.len();
        // SAFETY: there is room for all N bytes behind the first `length`, and
        // a piece counts at most N, which are initialised now.
        unsafe {
            self.bytes
                .as_mut_ptr()
                .add(length)
                .cast::<[u8; N]>()
                .write_unaligned(*piece.bytes());
            self.bytes.set_len(length + piece.len());
        }
    }

    /// Appends bytes of any number.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets `append` grow the bytes as a vector.
    #[inline]
    pub(crate) fn with_vec<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        append(&mut self.bytes)
    }

    /// Appends a varint (protobuf.dev, "Encoding").
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.push(value as u8);
        } else {
            self.long_varint(value);
        }
    }

    #[inline]
    fn long_varint(&mut self, value: u64) {
        if value >> 56 == 0 {
            let (bytes, count) = spread(value);
            self.put(&bytes, count);
        } else {
            self.longest_varint(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn longest_varint(&mut self, value: u64) {
        let (bytes, count) = varint(value);
        self.put(&bytes, count);
    }

    /// Starts a length-prefixed value whose length is not known yet; `kept`
    /// bytes, at least one, are kept for the length.
    #[inline(always)]
    pub(crate) fn open(&mut self, kept: u8) -> Opening {
        let kept = kept.clamp(1, 8);
        self.put(&[0_u8; 8], usize::from(kept));
        Opening {
            start: self.bytes.len(),
            kept,
        }
    }

    /// How many bytes stand behind the opening.
    #[inline(always)]
    pub(crate) fn length_since(&self, opening: Opening) -> usize {
        self.bytes.len() - opening.start
    }

    /// Ends what [`open`](Self::open) started: writes the length in front, and
    /// moves the value when the length needs another number of bytes than were
    /// kept. Gives that number, the one to keep the next time.
    #[inline(always)]
    pub(crate) fn close(&mut self, opening: Opening) -> u8 {
        let length = self.length_since(opening);
        if length < 0x80 && opening.kept == 1 {
            self.bytes[opening.start - 1] = length as u8;
            return 1;
        }
        self.close_long(opening, length)
    }

    #[inline(never)]
    fn close_long(&mut self, opening: Opening, length: usize) -> u8 {
        let (prefix, count) = varint(length as u64);
        let kept = usize::from(opening.kept);
        let place = opening.start - kept;
        if count != kept {
            let end = self.bytes.len();
            if count > kept {
                self.bytes.resize(end + count - kept, 0);
            }
            self.bytes.copy_within(opening.start..end, place + count);
            self.bytes.truncate(place + count + length);
        }
        self.bytes[place..place + count].copy_from_slice(&prefix[..count]);
        count as u8
    }

    /// Appends the text at `at` with its length in front, if a quote ends it
    /// within 31 bytes and it is plain ASCII; gives where the quote is. Nothing
    /// is appended otherwise.
    #[inline(always)]
    pub(crate) fn put_short_text(
        &mut self,
        source: &Input<'_>,
        at: usize,
        level: Level,
    ) -> Option<usize> {
        let Some(chunk) = source.whole_chunk(at) else {
            return self.put_text_near_end(source, at, level);
        };
        let marks = marks(chunk, level);
        if marks.special == 0 {
            return self.put_longer_text(source, at, level);
        }
        let count = near_quote(marks)?;
        self.make_room(1 + STEP);
        let length = self.bytes.len();
        // SAFETY: there is room for 17 bytes behind the first `length`; 1 + count
        // of them are counted, which are at most 16, initialised now.
        unsafe {
            let place = self.bytes.as_mut_ptr().add(length);
            place.write(count as u8);
            place.add(1).cast::<[u8; STEP]>().write_unaligned(*chunk);
            self.bytes.set_len(length + 1 + count);
        }
        Some(at + count)
    }

    /// The same, of a text that has shown to have more than 15 bytes.
    #[inline(never)]
    fn put_longer_text(&mut self, source: &Input<'_>, at: usize, level: Level) -> Option<usize> {
        let bytes = source.two_chunks(at)?;
        let (chunks, _) = bytes.as_chunks::<STEP>();
        let count = near_quote(marks(&chunks[0], level).and(marks(&chunks[1], level)))?;
        self.put(&[count as u8], 1);
        self.put(bytes, count);
        Some(at + count)
    }

    /// The same, where fewer than 16 bytes are left.
    #[inline(never)]
    fn put_text_near_end(&mut self, source: &Input<'_>, at: usize, level: Level) -> Option<usize> {
        let chunk = source.chunk(at);
        let count = near_quote(marks(&chunk, level))?;
        self.put(&[count as u8], 1);
        self.put(&chunk, count);
        Some(at + count)
    }

    /// Appends `source[at..end]` in quotes, if it has at most 15 bytes and all of
    /// them are plain ASCII; whether it did. Nothing is appended otherwise.
    #[inline(always)]
    pub(crate) fn put_short_string(
        &mut self,
        source: &Input<'_>,
        at: usize,
        end: usize,
        level: Level,
    ) -> bool {
        let count = end.wrapping_sub(at);
        if count >= STEP {
            return false;
        }
        let chunk = source.chunk(at);
        let marks = marks(&chunk, level);
        // Of what lies behind the end nothing counts.
        if (marks.special | marks.high) & ((1 << count) - 1) != 0 {
            return false;
        }
        self.make_room(STEP + 2);
        let length = self.bytes.len();
        // SAFETY: there is room for 18 bytes behind the first `length`. The quote,
        // the chunk and, at most 15 bytes into it, the other quote are written;
        // the 2 + count bytes that are counted end with that.
        unsafe {
            let place = self.bytes.as_mut_ptr().add(length);
            place.write(b'"');
            place.add(1).cast::<[u8; STEP]>().write_unaligned(chunk);
            place.add(1 + count).write(b'"');
            self.bytes.set_len(length + 2 + count);
        }
        true
    }

    /// Appends `source[at..end]` up to the first byte that is not plain (see
    /// [`find_special`](super::find_special)). Gives where that is, or `end`, and whether all that
    /// was appended is ASCII. Bytes of `source` behind `end` may be looked at.
    #[inline(always)]
    pub(crate) fn copy_plain(
        &mut self,
        source: &Input<'_>,
        at: usize,
        end: usize,
        level: Level,
    ) -> (usize, bool) {
        debug_assert!(at <= end && end <= source.bytes().len());
        let chunk = source.chunk(at);
        let marks = marks(&chunk, level);
        let count = (marks.special.trailing_zeros() as usize).min(end - at);
        if count < STEP {
            self.put(&chunk, count);
            return (at + count, marks.high & ((1 << count) - 1) == 0);
        }
        self.put(&chunk, STEP);
        let (stop, ascii) = self.copy_more(source, at + STEP, end, level);
        (stop, ascii && marks.high == 0)
    }

    /// The same, of a run that has shown to be long.
    #[inline(never)]
    fn copy_more(
        &mut self,
        source: &Input<'_>,
        at: usize,
        end: usize,
        level: Level,
    ) -> (usize, bool) {
        let mut position = at;
        let mut high = 0;
        loop {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            if level == Level::Widest && position - at >= 2 * STEP {
                // SAFETY: only a processor that has AVX2 is given this level;
                // see `Level::detect` and `Level::at_most`.
                let (stop, ascii) = unsafe { self.copy_avx2(source, position, end) };
                return (stop, ascii && high == 0);
            }
            let chunk = source.chunk(position);
            let marks = marks(&chunk, level);
            let count = (marks.special.trailing_zeros() as usize).min(end - position);
            if count < STEP {
                self.put(&chunk, count);
                high |= marks.high & ((1 << count) - 1);
                return (position + count, high == 0);
            }
            self.put(&chunk, STEP);
            high |= marks.high;
            position += STEP;
        }
    }

    /// The same, 32 bytes at a time.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[target_feature(enable = "avx2")]
    unsafe fn copy_avx2(&mut self, source: &Input<'_>, at: usize, end: usize) -> (usize, bool) {
        use std::arch::x86_64::{
            __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
            _mm256_or_si256, _mm256_set1_epi8,
        };
        const WIDE: usize = 32;
        let last_control = _mm256_set1_epi8(0x1f);
        let quote = _mm256_set1_epi8(b'"'.cast_signed());
        let backslash = _mm256_set1_epi8(b'\\'.cast_signed());
        let mut position = at;
        let mut high = 0;
        while let Some(chunk) = source.bytes()[..end]
            .get(position..)
            .and_then(<[u8]>::first_chunk::<WIDE>)
        {
            // SAFETY: a chunk has 32 bytes, which may be read from any address.
            let bytes: __m256i = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, last_control), bytes);
            let special = _mm256_or_si256(
                control,
                _mm256_or_si256(
                    _mm256_cmpeq_epi8(bytes, quote),
                    _mm256_cmpeq_epi8(bytes, backslash),
                ),
            );
            let special = _mm256_movemask_epi8(special).cast_unsigned();
            let marked = _mm256_movemask_epi8(bytes).cast_unsigned();
            if special != 0 {
                let count = special.trailing_zeros();
                self.put(chunk, count as usize);
                high |= marked & ((1_u32 << count) - 1);
                return (position + count as usize, high == 0);
            }
            self.put(chunk, WIDE);
            high |= marked;
            position += WIDE;
        }
        // Fewer than 32 are left.
        let (stop, ascii) = self.copy_more(source, position, end, Level::Baseline);
        (stop, ascii && high == 0)
    }
}

/// A varint, and how many bytes it has.
fn varint(mut value: u64) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    let mut count = 0;
    while value >= 0x80 {
        bytes[count] = value as u8 | 0x80;
        value >>= 7;
        count += 1;
    }
    bytes[count] = value as u8;
    (bytes, count + 1)
}

/// A varint of at most 56 bits, seven to a byte, and how many bytes it has.
#[inline(always)]
fn spread(value: u64) -> ([u8; 8], usize) {
    let halves = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let sevens = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    // (bits + 6) / 7 for up to 64 bits, without a division.
    let count = ((63 - (value | 1).leading_zeros()) * 9 + 73) / 64;
    // Every byte but the last says that more follow.
    let more = 0x8080_8080_8080_8080 & ((1_u64 << (8 * (count - 1))) - 1);
    ((sevens | more).to_le_bytes(), count as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_moves_for_its_length_in_both_directions() {
        for kept in 1..=8 {
            for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
                let mut output = Output::new(vec![0xaa]);
                let opening = output.open(kept);
                output.extend(&vec![7; length]);
                let needed = output.close(opening);
                let mut wanted = vec![0xaa];
                let (prefix, count) = varint(length as u64);
                wanted.extend_from_slice(&prefix[..count]);
                wanted.extend_from_slice(&vec![7; length]);
                assert_eq!(output.into_bytes(), wanted, "{kept} {length}");
                assert_eq!(usize::from(needed), count);
            }
        }
    }

    #[test]
    fn short_pieces_leave_nothing_behind_them() {
        let mut output = Output::default();
        output.put(b"0123456789abcdef", 3);
        output.put(b"0123456789abcdef", 99);
        output.push(b'!');
        assert_eq!(output.into_bytes(), b"0120123456789abcdef!");
    }

    #[test]
    fn text_is_copied_up_to_what_is_not_plain() {
        for level in [Level::Plain, Level::Baseline, Level::Widest] {
            let level = level.at_most(Level::detect());
            for length in 0..200 {
                for special in *b"\"\\\n\0\x1f" {
                    let mut source = vec![b'-'; 3];
                    source.resize(3 + length, b'x');
                    source.push(special);
                    source.extend_from_slice(b"behind it");
                    for end in [3 + length, 3 + length / 2, source.len()] {
                        let mut output = Output::default();
                        let stop = end.min(3 + length);
                        assert_eq!(
                            output.copy_plain(&Input::new(&source), 3, end, level),
                            (stop, true),
                            "{level:?} {length}"
                        );
                        assert_eq!(output.into_bytes(), source[3..stop]);
                    }
                    let middle = 3 + length / 2;
                    if length > 0 {
                        source[middle] = 0xc3;
                        let mut output = Output::default();
                        let end = source.len();
                        assert_eq!(
                            output.copy_plain(&Input::new(&source), 3, end, level),
                            (3 + length, false)
                        );
                        let mut output = Output::default();
                        assert_eq!(
                            output.copy_plain(&Input::new(&source), 3, middle, level),
                            (middle, true)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn short_texts_are_taken_whole_or_not_at_all() {
        for level in [Level::Plain, Level::Baseline] {
            let level = level.at_most(Level::detect());
            for length in 0..40 {
                for behind in ["", "é, and more than a step behind it"] {
                    let text = "x".repeat(length);
                    let source = format!("-{text}\"{behind}");
                    let mut output = Output::new(vec![7]);
                    let quote = output.put_short_text(&Input::new(source.as_bytes()), 1, level);
                    let two_chunks = source.len() > 2 * STEP;
                    if length < STEP || (length < 2 * STEP && two_chunks) {
                        assert_eq!(quote, Some(1 + length));
                        assert_eq!(output.as_slice()[1], length as u8);
                        assert_eq!(&output.as_slice()[2..], text.as_bytes());
                    } else {
                        assert_eq!((quote, output.len()), (None, 1));
                    }
                }
            }
            for other in ["é\"", "a", "a\\\"", "a\n\"", ""] {
                let mut output = Output::default();
                assert_eq!(
                    output.put_short_text(&Input::new(other.as_bytes()), 0, level),
                    None
                );
                assert_eq!(output.len(), 0);
            }
        }
    }

    #[test]
    fn short_strings_are_put_in_quotes_when_they_are_plain() {
        for level in [Level::Plain, Level::Baseline, Level::Widest] {
            let level = level.at_most(Level::detect());
            let text = b"0123456789abcdefghij\"\xc3\xa9";
            let source = Input::new(text);
            for at in 0..text.len() {
                for end in at..=text.len() {
                    let mut output = Output::new(b"-".to_vec());
                    let plain = end - at < 16 && (end <= 20 || at == end);
                    assert_eq!(output.put_short_string(&source, at, end, level), plain);
                    let mut wanted = b"-".to_vec();
                    if plain {
                        wanted.push(b'"');
                        wanted.extend_from_slice(&text[at..end]);
                        wanted.push(b'"');
                    }
                    assert_eq!(output.into_bytes(), wanted);
                }
            }
        }
    }

    #[test]
    fn varints_of_every_length_are_the_same_either_way() {
        for bits in 1..=56 {
            for value in [
                1 << (bits - 1),
                (1 << bits) - 1,
                0x55_5555_5555_5555 >> (56 - bits),
            ] {
                let ((short, count), (long, long_count)) = (spread(value), varint(value));
                assert_eq!((&short[..count], count), (&long[..count], long_count));
            }
        }
    }

    #[test]
    fn varints_are_those_of_the_encoding() {
        let mut output = Output::default();
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            output.varint(value);
        }
        let mut wanted = vec![0, 1, 127, 0x80, 1, 0xac, 2];
        wanted.extend_from_slice(&[0xff; 9]);
        wanted.push(1);
        assert_eq!(output.into_bytes(), wanted);
    }
}
