//! One search over the rows of a matrix, in two steps: bounds from the rows in
//! bytes, and then the floats of those rows alone that may be among the best.
//! The answer is the one that the floats of all rows give, to the last bit. How
//! a bound comes about is for [`super::compact`].

use std::ops::Range;

use super::{
    best::Best,
    compact::Rough,
    kernel::{Comparison, Kernel, Lane},
    matrix::Nearest,
    segment::Segment,
};
use crate::embedding::Metric;

/// Rows that are taken together: so few that the best rows are known soon, and
/// so many that reading them is no stop and go.
const ROWS: usize = 256;

/// The share of rows, one in so many, that the bounds may leave over. With more
/// of them the floats are read one after the other, all of them.
const FEW: usize = 4;

/// The most rows, in lots of [`ROWS`], that are read without looking at their
/// bounds after bounds that were of no use.
const LONGEST: usize = 32;

/// A search that is under way.
pub(super) struct Scan<'a> {
    kernel: Kernel,
    metric: Metric,
    query: &'a [Lane],
    /// `None` when bounds are not to be had.
    rough: Option<Rough>,
    best: Best,
    trial: Trial,
    dots: Vec<i32>,
    values: Vec<f32>,
}

impl<'a> Scan<'a> {
    /// A search for the `count` nearest, with what a matrix with this metric
    /// would keep of the query.
    pub(super) fn new(
        kernel: Kernel,
        metric: Metric,
        query: &'a [Lane],
        count: usize,
        threshold: Option<f32>,
    ) -> Self {
        Self {
            kernel,
            metric,
            query,
            rough: Rough::new(query),
            best: Best::new(count, threshold),
            trial: Trial::default(),
            dots: Vec::with_capacity(ROWS),
            values: Vec::with_capacity(ROWS),
        }
    }

    /// Goes over all rows of a segment.
    pub(super) fn all(&mut self, segment: &Segment) {
        let mut start = 0;
        while start < segment.numbers().len() {
            let rows = start..segment.numbers().len().min(start + ROWS);
            start = rows.end;
            if !self.by_bounds(segment, rows.clone()) {
                self.by_floats(segment, rows);
            }
        }
    }

    /// Looks at one row.
    pub(super) fn one(&mut self, segment: &Segment, row: usize) {
        self.by_floats(segment, row..row + 1);
    }

    /// The best rows, the nearest first and of equals the older first.
    pub(super) fn found(self) -> Vec<Nearest> {
        self.best.into_sorted()
    }

    fn by_floats(&mut self, segment: &Segment, rows: Range<usize>) {
        let width = self.query.len();
        let lanes = &segment.lanes()[rows.start * width..rows.end * width];
        self.values.clear();
        self.kernel
            .compare(comparison(self.metric), self.query, lanes, &mut self.values);
        for (number, value) in segment.numbers()[rows].iter().zip(&self.values) {
            self.best.offer(*number, score(self.metric, *value));
        }
    }

    /// `false` when bounds leave too many rows over, or are not to be had or
    /// not worth the trial.
    fn by_bounds(&mut self, segment: &Segment, rows: Range<usize>) -> bool {
        let (Some(compact), Some(rough)) = (segment.compact(), &self.rough) else {
            return false;
        };
        let floor = self.best.floor();
        if floor == f32::NEG_INFINITY || !self.trial.is_due() {
            return false;
        }
        self.kernel.dots(
            &rough.words,
            compact.rows(rows.clone(), rough),
            &mut self.dots,
        );
        let compared = comparison(self.metric);
        compact.bounds(
            self.kernel,
            compared,
            rough,
            rows.clone(),
            &self.dots,
            &mut self.values,
        );
        let metric = self.metric;
        let misses = |bound: f32, floor: f32| score(metric, bound) < floor;
        let mut left = 0_u32;
        for bound in &self.values {
            left += u32::from(!misses(*bound, floor));
        }
        let useful = left as usize <= rows.len() / FEW;
        self.trial.ended(useful);
        if !useful || left == 0 {
            return useful;
        }
        let bounds = std::mem::take(&mut self.values);
        for (row, bound) in rows.zip(&bounds) {
            if !misses(*bound, self.best.floor()) {
                self.one(segment, row);
            }
        }
        self.values = bounds;
        true
    }
}

