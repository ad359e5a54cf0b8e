//! Every kernel that this processor has beside sums written plainly.

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

/// Whole numbers over all of what a byte or a word of a query may be.
fn whole(length: usize, most: i32, seed: u32) -> Vec<i32> {
    let numbers = sample(length, seed);
    let numbers = numbers.iter().map(|x| (x * (most + 1) as f32) as i32);
    numbers.map(|x| x.clamp(-most, most)).collect()
}

fn bytes(numbers: &[i32]) -> Vec<Bytes> {
    let blocks = numbers.chunks(BLOCK).map(|chunk| {
        let mut block = Bytes::ZERO;
        for (to, from) in block.0.iter_mut().zip(chunk) {
            *to = i8::try_from(*from).unwrap();
        }
        block
    });
    blocks.collect()
}

fn words(numbers: &[i32]) -> Vec<Words> {
    let blocks = numbers.chunks(BLOCK).map(|chunk| {
        let mut block = Words::ZERO;
        for (to, from) in block.0.iter_mut().zip(chunk) {
            *to = i16::try_from(*from).unwrap();
        }
        block
    });
    blocks.collect()
}

#[test]
fn every_kernel_gives_the_dot_products_of_whole_numbers_exactly() {
    for length in [1, 16, 63, 64, 65, 128, 300, 384, 500] {
        for count in [0, 1, 3, 4, 5, 9, 16] {
            let query = whole(length, i32::from(i16::MAX), 1);
            let mut rows: Vec<Vec<i32>> = (0..count)
                .map(|seed| whole(length, 127, seed + 2))
                .collect();
            if let Some(row) = rows.last_mut() {
                *row = query.iter().map(|x| 127 * x.signum()).collect();
            }
            let expected: Vec<i32> = rows
                .iter()
                .map(|row| row.iter().zip(&query).map(|(a, b)| a * b).sum())
                .collect();
            let rows: Vec<Bytes> = rows.iter().flat_map(|row| bytes(row)).collect();
            for kernel in Kernel::available() {
                let mut dots = vec![7];
                kernel.dots(&words(&query), &rows, &mut dots);
                assert_eq!(dots, expected, "{kernel:?} {length}");
            }
        }
    }
}

#[test]
fn every_kernel_takes_the_largest_sums() {
    // 127 × 32,767 × 512 is the last below 2³¹ that fills its blocks.
    let query = words(&[32_767; 512]);
    for sign in [-1, 1] {
        let row = bytes(&[127 * sign; 512]);
        for kernel in Kernel::available() {
            let mut dots = Vec::new();
            kernel.dots(&query, &row, &mut dots);
            assert_eq!(dots, [127 * 32_767 * 512 * sign], "{kernel:?}");
        }
    }
}
