//! Digits and commas with AVX2, for work that looks at many bytes in a row.

use super::Level;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::plain::STEP;

/// Work that looks at text through one kind of instructions. It is compiled once
/// for each kind.
pub(crate) trait Work {
    type Output;

    /// Must be `#[inline(always)]`: what is not inlined into a function that may
    /// use the instructions does not use them.
    fn run<L: Look>(self, look: L) -> Self::Output;
}

/// How text is looked at.
pub(crate) trait Look: Copy {
    /// The first `count` bytes, at most fourteen, as the first digits of a number
    /// that has fourteen, with zeros behind them. Nothing when one of them is no
    /// digit.
    fn digits(self, text: &[u8; 16], count: usize) -> Option<u64>;

    /// The commas, a bit each, the first byte lowest.
    fn commas(self, text: &[u8; 64]) -> u64;
}

/// Does the work with AVX2 if the level and the processor have it, and through
/// `otherwise` if not.
#[inline(always)]
pub(crate) fn look_wide<W: Work>(level: Level, otherwise: impl Look, work: W) -> W::Output {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if level == Level::Widest
        && let Some(avx2) = avx2::Avx2::here()
    {
        return avx2.run(work);
    }
    let _ = level;
    work.run(otherwise)
}

/// Bytes that are kept, and as many that are not.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const KEPT: [u8; 2 * STEP] = {
    let mut kept = [0; 2 * STEP];
    let mut place = 0;
    while place < STEP {
        kept[place] = 0xff;
        place += 1;
    }
    kept
};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_and_si128, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_madd_epi16,
        _mm_maddubs_epi16, _mm_packus_epi32, _mm_set1_epi8, _mm_setr_epi8, _mm_setr_epi16,
        _mm_subs_epu8, _mm_testz_si128, _mm_xor_si128, _mm256_cmpeq_epi8, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_set1_epi8,
    };

    use super::{KEPT, Look, STEP, Work};

    /// Stands for a processor that has AVX2.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    impl Avx2 {
        #[inline(always)]
        pub(super) fn here() -> Option<Self> {
            std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
        }

        #[inline(always)]
        pub(super) fn run<W: Work>(self, work: W) -> W::Output {
            // SAFETY: there is one of these only where the processor has AVX2.
            unsafe { self.run_here(work) }
        }

        /// # Safety
        /// The processor must have AVX2.
        #[target_feature(enable = "avx2")]
        unsafe fn run_here<W: Work>(self, work: W) -> W::Output {
            work.run(self)
        }
    }

    impl Look for Avx2 {
        #[inline(always)]
        fn digits(self, text: &[u8; STEP], count: usize) -> Option<u64> {
            let kept = KEPT[STEP - count.min(14)..].first_chunk::<STEP>()?;
            // SAFETY: there is one of these only where the processor has AVX2, and
            // with it SSE4.1. Sixteen bytes may be read from both addresses.
            let halves = unsafe {
                let text = _mm_loadu_si128(text.as_ptr().cast());
                let kept = _mm_loadu_si128(kept.as_ptr().cast());
                let spread = _mm_xor_si128(text, _mm_set1_epi8(b'0'.cast_signed()));
                let digits = _mm_and_si128(spread, kept);
                let above_nine = _mm_subs_epu8(digits, _mm_set1_epi8(9));
                if _mm_testz_si128(above_nine, above_nine) == 0 {
                    return None;
                }
                let tens = _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1);
                let twos = _mm_maddubs_epi16(digits, tens);
                // Of sixteen digits the last two are none: twelve, and two more.
                let hundreds = _mm_setr_epi16(100, 1, 100, 1, 100, 1, 1, 0);
                let fours = _mm_madd_epi16(twos, hundreds);
                let fours = _mm_packus_epi32(fours, fours);
                let myriads = _mm_setr_epi16(10_000, 1, 100, 1, 0, 0, 0, 0);
                _mm_cvtsi128_si64(_mm_madd_epi16(fours, myriads)).cast_unsigned()
            };
            Some((halves & 0xffff_ffff) * 1_000_000 + (halves >> 32))
        }

        #[inline(always)]
        fn commas(self, text: &[u8; 64]) -> u64 {
            let (halves, _) = text.as_chunks::<32>();
            let of = |half: &[u8; 32]| {
                // SAFETY: there is one of these only where the processor has AVX2.
                // Thirty-two bytes may be read from any address.
                let marked = unsafe {
                    let bytes: __m256i = _mm256_loadu_si256(half.as_ptr().cast());
                    let comma = _mm256_set1_epi8(b','.cast_signed());
                    _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, comma))
                };
                u64::from(marked.cast_unsigned())
            };
            of(&halves[0]) | of(&halves[1]) << 32
        }
    }
}
