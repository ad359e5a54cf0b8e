//! Vectors side by side in memory, found by their nearness to a query.
//!
//! A matrix is a list of segments, each shared and copied only when it is
//! written while somebody reads it. A clone is therefore a snapshot that costs
//! one counter per segment: a search takes one and scans it without a lock,
//! and writers go on meanwhile.

use std::sync::Arc;

use super::{
    kernel::{Kernel, Lane, WIDTH},
    scan::Scan,
    segment::Segment,
};
use crate::embedding::{Dimension, Metric};

/// Rows in a full segment. A write that meets a reader copies one segment, at
/// 384 components 2 MB or about 0.2 ms.
const SEGMENT: usize = 1024;

/// The vectors of one dimension, each with the number of what it belongs to,
/// in the order of these numbers.
///
/// ```
/// use portolan_memory::{Dimension, Metric, vector::Matrix};
///
/// let mut matrix = Matrix::new(Dimension::new(2)?, Metric::Cosine);
/// matrix.push(1, &[1.0, 0.0]);
/// matrix.push(2, &[1.0, 1.0]);
/// let found = matrix.nearest(&[3.0, 0.1], 1, None);
/// assert_eq!(found[0].number, 1);
/// # Ok::<(), portolan_memory::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matrix {
    dimension: Dimension,
    metric: Metric,
    kernel: Kernel,
    segments: Vec<Arc<Segment>>,
    rows: usize,
}

/// A row near the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The number that the vector was stored under.
    pub number: i64,
    /// How near it is by the matrix' metric; higher is nearer.
    pub score: f32,
}

impl Matrix {
    /// A matrix with no rows.
    #[must_use]
    pub fn new(dimension: Dimension, metric: Metric) -> Self {
        Self {
            dimension,
            metric,
            kernel: Kernel::best(),
            segments: Vec::new(),
            rows: 0,
        }
    }

    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The dimension of every vector here.
    #[must_use]
    pub fn dimension(&self) -> Dimension {
        self.dimension
    }

