//! Rows in one byte per component, a quarter of the floats that they stand
//! for, and from them a bound: the best value that a row can have for a query.
//! The bound holds for the very float that [`Kernel::compare`] gives, with all
//! its roundings, so that a row whose bound is not good enough need not be
//! read. Which rows that are is for [`super::scan`].
//!
//! [`Kernel::compare`]: super::kernel::Kernel::compare
//!
//! # Why the bound holds
//!
//! A row `x` is kept as `x'`, whole numbers times a scale, and so is the query
//! `q` as `q'`. The dot product of the whole numbers is exact, and with it
//! `q'·x'` but for roundings in `f64`. What is left out is known by its length:
//! `r ≥ |x - x'|` for each row, `e ≥ |q - q'|` for the query.
//!
//! - **Dot product.** `q·x - q'·x' = q·(x - x') + (q - q')·x'`, which by Cauchy
//!   and Schwarz is at most `|q| r + e |x'|`.
//! - **Distance.** `|q - x| ≥ |q' - x'| - e - r` by the triangle inequality, and
//!   `|q' - x'|² = |q'|² + |x'|² - 2 q'·x'`.
//! - **The roundings of the float's own sum.** A product of components takes
//!   part in at most `n` roundings, each of at most `u = 2⁻²⁴` of the result,
//!   so the float is within `2 n u |q| |x|` of the dot product, with `|x| ≤
//!   |x'| + r`, and within the share `2 n u` of the squared distance, whose
//!   terms all have one sign (Higham, "Accuracy and Stability of Numerical
//!   Algorithms", 3.1, with `n u ≤ ½`). A result too small for a normal float
//!   is off by `2⁻¹⁵⁰` instead, once for each component. A sum that may leave
//!   the floats' range gets no bound: `|q| |x|` must be below `2¹²⁶`.
//! - **The roundings here** are below [`SLACK`] times the lengths. The last one,
//!   to a float, cannot pass the value, which is a float itself.

use std::ops::Range;

use super::kernel::{BLOCK, Bytes, Comparison, Kernel, Lane, WIDTH, Words, Work};

/// More than all roundings in `f64` together can amount to, as a share of what
/// is rounded: sums of 2¹⁶ terms are off by 2⁻³⁷ of their size at most.
const SLACK: f64 = 1e-10;

/// The largest whole number that a component of a row becomes, of either sign.
const LARGEST: f64 = 127.0;

/// The spacing of floats near 1, twice what rounding to nearest changes.
const EPSILON: f64 = f32::EPSILON as f64;

/// The smallest float above zero, twice what rounding to it changes.
const SMALLEST: f64 = 1.0 / (1_u128 << 75) as f64 / (1_u128 << 74) as f64;

/// Beyond this product of lengths the sums of a dot product may overflow.
const RANGE: f64 = (1_u128 << 126) as f64;

/// The rows of a segment, once more and smaller.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compact {
    blocks: Vec<Bytes>,
    /// What a row's whole numbers are multiplied with.
    scales: Vec<f32>,
    /// How far a row is at most from what it is here; infinite for a row that
    /// is no row of numbers.
    residuals: Vec<f32>,
    /// How long a row is here.
    lengths: Vec<f64>,
}

