//! Where groups end that were walked over before. A group does not say how long
//! it is: without this every level of nested groups looks for the ends of all
//! those within it, and takes time in proportion to their depth times their size.

use std::cell::RefCell;
use std::collections::HashMap;

/// The ends of groups by where their contents begin, both in the whole input.
#[derive(Debug, Default)]
pub(crate) struct GroupEnds(RefCell<HashMap<usize, usize>>);

impl GroupEnds {
    /// The end of the contents that begin there.
    pub(super) fn find(&self, start: usize) -> Option<usize> {
        self.0.borrow().get(&start).copied()
    }

    pub(super) fn note(&self, start: usize, end: usize) {
        self.0.borrow_mut().insert(start, end);
    }
}
