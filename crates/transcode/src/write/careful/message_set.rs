//! The careful pass: message sets, whose extensions are items of a group
//! that carry their number as a field (descriptor.proto,
//! `message_set_wire_format`).

use super::{Body, Careful};
use crate::Error;
use crate::table::MessageTable;
use crate::wire::{self, Record, Type};

/// A message set taken apart.
#[derive(Default)]
pub(super) struct Items<'w> {
    /// The known items, as the records of ordinary extensions.
    known: Vec<Record<'w>>,
    /// What is left, as it is.
    pub(super) unknown: Vec<u8>,
}

impl Items<'_> {
    /// The known items of what was taken apart.
    pub(super) fn body(&self, whole: Body<'_>) -> Body<'_> {
        Body::Records(&self.known, whole.offset())
    }
}

impl Careful<'_> {
    pub(super) fn items<'w>(
        &self,
        table: &MessageTable,
        body: Body<'w>,
    ) -> Result<Items<'w>, Error> {
        let mut items = Items::default();
        let mut walk = body.walk();
        while let Some((record, whole)) = self.next_whole(&mut walk)? {
            if (record.number, record.wire_type) == (wire::ITEM, Type::Start) {
                match self.item(table, &record)? {
                    Some(extension) => items.known.push(extension),
                    None => items.unknown.extend_from_slice(whole),
                }
            } else if self.find(table, &record, 0).is_some() {
                // Parsers take the ordinary form too.
                items.known.push(record);
            } else {
                items.unknown.extend_from_slice(whole);
            }
        }
        Ok(items)
    }

    /// The record that an item would be if it were an ordinary extension;
    /// `None` when the contract has none of its number.
    fn item<'w>(
        &self,
        table: &MessageTable,
        group: &Record<'w>,
    ) -> Result<Option<Record<'w>>, Error> {
        let (mut number, mut message) = (None, None);
        let mut walk = Body::of(group).walk();
        while let Some(record) = self.next(&mut walk)? {
            match (record.number, record.wire_type) {
                (wire::ITEM_TYPE, Type::Varint) => number = u32::try_from(record.scalar).ok(),
                (wire::ITEM_MESSAGE, Type::Bytes) => message = Some(record),
                _ => {}
            }
        }
        Ok(number
            .zip(message)
            .filter(|(number, _)| table.by_number(*number, 0).is_some())
            .map(|(number, message)| Record { number, ..message }))
    }
}
