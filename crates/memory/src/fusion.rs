//! Reciprocal rank fusion: one ranking out of two whose scores cannot be
//! compared (Cormack, Clarke and Büttcher, 2009).

use std::collections::HashMap;

/// Softens the lead of the first ranks; the value of the paper.
const K: f32 = 60.0;

/// How deep each ranking is read for that many results: what is at the top of
/// the fused ranking may stand far below in one of the two.
pub(crate) fn depth(limit: usize) -> usize {
    (limit * 3).max(100)
}

/// Fuses two rankings of numbers with their scores, best first, and gives the best `limit` of both with
/// their scores: the sum of 1 / (60 + rank), ranks from 1. Of equals, the
/// lower number comes first.
pub(crate) fn fuse(first: &[(i64, f32)], second: &[(i64, f32)], limit: usize) -> Vec<(i64, f32)> {
    let mut scores: HashMap<i64, f32> = HashMap::with_capacity(first.len() + second.len());
    for ranking in [first, second] {
        for (place, (number, _)) in ranking.iter().enumerate() {
            *scores.entry(*number).or_default() += 1.0 / (K + (place + 1) as f32);
        }
    }
    let mut fused: Vec<(i64, f32)> = scores.into_iter().collect();
    fused.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    fused.truncate(limit);
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(numbers: &[i64]) -> Vec<(i64, f32)> {
        numbers.iter().map(|number| (*number, 0.5)).collect()
    }

    #[test]
    fn being_in_both_beats_being_first_in_one() {
        let fused = fuse(&ranking(&[1, 2, 3]), &ranking(&[4, 3]), 3);
        assert_eq!(fused[0].0, 3);
        assert!((fused[0].1 - (1.0 / 63.0 + 1.0 / 62.0)).abs() < 1e-7);
        assert_eq!((fused[1].0, fused[2].0), (1, 4));
    }

    #[test]
    fn one_ranking_alone_keeps_its_order() {
        let fused = fuse(&ranking(&[5, 1, 9]), &[], 2);
        assert_eq!(fused, [(5, 1.0 / 61.0), (1, 1.0 / 62.0)]);
    }

    #[test]
    fn rankings_are_read_deeper_than_the_limit() {
        assert_eq!(depth(1), 100);
        assert_eq!(depth(1000), 3000);
    }
}
