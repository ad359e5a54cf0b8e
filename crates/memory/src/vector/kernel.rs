//! The inner loops of an exact scan: how one query scores many rows, as floats
//! and as bytes. They are compiled for the instruction sets worth telling
//! apart; the best one that the processor has is chosen when the program runs,
//! so that a portable binary is fast. What the rows mean and which of them are
//! kept is for [`super::matrix`] and [`super::compact`].

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_load_si128, _mm_shuffle_epi32,
    _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256,
    _mm256_load_si256, _mm256_madd_epi16, _mm256_setzero_si256, _mm512_cvtepi8_epi16,
    _mm512_dpwssd_epi32, _mm512_load_si512, _mm512_reduce_add_epi32, _mm512_setzero_si512,
};

/// Floats in a [`Lane`]: one 512-bit register, or two of 256 bits.
pub(super) const WIDTH: usize = 16;

/// Sixteen components, aligned to a cache line so that no load crosses one. A
/// vector is as many lanes as it needs, the last one filled up with zeros,
/// which change neither a dot product nor a distance.
#[repr(align(64))]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lane(pub(super) [f32; WIDTH]);

impl Lane {
    pub(super) const ZERO: Self = Self([0.0; WIDTH]);
}

/// Components in a [`Bytes`] and in a [`Words`].
pub(super) const BLOCK: usize = 64;

/// 64 components of a row in a byte each, as long as a cache line and aligned
/// to one. The last block of a row is filled up with zeros.
#[repr(align(64))]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bytes(pub(super) [i8; BLOCK]);

impl Bytes {
    pub(super) const ZERO: Self = Self([0; BLOCK]);
}

/// 64 components of a query in two bytes each.
#[repr(align(64))]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Words(pub(super) [i16; BLOCK]);

impl Words {
    pub(super) const ZERO: Self = Self([0; BLOCK]);
}

/// How a row is compared with the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The sum of the products of the components.
    Dot,
    /// The sum of the squared differences of the components.
    SquaredDistance,
}

/// The loops, compiled for one instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// AVX-512 with its dot products of integers.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the architecture has; on ARM this is NEON.
    Portable,
}

impl Kernel {
    /// The fastest kernel that this processor runs.
    pub(super) fn best() -> Self {
        Self::available()[0]
    }

    /// Every kernel that this processor runs, the fastest first.
    pub(super) fn available() -> Vec<Self> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 =
                avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
            let vnni = avx512
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            kernels.extend(vnni.then_some(Self::Vnni));
            kernels.extend(avx512.then_some(Self::Avx512));
            kernels.extend(avx2.then_some(Self::Avx2));
        }
        kernels.push(Self::Portable);
        kernels
    }

    /// Compares `query` with each row of `rows`, as long as the query each,
    /// and appends a value for each to `values`.
    ///
    /// # Panics
    /// If `query` is empty.
    #[allow(unsafe_code)]
    pub(super) fn compare(
        self,
        comparison: Comparison,
        query: &[Lane],
        rows: &[Lane],
        values: &mut Vec<f32>,
    ) {
        match self {
            // SAFETY: a kernel comes from `available` alone, which gives these
            // only on a processor that has the features they are compiled for.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni | Self::Avx512 => unsafe { compare_avx512(comparison, query, rows, values) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { compare_avx2(comparison, query, rows, values) },
            #[cfg(target_arch = "aarch64")]
            Self::Portable => compare_rows::<true>(comparison, query, rows, values),
            // Without a fused instruction `mul_add` would be a call into libm.
            #[cfg(not(target_arch = "aarch64"))]
            Self::Portable => compare_rows::<false>(comparison, query, rows, values),
        }
    }

    /// Runs a loop of somebody else's, compiled for this kernel's instructions.
    #[allow(unsafe_code)]
    pub(super) fn run(self, work: impl Work) {
        match self {
            // SAFETY: as in `compare`.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni | Self::Avx512 => unsafe { run_avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { run_avx2(work) },
            Self::Portable => work.run(),
        }
    }

    /// The dot products of `query` with each row of `rows`, as long as the
    /// query each, into `dots`, which is overwritten. It is for the caller that
    /// no sum of the products of a row and the query leaves the 32 bits.
    ///
    /// # Panics
    /// If `query` is empty.
    #[allow(unsafe_code)]
    pub(super) fn dots(self, query: &[Words], rows: &[Bytes], dots: &mut Vec<i32>) {
        dots.clear();
        dots.resize(rows.len() / query.len(), 0);
        match self {
            // SAFETY: as in `compare`; there is no AVX-512 without AVX2 in
            // `available`.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => unsafe { dots_vnni(query, rows, dots) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => unsafe { dots_avx2(query, rows, dots) },
            Self::Portable => dots_portable(query, rows, dots),
        }
    }
}

