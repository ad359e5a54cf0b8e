//! Which fields and oneofs of a message were there.

use std::cell::Cell;

use super::MessageTable;

/// A set of the fields and oneofs of one message. Most messages need one word;
/// the words of larger ones are in the [`SeenWords`] that go with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    small: u64,
    /// Where the words begin, or `NONE`.
    start: usize,
}

const NONE: usize = usize::MAX;

/// The words of sets with more than 64 bits, those of the innermost message
/// last.
#[derive(Debug, Default)]
pub(crate) struct SeenWords(Vec<u64>);

thread_local! {
    /// What was put by.
    static ROOM: Cell<SeenWords> = const { Cell::new(SeenWords::new()) };
}

impl SeenWords {
    /// No sets, and no room for any: that is fetched when there is need of it.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Fetches the room that [`put_by`](Self::put_by) has put by on this thread.
    #[cold]
    fn fetch(&mut self) {
        if self.0.capacity() == 0 {
            *self = ROOM.take();
            self.0.reserve(64);
        }
    }

    /// Forgets every set, and keeps the room for the next time on this thread,
    /// unless it is large.
    #[inline(always)]
    pub(crate) fn put_by(self) {
        if self.0.capacity() != 0 {
            self.keep();
        }
    }

    #[cold]
    fn keep(mut self) {
        self.clear();
        ROOM.set(self);
    }

    /// Starts a list of words, which ends with [`end_list`](Self::end_list).
    /// Sets that are begun later end before it grows.
    pub(crate) fn begin_list(&self) -> usize {
        self.0.len()
    }

    /// Appends a word to the innermost list.
    #[inline(always)]
    pub(crate) fn push(&mut self, word: u64) {
        if self.0.len() == self.0.capacity() {
            self.fetch();
        }
        self.0.push(word);
    }

    /// The words of the list that began there.
    pub(crate) fn list(&mut self, start: usize) -> &mut [u64] {
        &mut self.0[start..]
    }

    /// Gives the words of a list back.
    pub(crate) fn end_list(&mut self, start: usize) {
        self.0.truncate(start);
    }

    /// An empty set for the fields and the oneofs of a message.
    #[inline(always)]
    pub(crate) fn begin(&mut self, table: &MessageTable) -> Seen {
        if table.bits <= 64 {
            Seen {
                small: 0,
                start: NONE,
            }
        } else {
            self.begin_large(table.bits)
        }
    }

    #[cold]
    fn begin_large(&mut self, bits: usize) -> Seen {
        self.fetch();
        let start = self.0.len();
        self.0.resize(start + bits.div_ceil(64), 0);
        Seen { small: 0, start }
    }

    /// Gives the words of a set back. Sets that were begun later end with it.
    #[inline(always)]
    pub(crate) fn end(&mut self, seen: Seen) {
        if seen.start != NONE {
            self.0.truncate(seen.start);
        }
    }

    /// Marks a bit; whether it was marked before.
    #[inline(always)]
    pub(crate) fn mark(&mut self, seen: &mut Seen, bit: usize) -> bool {
        let word = if seen.start == NONE {
            &mut seen.small
        } else {
            &mut self.0[seen.start + bit / 64]
        };
        let mask = 1 << (bit % 64);
        let before = *word & mask != 0;
        *word |= mask;
        before
    }

    /// Whether a bit is marked.
    #[inline(always)]
    pub(crate) fn has(&self, seen: &Seen, bit: usize) -> bool {
        let word = if seen.start == NONE {
            seen.small
        } else {
            self.0[seen.start + bit / 64]
        };
        word & (1 << (bit % 64)) != 0
    }

    /// Forgets every set, also after an error; the room for them stays unless
    /// it is large.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(4096);
    }
}
