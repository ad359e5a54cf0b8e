//! From wire bytes to JSON: maps, which are lists of entries on the wire.

use std::collections::HashMap;

use super::{Writer, of_type, payload_offset};
use crate::Error;
use crate::table::{FieldEntry, MessageTable};
use crate::wire::{Cursor, Record};

impl Writer<'_> {
    pub(super) fn map<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>>,
    ) -> Result<(), Error> {
        let Some(entry) = field.kind.message().map(|id| self.transcoder.table(id)) else {
            return Ok(());
        };
        let (Some(key_index), Some(value_index)) = (entry.by_number(1, 0), entry.by_number(2, 1))
        else {
            return Ok(());
        };
        let (key_field, value_field) = (&entry.fields[key_index], &entry.fields[value_index]);

        // Where a key comes again, the later entry counts.
        let mut entries: Vec<(Vec<u8>, Vec<Record<'w>>, usize)> = Vec::new();
        let mut positions: HashMap<Vec<u8>, usize> = HashMap::new();
        for record in records {
            let mut key = None;
            let mut values = Vec::new();
            for (index, inner) in self.sorted(entry, record.bytes, payload_offset(&record))? {
                if index == key_index {
                    key = Some(inner);
                } else if index == value_index {
                    values.push(inner);
                }
            }
            // An unknown number of a closed enum makes the whole entry unknown.
            if values.is_empty()
                && value_field.closed_enum.is_some()
                && self.names(entry, value_index, &record)?
            {
                continue;
            }
            let mut text = Vec::new();
            self.map_key(key_field, key.as_ref(), &mut text)?;
            match positions.get(&text) {
                Some(position) => entries[*position].1 = values,
                None => {
                    positions.insert(text.clone(), entries.len());
                    entries.push((text, values, record.offset));
                }
            }
        }

        self.begin(b'{');
        let mut first = true;
        for (key, values, offset) in entries {
            self.element(&mut first);
            self.out.extend_from_slice(&key);
            self.colon();
            if values.is_empty() {
                self.default_value(value_field, offset)?;
            } else {
                self.singular(value_field, values.iter().copied())
                    .map_err(|error| {
                        error.at_key(&String::from_utf8_lossy(&key[1..key.len() - 1]))
                    })?;
            }
        }
        self.end(b'}', first);
        Ok(())
    }

    /// The value of a map entry that carries none.
    fn default_value(&mut self, field: &FieldEntry, offset: usize) -> Result<(), Error> {
        match field.kind.message() {
            Some(id) => self.message(id, &[], offset),
            None => {
                self.default_scalar(field.kind);
                Ok(())
            }
        }
    }

    /// Whether a map entry has a record of this field, whatever its value.
    fn names(&self, entry: &MessageTable, index: usize, whole: &Record<'_>) -> Result<bool, Error> {
        let mut cursor = Cursor::new(whole.bytes, payload_offset(whole));
        while let Some(record) = cursor.next(self.levels)? {
            if of_type(entry, &record, index) == Some(index) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
