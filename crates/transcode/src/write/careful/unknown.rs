//! The careful pass: what the contract does not have, kept for the way
//! back, see [`WriteOptions::keep_unknown`](crate::WriteOptions).

use portolan_schema::Cardinality;

use super::{Body, Careful, packed_value};
use crate::Error;
use crate::options::UNKNOWN;
use crate::table::{FieldEntry, MessageTable};
use crate::wire::{self, Cursor, Record};

impl Careful<'_> {
    /// The member with these unknown records, when there are any.
    pub(super) fn unknown(&mut self, records: &[u8], first: &mut bool) {
        if !records.is_empty() {
            self.element(first);
            self.values.text(UNKNOWN);
            self.values.out.push(b':');
            self.values.bytes(records);
        }
    }

    /// The unknown records of a message, as they are.
    pub(super) fn unknown_records(
        &self,
        table: &MessageTable,
        body: Body<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut records = Vec::new();
        let mut walk = body.walk();
        while let Some((record, whole)) = self.next_whole(&mut walk)? {
            match self.find(table, &record, 0) {
                None => records.extend_from_slice(whole),
                Some(index) => {
                    self.unknown_values(&table.fields[index], &record, whole, &mut records)?;
                }
            }
        }
        Ok(records)
    }

    /// What is unknown within the record of a known field: numbers that a
    /// closed enum does not have, in a packed list or as the value of a map.
    fn unknown_values(
        &self,
        field: &FieldEntry,
        record: &Record<'_>,
        whole: &[u8],
        records: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if field.cardinality == Cardinality::Map {
            if self.is_unknown_entry(field, record)? {
                records.extend_from_slice(whole);
            }
        } else if field.closed_enum.is_some() && record.wire_type == wire::Type::Bytes {
            let mut packed = Cursor::new(record.bytes, record.payload);
            while !packed.is_empty() {
                let value = packed_value(&mut packed, field.kind, record)?.scalar;
                if self.is_unknown_enum(field, value) {
                    records.extend_from_slice(field.tag.as_slice());
                    wire::put_varint(records, value);
                }
            }
        }
        Ok(())
    }
}