/// A plain loop.
pub(super) trait Work {
    /// To be inlined by force, as what it calls; see below.
    fn run(self);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn run_avx512(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn compare_avx512(comparison: Comparison, query: &[Lane], rows: &[Lane], values: &mut Vec<f32>) {
    compare_rows::<true>(comparison, query, rows, values);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn compare_avx2(comparison: Comparison, query: &[Lane], rows: &[Lane], values: &mut Vec<f32>) {
    compare_rows::<true>(comparison, query, rows, values);
}

// Below, everything is a plain loop and inlined by force: a closure, or a
// function that happened not to be inlined, would be compiled for the plain
// instruction set whoever calls it (measured: ten times slower).

/// Rows that are read side by side, from places far apart. The scan waits for
/// memory more than for anything else, and a processor fetches ahead along
/// several streams faster than along one: measured, 4 halve the time of 1, and
/// 8 or 16 gain nothing more.
const STREAMS: usize = 4;

#[inline(always)]
fn compare_rows<const FUSED: bool>(
    comparison: Comparison,
    query: &[Lane],
    rows: &[Lane],
    values: &mut Vec<f32>,
) {
    let first = values.len();
    values.resize(first + rows.len() / query.len(), 0.0);
    let values = &mut values[first..];
    match comparison {
        Comparison::Dot => scan::<FUSED, false>(query, rows, values),
        Comparison::SquaredDistance => scan::<FUSED, true>(query, rows, values),
    }
}

#[inline(always)]
fn scan<const FUSED: bool, const DISTANCE: bool>(
    query: &[Lane],
    rows: &[Lane],
    values: &mut [f32],
) {
    let width = query.len();
    let stride = values.len() / STREAMS;
    for row in 0..stride {
        let mut sides: [&[Lane]; STREAMS] = [&[]; STREAMS];
        for (stream, side) in sides.iter_mut().enumerate() {
            let start = (stream * stride + row) * width;
            *side = &rows[start..start + width];
        }
        let sums = sums::<FUSED, DISTANCE, STREAMS>(query, sides);
        for (stream, sum) in sums.iter().enumerate() {
            values[stream * stride + row] = *sum;
        }
    }
    for row in stride * STREAMS..values.len() {
        let side = &rows[row * width..(row + 1) * width];
        [values[row]] = sums::<FUSED, DISTANCE, 1>(query, [side]);
    }
}

/// For each row, adds up the products of its components with the query's, or
/// with `DISTANCE` the squares of their differences.
#[inline(always)]
fn sums<const FUSED: bool, const DISTANCE: bool, const ROWS: usize>(
    query: &[Lane],
    rows: [&[Lane]; ROWS],
) -> [f32; ROWS] {
    let mut totals = [Lane::ZERO; ROWS];
    for lane in 0..query.len() {
        for row in 0..ROWS {
            add::<FUSED, DISTANCE>(&mut totals[row], &query[lane], &rows[row][lane]);
        }
    }
    let mut sums = [0.0; ROWS];
    for row in 0..ROWS {
        for component in totals[row].0 {
            sums[row] += component;
        }
    }
    sums
}

#[inline(always)]
fn add<const FUSED: bool, const DISTANCE: bool>(total: &mut Lane, a: &Lane, b: &Lane) {
    for i in 0..WIDTH {
        let (a, b) = if DISTANCE {
            (a.0[i] - b.0[i], a.0[i] - b.0[i])
        } else {
            (a.0[i], b.0[i])
        };
        total.0[i] = if FUSED {
            a.mul_add(b, total.0[i])
        } else {
            a * b + total.0[i]
        };
    }
}

/// Puts the dot product of each row into `$dots`, with `$sums` for what
/// [`sums`] is to the floats. A macro, since a function that is given another
/// one would not be compiled for the instruction set of its caller.
macro_rules! scan_bytes {
    ($sums:ident, $streams:expr, $query:ident, $rows:ident, $dots:ident) => {{
        let width = $query.len();
        let stride = $dots.len() / $streams;
        for row in 0..stride {
            let mut sides: [&[Bytes]; $streams] = [&[]; $streams];
            for (stream, side) in sides.iter_mut().enumerate() {
                let start = (stream * stride + row) * width;
                *side = &$rows[start..start + width];
            }
            let sums = $sums($query, sides);
            for (stream, sum) in sums.iter().enumerate() {
                $dots[stream * stride + row] = *sum;
            }
        }
        for row in stride * $streams..$dots.len() {
            let side = &$rows[row * width..(row + 1) * width];
            [$dots[row]] = $sums($query, [side]);
        }
    }};
}

// The loops over bytes are written in the processor's own instructions: as
// plain loops they came out of the compiler between 2 and 30 times slower,
// by how they were written.

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn dots_vnni(query: &[Words], rows: &[Bytes], dots: &mut [i32]) {
    scan_bytes!(sums_vnni, STREAMS, query, rows, dots);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dots_avx2(query: &[Words], rows: &[Bytes], dots: &mut [i32]) {
    scan_bytes!(sums_avx2, STREAMS, query, rows, dots);
}

fn dots_portable(query: &[Words], rows: &[Bytes], dots: &mut [i32]) {
    scan_bytes!(sums_portable, 1, query, rows, dots);
}

/// # Panics
/// If a row is shorter than the query.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
#[allow(unsafe_code)]
fn sums_vnni<const ROWS: usize>(query: &[Words], rows: [&[Bytes]; ROWS]) -> [i32; ROWS] {
    let mut totals = [_mm512_setzero_si512(); ROWS];
    for (block, words) in query.iter().enumerate() {
        let words: *const __m512i = (&raw const words.0).cast();
        // SAFETY: 64 words are two registers of 64 bytes, and aligned to that.
        let words = unsafe { [_mm512_load_si512(words), _mm512_load_si512(words.add(1))] };
        for row in 0..ROWS {
            let bytes: *const __m256i = (&raw const rows[row][block].0).cast();
            // SAFETY: 64 bytes are two registers of 32, and aligned to 64.
            let bytes = unsafe { [_mm256_load_si256(bytes), _mm256_load_si256(bytes.add(1))] };
            for half in 0..2 {
                let wide = _mm512_cvtepi8_epi16(bytes[half]);
                totals[row] = _mm512_dpwssd_epi32(totals[row], words[half], wide);
            }
        }
    }
    let mut sums = [0; ROWS];
    for row in 0..ROWS {
        sums[row] = _mm512_reduce_add_epi32(totals[row]);
    }
    sums
}

/// # Panics
/// If a row is shorter than the query.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
#[allow(unsafe_code)]
fn sums_avx2<const ROWS: usize>(query: &[Words], rows: [&[Bytes]; ROWS]) -> [i32; ROWS] {
    let mut totals = [_mm256_setzero_si256(); ROWS];
    for (block, words) in query.iter().enumerate() {
        for quarter in 0..4 {
            // SAFETY: 64 words are four registers of 32 bytes, and aligned to
            // 64 bytes.
            let words = unsafe {
                let words: *const __m256i = (&raw const words.0).cast();
                _mm256_load_si256(words.add(quarter))
            };
            for row in 0..ROWS {
                // SAFETY: 64 bytes are four registers of 16, and aligned to 64.
                let bytes = unsafe {
                    let bytes: *const __m128i = (&raw const rows[row][block].0).cast();
                    _mm_load_si128(bytes.add(quarter))
                };
                let products = _mm256_madd_epi16(words, _mm256_cvtepi8_epi16(bytes));
                totals[row] = _mm256_add_epi32(totals[row], products);
            }
        }
    }
    let mut sums = [0; ROWS];
    for row in 0..ROWS {
        let total = totals[row];
        let four = _mm_add_epi32(
            _mm256_castsi256_si128(total),
            _mm256_extracti128_si256::<1>(total),
        );
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        let one = _mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
        sums[row] = _mm_cvtsi128_si32(one);
    }
    sums
}

/// Sums that the portable loop keeps side by side; the compiler makes the best
/// of it with 8 (measured with 4, 8, 16 and 64, the others are 2 to 5 times
/// slower).
const SUMS: usize = 8;

#[inline(always)]
fn sums_portable<const ROWS: usize>(query: &[Words], rows: [&[Bytes]; ROWS]) -> [i32; ROWS] {
    rows.map(|row| {
        let mut totals = [0; SUMS];
        for (words, bytes) in query.iter().zip(row) {
            for (words, bytes) in words.0.chunks(SUMS).zip(bytes.0.chunks(SUMS)) {
                for i in 0..SUMS {
                    totals[i] += i32::from(words[i]) * i32::from(bytes[i]);
                }
            }
        }
        totals.iter().sum()
    })
}

#[cfg(test)]
mod tests;