    /// Adds a vector under a number higher than all before it.
    ///
    /// # Panics
    /// If the number does not rise, or the vector has another dimension.
    pub fn push(&mut self, number: i64, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimension.components());
        let last = self.segments.last().map(|segment| segment.numbers());
        if let Some(last) = last.and_then(|numbers| numbers.last()) {
            assert!(*last < number, "numbers rise");
        }
        if last.is_none_or(|numbers| numbers.len() >= SEGMENT) {
            // A first segment may stay small; after a full one comes another.
            let room = if self.segments.is_empty() { 0 } else { SEGMENT };
            self.segments
                .push(Arc::new(Segment::new(self.width(), room)));
        }
        let scale = self.scale(vector);
        if let Some(segment) = self.segments.last_mut() {
            Arc::make_mut(segment).push(number, lanes(vector, scale));
        }
        self.rows += 1;
    }

    /// Takes a vector out; `false` when there is none under this number.
    pub fn remove(&mut self, number: i64) -> bool {
        let Some((place, row)) = self.find(number) else {
            return false;
        };
        Arc::make_mut(&mut self.segments[place]).remove(row);
        self.rows -= 1;
        self.merge(place);
        true
    }

    /// The `count` nearest vectors, the nearest first and of equals the older
    /// first; with `threshold`, only those that score at least as much.
    ///
    /// # Panics
    /// If the query has another dimension.
    #[must_use]
    pub fn nearest(&self, query: &[f32], count: usize, threshold: Option<f32>) -> Vec<Nearest> {
        let query = self.query(query);
        let mut scan = Scan::new(self.kernel, self.metric, &query, count, threshold);
        for segment in &self.segments {
            scan.all(segment);
        }
        scan.found()
    }

    /// As [`Matrix::nearest`], among the vectors under these numbers alone,
    /// which must rise. Numbers without a vector are passed over.
    #[must_use]
    pub fn nearest_among(
        &self,
        numbers: &[i64],
        query: &[f32],
        count: usize,
        threshold: Option<f32>,
    ) -> Vec<Nearest> {
        let query = self.query(query);
        let mut scan = Scan::new(self.kernel, self.metric, &query, count, threshold);
        for number in numbers {
            if let Some((place, row)) = self.find(*number) {
                scan.one(&self.segments[place], row);
            }
        }
        scan.found()
    }

    #[cfg(test)]
    pub(super) fn set_kernel(&mut self, kernel: Kernel) {
        self.kernel = kernel;
    }

    /// Makes every search a plain one.
    #[cfg(test)]
    pub(super) fn forget_bytes(&mut self) {
        for segment in &mut self.segments {
            Arc::make_mut(segment).forget_bytes();
        }
    }

    fn width(&self) -> usize {
        self.dimension.components().div_ceil(WIDTH)
    }

    fn find(&self, number: i64) -> Option<(usize, usize)> {
        let after = self
            .segments
            .partition_point(|segment| segment.numbers()[0] <= number);
        let place = after.checked_sub(1)?;
        Some((place, self.segments[place].find(number)?))
    }

    /// Drops the segment if it is empty, or joins it with a neighbour when
    /// together they fill half a segment at most, so that removing most
    /// vectors does not leave many small segments.
    fn merge(&mut self, place: usize) {
        if self.segments[place].numbers().is_empty() {
            self.segments.remove(place);
            return;
        }
        for first in [place.wrapping_sub(1), place] {
            let (Some(left), Some(right)) = (
                self.segments.get(first),
                self.segments.get(first.wrapping_add(1)),
            ) else {
                continue;
            };
            if left.numbers().len() + right.numbers().len() <= SEGMENT / 2 {
                let right = self.segments.remove(first + 1);
                Arc::make_mut(&mut self.segments[first]).append(&right);
                return;
            }
        }
    }

    fn query(&self, query: &[f32]) -> Vec<Lane> {
        assert_eq!(query.len(), self.dimension.components());
        lanes(query, self.scale(query)).collect()
    }

    /// What each component is multiplied with on its way in: for the cosine,
    /// rows have length 1, so that their dot product is it.
    fn scale(&self, vector: &[f32]) -> f64 {
        match self.metric {
            // In f64, where neither the squares of the largest floats overflow
            // nor those of the smallest vanish.
            Metric::Cosine => {
                let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
                1.0 / square.sqrt()
            }
            Metric::Dot | Metric::L2 => 1.0,
        }
    }
}

