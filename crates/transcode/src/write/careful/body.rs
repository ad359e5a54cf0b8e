//! The careful pass: where the records of a message are. In one piece mostly;
//! a message that comes several times is read piece by piece, as if they stood
//! behind one another, and a message set is a list of records taken apart.
//! Nothing is copied, so every offset is one in the whole input.

use std::slice;

use super::Careful;
use crate::Error;
use crate::wire::{Cursor, Record};

/// The records of one message.
#[derive(Clone, Copy)]
pub(super) enum Body<'w> {
    /// The bytes, and where they begin in the whole input.
    Whole(&'w [u8], usize),
    /// To be merged: the payloads of these, one behind the other.
    Pieces(&'w [Record<'w>]),
    /// These records themselves; where the message begins.
    Records(&'w [Record<'w>], usize),
}

impl<'w> Body<'w> {
    /// The payload of a record.
    pub(super) fn of(record: &Record<'w>) -> Self {
        Self::Whole(record.bytes, record.payload)
    }

    /// Where an error about the whole message is: of several pieces the last
    /// is the one that could have made it right.
    pub(super) fn offset(self) -> usize {
        match self {
            Self::Whole(_, offset) | Self::Records(_, offset) => offset,
            Self::Pieces(pieces) => pieces.last().map_or(0, |piece| piece.payload),
        }
    }

    pub(super) fn walk(self) -> Walk<'w> {
        let (cursor, rest, are_pieces) = match self {
            Self::Whole(bytes, offset) => (Cursor::new(bytes, offset), &[][..], true),
            Self::Pieces(pieces) => (Cursor::new(&[], 0), pieces, true),
            Self::Records(records, _) => (Cursor::new(&[], 0), records, false),
        };
        Walk {
            cursor,
            rest: rest.iter(),
            are_pieces,
        }
    }
}

/// A walk over the records of a message.
#[derive(Clone)]
pub(super) struct Walk<'w> {
    cursor: Cursor<'w>,
    rest: slice::Iter<'w, Record<'w>>,
    /// Whether `rest` are payloads to be walked, or records.
    are_pieces: bool,
}

impl Careful<'_> {
    /// The next record of a walk.
    #[inline]
    pub(super) fn next<'w>(&self, walk: &mut Walk<'w>) -> Result<Option<Record<'w>>, Error> {
        while walk.cursor.is_empty() {
            match walk.rest.next() {
                None => return Ok(None),
                Some(record) if walk.are_pieces => {
                    walk.cursor = Cursor::new(record.bytes, record.payload);
                }
                Some(record) => return Ok(Some(*record)),
            }
        }
        walk.cursor.next_noting(self.levels, Some(&self.group_ends))
    }

    /// The next record, and all of its bytes, which a record of a list has not.
    pub(super) fn next_whole<'w>(
        &self,
        walk: &mut Walk<'w>,
    ) -> Result<Option<(Record<'w>, &'w [u8])>, Error> {
        let record = self.next(walk)?;
        Ok(record.map(|record| (record, walk.cursor.whole(&record))))
    }
}