/// When the next bounds are worth their trial: after each that was of no use,
/// later. So a search whose rows are all alike costs little more than without
/// bounds, and one that meets such rows among others recovers.
#[derive(Default)]
struct Trial {
    waits: usize,
    failures: u32,
}

impl Trial {
    fn is_due(&mut self) -> bool {
        if self.waits == 0 {
            return true;
        }
        self.waits -= 1;
        false
    }

    fn ended(&mut self, useful: bool) {
        if useful {
            self.failures = 0;
        } else {
            self.waits = LONGEST.min(1 << self.failures.min(8));
            self.failures += 1;
        }
    }
}

fn comparison(metric: Metric) -> Comparison {
    match metric {
        Metric::Cosine | Metric::Dot => Comparison::Dot,
        Metric::L2 => Comparison::SquaredDistance,
    }
}

/// What a compared value says; a better value never says less.
#[inline]
fn score(metric: Metric, value: f32) -> f32 {
    match metric {
        Metric::Cosine => value.clamp(-1.0, 1.0),
        Metric::Dot => value,
        Metric::L2 => -value.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        matrix,
        samples::{Kind, Samples},
    };
    use super::*;

    const DIMENSION: usize = 128;

    fn segment(samples: &mut Samples, rows: i64) -> Segment {
        let mut segment = Segment::new(DIMENSION.div_ceil(16), 0);
        for number in 0..rows {
            segment.push(number, matrix::lanes(&samples.next(), 0.1));
        }
        segment
    }

    #[test]
    fn bounds_spare_most_rows_in_every_kernel() {
        let mut samples = Samples::new(Kind::Uniform, DIMENSION, 1);
        let segment = segment(&mut samples, 1024);
        let query: Vec<Lane> = matrix::lanes(&samples.next(), 0.1).collect();
        for kernel in Kernel::available() {
            for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
                let mut scan = Scan::new(kernel, metric, &query, 3, None);
                assert!(!scan.by_bounds(&segment, 0..256), "nothing to compare with");
                scan.by_floats(&segment, 0..256);
                for start in [256, 512, 768] {
                    assert!(scan.by_bounds(&segment, start..start + 256));
                }
                assert_eq!(scan.trial.failures, 0);
            }
        }
    }

    #[test]
    fn rows_all_alike_are_soon_read_without_a_look_at_their_bounds() {
        let mut samples = Samples::new(Kind::Tight, DIMENSION, 1);
        let segment = segment(&mut samples, 1024);
        let query: Vec<Lane> = matrix::lanes(&samples.next(), 0.1).collect();
        let mut scan = Scan::new(Kernel::best(), Metric::Cosine, &query, 3, None);
        scan.by_floats(&segment, 0..256);
        let mut looks = 0;
        for _ in 0..400 {
            let before = scan.trial.failures;
            assert!(!scan.by_bounds(&segment, 256..512));
            looks += scan.trial.failures - before;
        }
        // After 1, 2, 4, 8 and 16 lots, and then every 32.
        assert!((10..20).contains(&looks), "{looks}");
    }

    #[test]
    fn a_trial_of_use_ends_the_waiting() {
        let mut trial = Trial::default();
        for _ in 0..4 {
            while !trial.is_due() {}
            trial.ended(false);
        }
        assert!(!trial.is_due());
        while !trial.is_due() {}
        trial.ended(true);
        assert!(trial.is_due());
        trial.ended(false);
        assert!(!trial.is_due());
        assert!(trial.is_due());
    }
}
