//! Text that is appended while the byte that ends it is looked for.

use super::super::plain::{STEP, marks, near_quote};
use super::super::{Input, Level};
use super::Output;

impl Output {
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
        // SAFETY: the quote is among the sixteen.
        unsafe { self.store_counted(chunk, count) };
        Some(at + count)
    }

    /// The same, of a text that has shown to have more than 15 bytes.
    #[inline(never)]
    fn put_longer_text(&mut self, source: &Input<'_>, at: usize, level: Level) -> Option<usize> {
        let bytes = source.two_chunks(at)?;
        let (chunks, _) = bytes.as_chunks::<STEP>();
        let count = near_quote(marks(&chunks[0], level).and(marks(&chunks[1], level)))?;
        // SAFETY: the quote is among the thirty-two.
        unsafe { self.store_counted(bytes, count) };
        Some(at + count)
    }

    /// The same, where fewer than 16 bytes are left.
    #[inline(never)]
    fn put_text_near_end(&mut self, source: &Input<'_>, at: usize, level: Level) -> Option<usize> {
        let chunk = source.chunk(at);
        let count = near_quote(marks(&chunk, level))?;
        // SAFETY: the quote is among the sixteen.
        unsafe { self.store_counted(&chunk, count) };
        Some(at + count)
    }

    /// Stores a count and all of these bytes, and counts the first of them.
    ///
    /// # Safety
    /// `count` is at most N.
    #[inline(always)]
    unsafe fn store_counted<const N: usize>(&mut self, bytes: &[u8; N], count: usize) {
        self.make_room(1 + N);
        let length = self.bytes.len();
        // SAFETY: there is room for 1 + N bytes behind the first `length`, and
        // those that are counted are initialised now.
        unsafe {
            let place = self.bytes.as_mut_ptr().add(length);
            place.write(count as u8);
            place.add(1).cast::<[u8; N]>().write_unaligned(*bytes);
            self.bytes.set_len(length + 1 + count);
        }
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
            if level == Level::Widest
                && position - at >= 2 * STEP
                && std::arch::is_x86_feature_detected!("avx2")
            {
                // SAFETY: the processor has AVX2.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
