//! The bound beside the values that the kernels give, for rows and queries that
//! try to pass it.

use super::*;
use crate::{
    embedding::Dimension,
    vector::{
        matrix,
        samples::{Kind, Samples},
    },
};

fn lanes(row: &[f32]) -> Vec<Lane> {
    matrix::lanes(row, 1.0).collect()
}

fn values(
    kernel: Kernel,
    comparison: Comparison,
    query: &[f32],
    row: &[f32],
) -> (f32, Option<f32>) {
    let (query, row) = (lanes(query), lanes(row));
    let mut values = Vec::new();
    kernel.compare(comparison, &query, &row, &mut values);
    let mut compact = Compact::new(1, 0);
    compact.push(&row);
    let bound = Rough::new(&query).map(|query| {
        let (mut dots, mut bounds) = (Vec::new(), vec![7.0]);
        kernel.dots(&query.words, compact.rows(0..1, &query), &mut dots);
        compact.bounds(kernel, comparison, &query, 0..1, &dots, &mut bounds);
        assert_eq!(bounds.len(), 1);
        bounds[0]
    });
    (values[0], bound)
}

fn assert_bound(query: &[f32], row: &[f32]) {
    for kernel in Kernel::available() {
        let (value, bound) = values(kernel, Comparison::Dot, query, row);
        assert!(
            bound.is_none_or(|bound| value <= bound || value.is_nan() && bound > f32::MAX),
            "{kernel:?}: {value} is over {bound:?}"
        );
        let (value, bound) = values(kernel, Comparison::SquaredDistance, query, row);
        assert!(
            bound.is_none_or(|bound| value >= bound || value.is_nan() && bound == 0.0),
            "{kernel:?}: {value} is under {bound:?}"
        );
    }
}

/// What is left out of a row of which only the bytes are kept.
fn left_out(row: &[f32]) -> Vec<f32> {
    let mut compact = Compact::new(1, 0);
    compact.push(&lanes(row));
    let bytes = compact.blocks.iter().flat_map(|block| block.0);
    row.iter()
        .zip(bytes)
        .map(|(x, byte)| x - compact.scales[0] * f32::from(byte))
        .collect()
}

#[test]
fn no_row_is_better_than_its_bound() {
    for kind in Kind::ALL {
        for dimension in [1, 64, 100, 384, 1000] {
            let mut samples = Samples::new(kind, dimension, dimension as u64);
            let query = samples.next();
            assert_bound(&query, &query);
            for _ in 0..20 {
                assert_bound(&query, &samples.next());
            }
        }
    }
}

#[test]
fn no_row_is_better_than_its_bound_for_the_worst_of_queries() {
    for dimension in [64, 384, 1000] {
        let mut samples = Samples::new(Kind::Uniform, dimension, 5);
        for _ in 0..20 {
            let row = samples.next();
            // Along what is left out, all of it counts in the product.
            let query = left_out(&row);
            assert_bound(&query, &row);
            let (value, bound) = values(Kernel::best(), Comparison::Dot, &query, &row);
            let most = query.iter().map(|x| x * x).sum::<f32>();
            assert!(bound.unwrap() - value < most * 0.02, "{bound:?} {value}");
            // And away from a row whose distance is all that is left out.
            let query: Vec<f32> = row.iter().zip(&query).map(|(x, y)| x - y).collect();
            assert_bound(&query, &row);
        }
    }
}

#[test]
fn no_row_is_better_by_the_roundings_of_its_sum() {
    // Whole numbers times powers of two leave nothing out, so the roundings
    // of the floats' sum are all that the bound allows for: those of large
    // sums, and those of products below the normal floats.
    let mut samples = Samples::new(Kind::Uniform, 384, 7);
    let mut whole = |most: f32, unit: f32| {
        let numbers = samples.next().into_iter().map(|x| (x * most).round());
        let mut numbers: Vec<f32> = numbers.map(|number| number * unit).collect();
        numbers[0] = most * unit;
        numbers
    };
    for (query_unit, row_unit) in [(-8, 0), (-90, -75), (-75, -80)] {
        for _ in 0..50 {
            let query = whole(32_767.0, f32::powi(2.0, query_unit));
            let row = whole(127.0, f32::powi(2.0, row_unit));
            assert!(left_out(&row).iter().all(|x| *x == 0.0));
            assert_bound(&query, &row);
        }
    }
}

#[test]
fn a_bound_is_near_the_value() {
    let mut samples = Samples::new(Kind::Uniform, 384, 3);
    let query = samples.next();
    for _ in 0..50 {
        let row = samples.next();
        let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let (value, bound) = values(Kernel::best(), Comparison::Dot, &query, &row);
        let share = (bound.unwrap() - value) / (length(&query) * length(&row));
        assert!(share < 0.01, "{share}");
        let (value, bound) = values(Kernel::best(), Comparison::SquaredDistance, &query, &row);
        let share = (value - bound.unwrap()) / value;
        assert!(share < 0.01, "{share}");
    }
}

#[test]
fn what_is_no_number_gets_no_bound() {
    let good = vec![1.0; 64];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut row = good.clone();
        row[9] = bad;
        assert!(Rough::new(&lanes(&row)).is_none());
        let bound = values(Kernel::best(), Comparison::Dot, &good, &row).1;
        assert_eq!(bound, Some(f32::INFINITY));
        let bound = values(Kernel::best(), Comparison::SquaredDistance, &good, &row).1;
        assert_eq!(bound, Some(0.0));
    }
}

#[test]
fn the_largest_dimension_stays_within_32_bits() {
    for dimension in [384, 512, 513, 4096, Dimension::MAX] {
        let row = vec![1.0; dimension];
        let query = Rough::new(&lanes(&row)).unwrap();
        let mut compact = Compact::new(1, 0);
        compact.push(&lanes(&row));
        for kernel in Kernel::available() {
            let mut dots = Vec::new();
            kernel.dots(&query.words, compact.rows(0..1, &query), &mut dots);
            let product = query.scale * f64::from(compact.scales[0]) * f64::from(dots[0]);
            let size = dimension as f64;
            assert!((product / size - 1.0).abs() < 1e-6, "{product} {size}");
        }
        assert_bound(&row, &row);
    }
}

#[test]
fn what_is_left_out_is_rounded_up() {
    for float in [f32::MIN_POSITIVE / 8.0, 1e-30, 0.1, 1.0, 3e9, f32::MAX] {
        for part in 0..8 {
            let space = f64::from(float.next_up()) - f64::from(float);
            let space = if space.is_finite() { space } else { 1e31 };
            let value = f64::from(float) + space * f64::from(part) / 8.0;
            assert!(f64::from(above(value)) >= value, "{value}");
        }
    }
}

#[test]
fn rows_are_taken_out_and_joined() {
    let mut samples = Samples::new(Kind::Uniform, 100, 1);
    let rows: Vec<Vec<f32>> = (0..6).map(|_| samples.next()).collect();
    let of = |rows: &[&Vec<f32>]| {
        let mut compact = Compact::new(1, 0);
        for row in rows {
            compact.push(&lanes(row));
        }
        compact
    };
    let mut left = of(&[&rows[0], &rows[1], &rows[2]]);
    left.remove(1);
    left.append(&of(&[&rows[3], &rows[4]]));
    left.remove(3);
    assert_eq!(left, of(&[&rows[0], &rows[2], &rows[3]]));
}
