//! From wire bytes to JSON: message sets, whose extensions are items of a group
//! that carry their number as a field (descriptor.proto,
//! `message_set_wire_format`).

use super::Writer;
use crate::Error;
use crate::table::MessageTable;
use crate::wire::{self, Cursor, Record, Type};

/// A message set taken apart.
#[derive(Default)]
pub(super) struct Items {
    /// The known items, as ordinary extensions are on the wire.
    pub(super) known: Vec<u8>,
    /// What is left, as it is.
    pub(super) unknown: Vec<u8>,
}

impl Writer<'_> {
    pub(super) fn items(
        &self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<Items, Error> {
        let mut items = Items::default();
        let mut cursor = Cursor::new(wire, base);
        loop {
            let start = cursor.offset() - base;
            let Some(record) = cursor.next(self.levels)? else {
                return Ok(items);
            };
            let whole = &wire[start..cursor.offset() - base];
            if (record.number, record.wire_type) == (wire::ITEM, Type::Start) {
                match self.item(table, &record)? {
                    Some((number, message)) => {
                        items
                            .known
                            .extend_from_slice(&wire::tag(number, Type::Bytes));
                        wire::put_varint(&mut items.known, message.len() as u64);
                        items.known.extend_from_slice(message);
                    }
                    None => items.unknown.extend_from_slice(whole),
                }
            } else if self.find(table, &record, 0).is_some() {
                // Parsers take the ordinary form too.
                items.known.extend_from_slice(whole);
            } else {
                items.unknown.extend_from_slice(whole);
            }
        }
    }

    /// The number of a known extension, and its message.
    fn item<'w>(
        &self,
        table: &MessageTable,
        group: &Record<'w>,
    ) -> Result<Option<(u32, &'w [u8])>, Error> {
        let (mut number, mut message) = (None, None);
        let mut cursor = Cursor::new(group.bytes, group.payload_offset());
        while let Some(record) = cursor.next(self.levels)? {
            match (record.number, record.wire_type) {
                (wire::ITEM_TYPE, Type::Varint) => number = u32::try_from(record.scalar).ok(),
                (wire::ITEM_MESSAGE, Type::Bytes) => message = Some(record.bytes),
                _ => {}
            }
        }
        Ok(number
            .zip(message)
            .filter(|(number, _)| table.by_number(*number, 0).is_some()))
    }
}
