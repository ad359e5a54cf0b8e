//! The search in two steps beside the plain one, which reads all floats: their
//! answers are the same to the last bit.

use proptest::prelude::*;

use super::{
    kernel::Kernel,
    matrix::{Matrix, Nearest},
    samples::{Kind, Samples},
};
use crate::embedding::{Dimension, Metric};

fn matrix(dimension: usize, metric: Metric, rows: usize, samples: &mut Samples) -> Matrix {
    let mut matrix = Matrix::new(Dimension::new(dimension).unwrap(), metric);
    for number in 0..rows {
        matrix.push(i64::try_from(number).unwrap(), &samples.next());
    }
    matrix
}

/// As bits, so that a zero and a negative zero are two.
fn bits<'a>(found: impl IntoIterator<Item = &'a Nearest>) -> Vec<(i64, u32)> {
    found
        .into_iter()
        .map(|near| (near.number, near.score.to_bits()))
        .collect()
}

/// Compares the answers of every kernel with what the floats of all rows say,
/// by the same kernel, whose sums are rounded in the same places.
fn assert_equal(matrix: &Matrix, query: &[f32], counts: &[usize], thresholds: &[Option<f32>]) {
    for kernel in Kernel::available() {
        let mut matrix = matrix.clone();
        matrix.set_kernel(kernel);
        let mut plain = matrix.clone();
        plain.forget_bytes();
        let ranking = plain.nearest(query, plain.len(), None);
        let among: Vec<i64> = (0..=i64::from(u16::MAX)).filter(|n| n % 3 != 1).collect();
        for (count, threshold) in counts
            .iter()
            .flat_map(|count| thresholds.iter().map(|threshold| (*count, *threshold)))
        {
            let expected = |passes: &dyn Fn(i64) -> bool| {
                let reaches = |near: &&Nearest| threshold.is_none_or(|least| near.score >= least);
                let passing = ranking.iter().filter(|near| passes(near.number));
                bits(passing.filter(reaches).take(count))
            };
            assert_eq!(
                bits(&matrix.nearest(query, count, threshold)),
                expected(&|_| true),
                "{kernel:?}, the {count} best from {threshold:?}"
            );
            assert_eq!(
                bits(&matrix.nearest_among(&among, query, count, threshold)),
                expected(&|number| number % 3 != 1),
                "{kernel:?}, the {count} best of some from {threshold:?}"
            );
        }
    }
}

#[test]
fn the_answers_are_equal_for_every_kind_of_vectors() {
    for kind in Kind::ALL {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            let mut samples = Samples::new(kind, 70, 1);
            let matrix = matrix(70, metric, 1100, &mut samples);
            let query = samples.next();
            assert_equal(&matrix, &query, &[1, 10, 300, 1100], &[None]);
        }
    }
}

#[test]
fn the_answers_are_equal_for_a_vector_of_zeros() {
    // It has no direction: its cosine with anything is no number.
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let mut samples = Samples::new(Kind::Uniform, 64, 1);
        let mut matrix = matrix(64, metric, 600, &mut samples);
        assert_equal(&matrix, &[0.0; 64], &[1, 5], &[None]);
        for number in 600..1200 {
            matrix.push(number, &[0.0; 64]);
        }
        assert_equal(&matrix, &samples.next(), &[5, 700], &[None, Some(1.1)]);
        assert_equal(&matrix, &[0.0; 64], &[1, 5], &[None]);
    }
}

#[test]
fn the_answers_are_equal_when_few_vectors_are_left() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let mut samples = Samples::new(Kind::Uniform, 64, 1);
        let mut matrix = matrix(64, metric, 2100, &mut samples);
        // What is left of the segments is joined.
        for number in (0..2100).filter(|number| number % 5 != 0) {
            assert!(matrix.remove(number));
        }
        assert_equal(&matrix, &samples.next(), &[1, 10], &[None]);
        for number in 2100..2400 {
            matrix.push(number, &samples.next());
        }
        assert_equal(&matrix, &samples.next(), &[1, 10], &[None]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_answers_are_equal_after_whatever_was_stored_and_removed(
        kind in Kind::any(),
        asked in Kind::any(),
        same_kind in any::<bool>(),
        metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
        dimension in prop::sample::select(vec![64, 65, 100, 129]),
        seed in any::<u64>(),
        rows in 257_usize..1400,
        count in prop_oneof![Just(0), Just(1), 2..20_usize, 20..1400_usize],
        rank in any::<prop::sample::Index>(),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
        replaced in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut samples = Samples::new(kind, dimension, seed);
        let mut matrix = matrix(dimension, metric, rows, &mut samples);
        for index in removed {
            matrix.remove(i64::try_from(index.index(rows)).unwrap());
        }
        let mut next = i64::try_from(rows).unwrap();
        // A vector that replaces another one gets a number of its own.
        for index in replaced {
            if matrix.remove(i64::try_from(index.index(rows)).unwrap()) {
                matrix.push(next, &samples.next());
                next += 1;
            }
        }
        let query = if same_kind {
            samples.next()
        } else {
            Samples::new(asked, dimension, seed ^ 1).next()
        };
        let all = matrix.nearest(&query, matrix.len(), None);
        let threshold = all[rank.index(all.len())].score;
        assert_equal(&matrix, &query, &[count], &[None, Some(threshold)]);
    }
}
