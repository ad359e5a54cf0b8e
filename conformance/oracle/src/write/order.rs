//! The order of fields on the wire, which is free.

use super::Writer;
use crate::Error;
use crate::table::{MessageTable, Seen};
use crate::wire::{Cursor, Record};

impl Writer<'_> {
    /// Whether no field is interrupted or repeated against the contract. Looks
    /// at this level only, so that nothing below is read twice.
    pub(super) fn is_in_order(
        &self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<bool, Error> {
        let mut seen = Seen::of(table);
        let mut previous = usize::MAX;
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            let Some(index) = self.find(table, &record, previous.wrapping_add(1)) else {
                // An unknown field between two pieces of a list parts them too.
                previous = usize::MAX;
                continue;
            };
            let field = &table.fields[index];
            let continues = index == previous && !field.cardinality.is_singular();
            if seen.mark(index) && !continues {
                return Ok(false);
            }
            if let Some(oneof) = field.oneof
                && seen.mark(table.fields.len() + oneof)
            {
                return Ok(false);
            }
            previous = index;
        }
        Ok(true)
    }

    /// The known records, field by field, each field's in their order. Of a
    /// oneof only the records since the last change of member are left.
    pub(super) fn sorted<'w>(
        &self,
        table: &MessageTable,
        wire: &'w [u8],
        base: usize,
    ) -> Result<Vec<(usize, Record<'w>)>, Error> {
        let mut records = Vec::new();
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            if let Some(index) = self.find(table, &record, 0) {
                records.push((index, record));
            }
        }
        // From the last record back: the member that a oneof ends with, and
        // whether another one cut it off.
        let mut ends = vec![None; table.oneofs.len()];
        let mut kept: Vec<(usize, Record<'w>)> = Vec::with_capacity(records.len());
        for (index, record) in records.into_iter().rev() {
            if let Some(oneof) = table.fields[index].oneof {
                match ends[oneof] {
                    None => ends[oneof] = Some((index, false)),
                    Some((member, cut)) if member != index || cut => {
                        ends[oneof] = Some((member, true));
                        continue;
                    }
                    Some(_) => {}
                }
            }
            kept.push((index, record));
        }
        kept.reverse();
        kept.sort_by_key(|(index, _)| *index);
        Ok(kept)
    }
}
