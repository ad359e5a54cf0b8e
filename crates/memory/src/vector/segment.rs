//! Some rows of a matrix next to each other. Which rows are together, and how
//! they are searched, is for others.

use super::{
    compact::Compact,
    kernel::{Lane, WIDTH},
};

/// The shortest row that is kept in bytes too. A shorter one in floats is two
/// cache lines at most, and its bytes, filled up to one line, hardly less.
const SHORTEST: usize = 4 * WIDTH;

/// Rows, with the numbers that they are stored under.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    width: usize,
    /// Rising.
    numbers: Vec<i64>,
    lanes: Vec<Lane>,
    compact: Option<Compact>,
}

impl Segment {
    /// A segment without rows, with room for some, of so many lanes each.
    pub(super) fn new(width: usize, room: usize) -> Self {
        Self {
            width,
            numbers: Vec::with_capacity(room),
            lanes: Vec::with_capacity(room * width),
            compact: (width * WIDTH >= SHORTEST).then(|| Compact::new(width, room)),
        }
    }

    pub(super) fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The floats of all rows.
    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// All rows in bytes, where that is worth it.
    pub(super) fn compact(&self) -> Option<&Compact> {
        self.compact.as_ref()
    }

    /// The row that is stored under a number.
    pub(super) fn find(&self, number: i64) -> Option<usize> {
        self.numbers.binary_search(&number).ok()
    }

    /// Adds a row under a number higher than all before it.
    pub(super) fn push(&mut self, number: i64, row: impl Iterator<Item = Lane>) {
        let start = self.lanes.len();
        self.numbers.push(number);
        self.lanes.extend(row);
        debug_assert_eq!(self.lanes.len(), self.numbers.len() * self.width);
        if let Some(compact) = &mut self.compact {
            compact.push(&self.lanes[start..]);
        }
    }

    pub(super) fn remove(&mut self, row: usize) {
        self.numbers.remove(row);
        self.lanes.drain(row * self.width..(row + 1) * self.width);
        if let Some(compact) = &mut self.compact {
            compact.remove(row);
        }
    }

    /// Adds the rows of the next segment.
    pub(super) fn append(&mut self, next: &Self) {
        self.numbers.extend_from_slice(&next.numbers);
        self.lanes.extend_from_slice(&next.lanes);
        if let (Some(compact), Some(next)) = (&mut self.compact, &next.compact) {
            compact.append(next);
        }
    }

    /// Forgets the bytes, so that every search reads the floats.
    #[cfg(test)]
    pub(super) fn forget_bytes(&mut self) {
        self.compact = None;
    }
}