impl Compact {
    /// No rows, with room for some, of so many lanes each.
    pub(super) fn new(width: usize, room: usize) -> Self {
        Self {
            blocks: Vec::with_capacity(room * width.div_ceil(BLOCK / WIDTH)),
            scales: Vec::with_capacity(room),
            residuals: Vec::with_capacity(room),
            lengths: Vec::with_capacity(room),
        }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, lanes: &[Lane]) {
        let mut scale = largest(lanes) / LARGEST as f32;
        if !scale.is_normal() {
            // Too small, or not finite: what is left out is then the whole row.
            scale = 0.0;
        }
        let factor = f64::from(scale);
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / factor };
        let mut squares = [0.0; WIDTH];
        let mut whole_squares = [0.0; WIDTH];
        for lanes in lanes.chunks(BLOCK / WIDTH) {
            let mut bytes = Bytes::ZERO;
            for (lane, to) in lanes.iter().zip(bytes.0.chunks_mut(WIDTH)) {
                for i in 0..WIDTH {
                    let component = f64::from(lane.0[i]);
                    let (whole, bits) = nearest(component * inverse, LARGEST);
                    let left = component - factor * whole;
                    to[i] = bits as i8;
                    squares[i] += left * left;
                    whole_squares[i] += whole * whole;
                }
            }
            self.blocks.push(bytes);
        }
        let residual = squares.iter().sum::<f64>().sqrt() * (1.0 + SLACK);
        self.scales.push(scale);
        self.residuals.push(if residual.is_finite() {
            above(residual)
        } else {
            f32::INFINITY
        });
        self.lengths
            .push(factor * whole_squares.iter().sum::<f64>().sqrt());
    }

    /// Takes out a row.
    pub(super) fn remove(&mut self, row: usize) {
        let width = self.blocks.len() / self.scales.len();
        self.blocks.drain(row * width..(row + 1) * width);
        self.scales.remove(row);
        self.residuals.remove(row);
        self.lengths.remove(row);
    }

    /// Adds the rows of another one.
    pub(super) fn append(&mut self, other: &Self) {
        self.blocks.extend_from_slice(&other.blocks);
        self.scales.extend_from_slice(&other.scales);
        self.residuals.extend_from_slice(&other.residuals);
        self.lengths.extend_from_slice(&other.lengths);
    }

    /// The bytes of these rows.
    pub(super) fn rows(&self, rows: Range<usize>, query: &Rough) -> &[Bytes] {
        let width = query.words.len();
        &self.blocks[rows.start * width..rows.end * width]
    }

    /// The best value that each of these rows can have: for a dot product not
    /// less than it has, for a distance not more. It is put into `bounds`, as
    /// many as there are rows; `dots` are the dot products of their bytes with
    /// the query's words.
    pub(super) fn bounds(
        &self,
        kernel: Kernel,
        comparison: Comparison,
        query: &Rough,
        rows: Range<usize>,
        dots: &[i32],
        bounds: &mut Vec<f32>,
    ) {
        bounds.clear();
        bounds.resize(dots.len(), 0.0);
        let rows = Rows {
            query,
            dots,
            scales: &self.scales[rows.clone()],
            residuals: &self.residuals[rows.clone()],
            lengths: &self.lengths[rows],
            bounds,
        };
        match comparison {
            Comparison::Dot => kernel.run(Most(rows)),
            Comparison::SquaredDistance => kernel.run(Least(rows)),
        }
    }
}

/// What is known of some rows, and the place for their bounds.
struct Rows<'a> {
    query: &'a Rough,
    dots: &'a [i32],
    scales: &'a [f32],
    residuals: &'a [f32],
    lengths: &'a [f64],
    bounds: &'a mut [f32],
}

impl Rows<'_> {
    #[inline(always)]
    fn row(&self, row: usize) -> Row {
        Row {
            product: self.query.scale * f64::from(self.scales[row]) * f64::from(self.dots[row]),
            residual: f64::from(self.residuals[row]),
            length: self.lengths[row],
        }
    }
}

struct Most<'a>(Rows<'a>);

impl Work for Most<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(rows) = self;
        for row in 0..rows.bounds.len() {
            rows.bounds[row] = rows.query.most(&rows.row(row));
        }
    }
}

struct Least<'a>(Rows<'a>);

impl Work for Least<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(rows) = self;
        for row in 0..rows.bounds.len() {
            rows.bounds[row] = rows.query.least(&rows.row(row));
        }
    }
}

/// What is known of a row: `q'·x'`, `r` and `|x'|` above.
struct Row {
    product: f64,
    residual: f64,
    length: f64,
}

/// A query in two bytes per component, so fine that it costs the bound little.
#[derive(Clone, Debug)]
pub(super) struct Rough {
    pub(super) words: Vec<Words>,
    scale: f64,
    /// `|q'|²`.
    square: f64,
    /// At least `|q|` and `|q'|`.
    length: f64,
    /// `e` above.
    residual: f64,
    /// `2 n u` above, and `SLACK`.
    rounding: f64,
    /// What results too small for a normal float can amount to.
    underflow: f64,
}

