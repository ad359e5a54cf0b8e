//! The order of fields on the wire, which is free.

use super::{Body, Careful};
use crate::Error;
use crate::table::{MessageTable, Seen};
use crate::wire::Record;

impl Careful<'_> {
    /// Whether no field is interrupted or repeated against the contract. Looks
    /// at this level only, so that nothing below is read twice.
    pub(super) fn is_in_order(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
    ) -> Result<bool, Error> {
        let mut seen = self.words.begin(table);
        let is_in_order = self.is_in_order_beside(table, body, &mut seen);
        self.words.end(seen);
        is_in_order
    }

    fn is_in_order_beside(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
        seen: &mut Seen,
    ) -> Result<bool, Error> {
        let mut previous = usize::MAX;
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
            let Some(index) = self.find(table, &record, previous.wrapping_add(1)) else {
                // An unknown field between two pieces of a list parts them too.
                previous = usize::MAX;
                continue;
            };
            let field = &table.fields[index];
            let continues = index == previous && !field.cardinality.is_singular();
            if self.words.mark(seen, index) && !continues {
                return Ok(false);
            }
            if let Some(oneof) = field.oneof
                && self.words.mark(seen, table.fields.len() + oneof)
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
        body: Body<'w>,
    ) -> Result<Vec<(usize, Record<'w>)>, Error> {
        let mut records = Vec::new();
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
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
