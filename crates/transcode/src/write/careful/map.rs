//! The careful pass: maps, which are lists of entries on the wire.

use std::collections::HashMap;

use super::{Body, Careful, of_type};
use crate::Error;
use crate::table::FieldEntry;
use crate::wire::Record;

impl Careful<'_> {
    pub(super) fn map<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>>,
    ) -> Result<(), Error> {
        let Some(entry) = field
            .kind
            .message()
            .map(|id| self.values.transcoder.table(id))
        else {
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
            for (index, inner) in self.sorted(entry, Body::of(&record))? {
                if index == key_index {
                    key = Some(inner);
                } else if index == value_index {
                    values.push(inner);
                }
            }
            if self.is_unknown_entry(field, &record)? {
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

        self.values.out.push(b'{');
        let mut first = true;
        for (key, values, offset) in entries {
            self.element(&mut first);
            self.values.out.extend(&key);
            self.values.out.push(b':');
            let written = if values.is_empty() {
                self.default_value(value_field, offset)
            } else {
                self.singular(value_field, values.iter().copied())
            };
            written
                .map_err(|error| error.at_key(&String::from_utf8_lossy(&key[1..key.len() - 1])))?;
        }
        self.values.out.push(b'}');
        Ok(())
    }

    /// The value of a map entry that carries none.
    fn default_value(&mut self, field: &FieldEntry, offset: usize) -> Result<(), Error> {
        match field.kind.message() {
            Some(id) => self.message(id, Body::Whole(&[], offset)),
            None => {
                self.values.default_scalar(field.kind);
                Ok(())
            }
        }
    }

    /// Whether the value of a map entry is a number that its closed enum does
    /// not have, which makes the whole entry unknown.
    pub(super) fn is_unknown_entry(
        &self,
        field: &FieldEntry,
        record: &Record<'_>,
    ) -> Result<bool, Error> {
        let Some(entry) = field
            .kind
            .message()
            .map(|id| self.values.transcoder.table(id))
        else {
            return Ok(false);
        };
        let Some(index) = entry.by_number(2, 1) else {
            return Ok(false);
        };
        let value_field = &entry.fields[index];
        if value_field.closed_enum.is_none() {
            return Ok(false);
        }
        let mut last = None;
        let mut walk = Body::of(record).walk();
        while let Some(inner) = self.next(&mut walk)? {
            if of_type(entry, &inner, index) == Some(index) {
                last = Some(inner.scalar);
            }
        }
        Ok(last.is_some_and(|number| self.is_unknown_enum(value_field, number)))
    }

    /// The key of a map entry, always a string; the default when it is left out.
    fn map_key(
        &mut self,
        field: &FieldEntry,
        record: Option<&Record<'_>>,
        text: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = self.values.out.len();
        match record {
            Some(record) => self.scalar(field.kind, record)?,
            None => self.values.default_scalar(field.kind),
        }
        let value = &self.values.out.as_slice()[start..];
        if value.starts_with(b"\"") {
            text.extend_from_slice(value);
        } else {
            text.push(b'"');
            text.extend_from_slice(value);
            text.push(b'"');
        }
        self.values.out.truncate(start);
        Ok(())
    }
}
