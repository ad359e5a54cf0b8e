//! From a field number to the field.

/// Up to this many places are kept for numbers that no field has, for each
/// that one has.
const SPARSE: usize = 4;

/// The positions of fields by their numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// For small numbers the position plus one; zero where there is no field.
    dense: Box<[u32]>,
    /// The others, sorted by number.
    sparse: Box<[(u32, u32)]>,
}

impl Numbers {
    /// From (number, position).
    pub(crate) fn new(fields: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut all: Vec<(u32, u32)> = fields.collect();
        all.sort_unstable();
        let limit = all.len() * SPARSE + 16;
        let small = all.partition_point(|(number, _)| (*number as usize) < limit);
        let sparse = all.split_off(small);
        let length = all.last().map_or(0, |(number, _)| *number as usize + 1);
        let mut dense = vec![0; length];
        for (number, position) in all {
            dense[number as usize] = position + 1;
        }
        Self {
            dense: dense.into(),
            sparse: sparse.into(),
        }
    }

    /// The position of the field with this number.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<u32> {
        match self.dense.get(number as usize) {
            Some(0) => None,
            Some(position) => Some(position - 1),
            None => self
                .sparse
                .binary_search_by_key(&number, |field| field.0)
                .ok()
                .map(|found| self.sparse[found].1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_numbers_are_found() {
        let fields = [1, 2, 15, 16, 100, 536_870_911];
        let numbers = Numbers::new(fields.into_iter().zip(0..));
        for (number, position) in fields.into_iter().zip(0..) {
            assert_eq!(numbers.get(number), Some(position));
        }
        for number in [0, 3, 17, 99, 101, 536_870_910, u32::MAX] {
            assert_eq!(numbers.get(number), None);
        }
        assert_eq!(Numbers::new(std::iter::empty()).get(0), None);
    }
}