impl Rough {
    /// `None` for a query that is not all numbers.
    pub(super) fn new(query: &[Lane]) -> Option<Self> {
        // So large that no sum of products leaves the 32 bits.
        let blocks = query.len().div_ceil(BLOCK / WIDTH);
        let most = i32::MAX / (LARGEST as i32 * (blocks * BLOCK) as i32);
        let most = f64::from(most.min(i32::from(i16::MAX)));
        // With as few digits as a float has, but more range, so that its
        // products with whole numbers are exact.
        let scale = f64::from(largest(query)) / most;
        let scale = f64::from_bits(scale.to_bits() & !((1 << 29) - 1));
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let mut words = Vec::with_capacity(blocks);
        let (mut square, mut left_square, mut whole_square) = (0.0, 0.0, 0.0);
        for lanes in query.chunks(BLOCK / WIDTH) {
            let mut block = Words::ZERO;
            let components = lanes.iter().flat_map(|lane| lane.0).map(f64::from);
            for (component, to) in components.zip(&mut block.0) {
                let (whole, bits) = nearest(component * inverse, most);
                let left = component - scale * whole;
                *to = bits as i16;
                square += component * component;
                left_square += left * left;
                whole_square += whole * whole;
            }
            words.push(block);
        }
        if !f64::is_finite(square) {
            return None;
        }
        // The lanes and what is added up at the end, and a few to spare.
        let roundings = (query.len() + WIDTH + 4) as f64;
        let residual = f64::sqrt(left_square) * (1.0 + SLACK);
        Some(Self {
            words,
            scale,
            square: scale * scale * whole_square,
            length: f64::sqrt(square) * (1.0 + SLACK) + residual,
            residual,
            rounding: roundings * EPSILON + SLACK,
            underflow: (query.len() * WIDTH) as f64 * SMALLEST,
        })
    }

    /// The most that the dot product with this row can be, as a float.
    #[inline(always)]
    fn most(&self, row: &Row) -> f32 {
        let length = row.length + row.residual;
        let most = row.product
            + self.length * row.residual
            + self.residual * row.length
            + self.rounding * self.length * length
            + self.underflow;
        // Also when one is infinite or no number.
        if self.length * length < RANGE {
            most as f32
        } else {
            f32::INFINITY
        }
    }

    /// The least that the squared distance of this row can be, as a float.
    #[inline(always)]
    fn least(&self, row: &Row) -> f32 {
        let sizes = self.square + row.length * row.length;
        let square = sizes * (1.0 - SLACK) - 2.0 * row.product;
        let left_out = (self.residual + row.residual) * (1.0 + SLACK);
        // `max` also takes the zero for what is no number.
        let distance = (square.max(0.0).sqrt() * (1.0 - SLACK) - left_out).max(0.0);
        let least = distance * distance * (1.0 - self.rounding) - self.underflow;
        least.max(0.0) as f32
    }
}

/// The largest of the components, without their signs.
fn largest(lanes: &[Lane]) -> f32 {
    let mut largest = [0.0_f32; WIDTH];
    for lane in lanes {
        for (largest, component) in largest.iter_mut().zip(lane.0) {
            *largest = largest.max(component.abs());
        }
    }
    largest.into_iter().fold(0.0, f32::max)
}

/// The nearest whole number between `-most` and `most`, and an integer that
/// ends in the same bits. What is no number becomes one of these bounds.
#[inline(always)]
fn nearest(value: f64, most: f64) -> (f64, u64) {
    /// A float as large as this has no places after the point, and the last
    /// places before it are the last of its bits. Functions that round would be
    /// a call for each component.
    const WHOLE: f64 = 3.0 * (1_u64 << 51) as f64;
    let shifted = value.max(-most).min(most) + WHOLE;
    (shifted - WHOLE, shifted.to_bits())
}

/// A float not below the value, which is a number.
fn above(value: f64) -> f32 {
    (value + value.abs() * EPSILON + SMALLEST) as f32
}

#[cfg(test)]
mod tests;
