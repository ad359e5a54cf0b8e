//! The inner loops of an exact scan: how one query scores many rows. They are
//! written once as plain loops that the compiler vectorises, and compiled for
//! the instruction sets worth telling apart; the best one that the processor
//! has is chosen when the program runs, so that a portable binary is fast.
//! What the rows mean and which of them are kept is for [`super::matrix`].

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
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                kernels.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self::Avx2);
            }
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
            // SAFETY: a kernel comes from `available` alone, which gives this
            // one only on a processor that has the features it is compiled for.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { compare_avx512(comparison, query, rows, values) },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(values: &[f32]) -> Vec<Lane> {
        values
            .chunks(WIDTH)
            .map(|chunk| {
                let mut lane = Lane::ZERO;
                lane.0[..chunk.len()].copy_from_slice(chunk);
                lane
            })
            .collect()
    }

    fn sample(length: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn every_kernel_agrees_with_the_plain_sum() {
        for length in [1, 3, 15, 16, 17, 63, 64, 65, 100, 384, 1000] {
            let a = sample(length, 1);
            let b = sample(length, 2);
            let dot: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum();
            let distance: f64 = a
                .iter()
                .zip(&b)
                .map(|(a, b)| f64::from(a - b).powi(2))
                .sum();
            for kernel in Kernel::available() {
                for (comparison, expected) in [
                    (Comparison::Dot, dot),
                    (Comparison::SquaredDistance, distance),
                ] {
                    let mut values = Vec::new();
                    kernel.compare(comparison, &lanes(&a), &lanes(&b), &mut values);
                    assert_eq!(values.len(), 1);
                    assert!(
                        (f64::from(values[0]) - expected).abs() < 1e-3,
                        "{kernel:?} {comparison:?} {length}: {} is not {expected}",
                        values[0]
                    );
                }
            }
        }
    }

    #[test]
    fn every_row_gets_its_value() {
        let query = lanes(&sample(40, 1));
        let rows: Vec<Lane> = (2..9).flat_map(|seed| lanes(&sample(40, seed))).collect();
        for kernel in Kernel::available() {
            let mut together = vec![7.0];
            kernel.compare(Comparison::Dot, &query, &rows, &mut together);
            let mut apart = vec![7.0];
            for row in rows.chunks(query.len()) {
                kernel.compare(Comparison::Dot, &query, row, &mut apart);
            }
            assert_eq!(together, apart);
            assert_eq!(together.len(), 8);
        }
    }
}