/// A vector, each component times `scale`, filled up with zeros.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn lanes(vector: &[f32], scale: f64) -> impl Iterator<Item = Lane> {
    vector.chunks(WIDTH).map(move |chunk| {
        let mut lane = Lane::ZERO;
        for (to, from) in lane.0.iter_mut().zip(chunk) {
            *to = (f64::from(*from) * scale) as f32;
        }
        lane
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(metric: Metric, rows: &[&[f32]]) -> Matrix {
        let mut matrix = Matrix::new(Dimension::new(rows[0].len()).unwrap(), metric);
        for (number, row) in rows.iter().enumerate() {
            matrix.push(i64::try_from(number).unwrap(), row);
        }
        matrix
    }

    fn numbers(found: &[Nearest]) -> Vec<i64> {
        found.iter().map(|near| near.number).collect()
    }

    #[test]
    fn metrics_order_by_their_own_score() {
        let rows: [&[f32]; 3] = [&[1.0, 0.0], &[3.0, 3.0], &[0.0, 0.5]];
        let found = matrix(Metric::Cosine, &rows).nearest(&[2.0, 0.0], 3, None);
        assert_eq!(numbers(&found), [0, 1, 2]);
        assert!((found[1].score - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6);
        let found = matrix(Metric::Dot, &rows).nearest(&[2.0, 0.0], 3, None);
        assert_eq!((found[0].number, found[0].score), (1, 6.0));
        let found = matrix(Metric::L2, &rows).nearest(&[0.0, 0.0], 3, None);
        assert_eq!((found[0].number, found[0].score), (2, -0.5));
    }

    #[test]
    fn equal_scores_come_oldest_first_and_the_count_cuts_the_latest() {
        let rows: [&[f32]; 4] = [&[1.0], &[1.0], &[1.0], &[1.0]];
        let matrix = matrix(Metric::Cosine, &rows);
        assert_eq!(numbers(&matrix.nearest(&[1.0], 2, None)), [0, 1]);
        assert!(matrix.nearest(&[1.0], 0, None).is_empty());
    }

    #[test]
    fn a_threshold_is_reached_by_an_equal_score() {
        let rows: [&[f32]; 2] = [&[1.0, 0.0], &[0.0, 1.0]];
        let matrix = matrix(Metric::Cosine, &rows);
        assert_eq!(numbers(&matrix.nearest(&[1.0, 0.0], 9, Some(1.0))), [0]);
        assert!(matrix.nearest(&[1.0, 0.0], 9, Some(1.1)).is_empty());
    }

    #[test]
    fn extreme_components_keep_their_direction() {
        let rows: [&[f32]; 2] = [&[f32::MAX, 0.0], &[0.0, f32::MIN_POSITIVE / 4.0]];
        let found = matrix(Metric::Cosine, &rows).nearest(&[0.0, f32::MAX], 2, None);
        assert_eq!((found[0].number, found[0].score), (1, 1.0));
        let found =
            matrix(Metric::Dot, &[&[f32::MAX, f32::MAX]]).nearest(&[f32::MAX, -f32::MAX], 1, None);
        assert_eq!(found[0].score, f32::NEG_INFINITY);
    }

    #[test]
    fn a_clone_is_a_snapshot() {
        let mut matrix = matrix(Metric::Cosine, &[&[1.0]]);
        let before = matrix.clone();
        matrix.push(9, &[1.0]);
        matrix.remove(0);
        assert_eq!(numbers(&before.nearest(&[1.0], 9, None)), [0]);
        assert_eq!(numbers(&matrix.nearest(&[1.0], 9, None)), [9]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn stays_equal_to_a_plain_list(
            steps in prop::collection::vec((0.0f32..1.0, -1.0f32..1.0, any::<u16>()), 1..4000),
            keep in 0.02f32..0.9,
        ) {
            let mut matrix = Matrix::new(Dimension::new(2).unwrap(), Metric::Dot);
            let mut list: Vec<(i64, f32)> = Vec::new();
            let mut next = 0;
            for (kind, value, place) in steps {
                if kind < keep || list.is_empty() {
                    matrix.push(next, &[value, 0.0]);
                    list.push((next, value));
                    next += 1;
                } else {
                    let (number, _) = list.remove(usize::from(place) % list.len());
                    prop_assert!(matrix.remove(number));
                    prop_assert!(!matrix.remove(number));
                }
            }
            prop_assert_eq!(matrix.len(), list.len());
            let among: Vec<i64> = (0..next).filter(|n| n % 3 == 0).collect();
            let found = matrix.nearest(&[1.0, 0.0], 10, None);
            let some = matrix.nearest_among(&among, &[1.0, 0.0], 10, None);
            let order = |list: &[(i64, f32)]| {
                let mut list = list.to_vec();
                list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                list.truncate(10);
                list.into_iter().map(|(number, _)| number).collect::<Vec<_>>()
            };
            prop_assert_eq!(numbers(&found), order(&list));
            list.retain(|(number, _)| number % 3 == 0);
            prop_assert_eq!(numbers(&some), order(&list));
            prop_assert!(matrix.segments.iter().all(|s| !s.numbers().is_empty()));
        }
    }
}
