//! The best rows of a search so far. How a row comes by its score is for
//! [`super::scan`].

use std::{cmp::Ordering, collections::BinaryHeap};

use super::matrix::Nearest;

/// Rows that room is made for at once; more, when they come.
const ROOM: usize = 1024;

/// The best rows so far: a heap with the worst of them on top. They are the
/// same in whatever order the rows are offered.
pub(super) struct Best {
    count: usize,
    heap: BinaryHeap<Candidate>,
    floor: f32,
}

struct Candidate(Nearest);

impl Best {
    pub(super) fn new(count: usize, threshold: Option<f32>) -> Self {
        Self {
            count,
            heap: BinaryHeap::with_capacity(count.min(ROOM) + 1),
            floor: threshold.unwrap_or(f32::NEG_INFINITY),
        }
    }

    /// What a row must score at least to come in; below it most rows end.
    #[inline]
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    #[inline]
    pub(super) fn offer(&mut self, number: i64, score: f32) {
        // The sums of very large components may be infinite, and infinities of
        // both signs together are no number: nothing is farther than that.
        let score = if score.is_nan() {
            f32::NEG_INFINITY
        } else {
            score
        };
        if score < self.floor {
            return;
        }
        self.take(Candidate(Nearest { number, score }));
    }

    #[cold]
    fn take(&mut self, candidate: Candidate) {
        self.heap.push(candidate);
        if self.heap.len() > self.count {
            self.heap.pop();
        }
        if self.heap.len() == self.count
            && let Some(worst) = self.heap.peek()
        {
            self.floor = worst.0.score;
        }
    }

    /// The nearest first, and of equals the older first.
    pub(super) fn into_sorted(self) -> Vec<Nearest> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|candidate| candidate.0)
            .collect()
    }
}

impl Ord for Candidate {
    /// Worse is greater: a lower score, or at the same score a later number.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .0
            .score
            .total_cmp(&self.0.score)
            .then(self.0.number.cmp(&other.0.number))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_offers_is_of_no_account() {
        let mut offers: Vec<(i64, f32)> = [1.0, 0.0, -0.0, 1.0, f32::NAN, -3.0, 1.0]
            .into_iter()
            .enumerate()
            .map(|(number, score)| (i64::try_from(number).unwrap(), score))
            .collect();
        for count in 0..=offers.len() {
            let find = |offers: &[(i64, f32)]| {
                let mut best = Best::new(count, None);
                for (number, score) in offers {
                    best.offer(*number, *score);
                }
                best.into_sorted()
            };
            let found = find(&offers);
            assert_eq!(found.len(), count);
            for _ in 0..offers.len() {
                offers.rotate_left(1);
                assert_eq!(find(&offers), found);
            }
            offers.reverse();
            assert_eq!(find(&offers), found);
            offers.reverse();
        }
    }
}
