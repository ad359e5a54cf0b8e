//! Room for what a reader has to remember, kept from one message to the next
//! by each thread, so that none of it is allocated per message.

use std::cell::Cell;

use crate::raw::Output;
use crate::table::SeenWords;

/// Room that was needed once is kept up to this many entries, or sixteen times
/// as many bytes: by each thread.
const KEPT: usize = 4096;

/// What a reader has to remember.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Which fields of large messages were there.
    pub(super) words: SeenWords,
    /// A string without its escapes.
    pub(super) text: Output,
    /// The keys of the maps that are being read, those of the innermost last.
    pub(super) keys: Vec<MapKey>,
}

/// Where the key of a map entry stands in the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapKey {
    pub(super) hash: u32,
    pub(super) length: usize,
    pub(super) at: usize,
}

thread_local! {
    static POOL: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    /// Lends the scratch of this thread.
    #[inline]
    pub(super) fn lend<T>(borrow: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = POOL.take().unwrap_or_default();
        let result = borrow(&mut scratch);
        scratch.words.clear();
        scratch.keys.clear();
        scratch.keys.shrink_to(KEPT);
        scratch.text.truncate(0);
        scratch.text.with_vec(|text| text.shrink_to(16 * KEPT));
        POOL.set(Some(scratch));
        result
    }
}
