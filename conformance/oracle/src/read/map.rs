//! From JSON to wire bytes: maps, which are lists of entries on the wire.

use jiter::Peek;
use portolan_schema::Kind;

use super::{Reader, scalar, syntax};
use crate::table::FieldEntry;
use crate::{Error, Problem, wire};

impl Reader<'_> {
    pub(super) fn map(&mut self, field: &FieldEntry) -> Result<(), Error> {
        self.expect(Peek::Object, "an object")?;
        let Some(entry) = field.kind.message().map(|id| self.transcoder.table(id)) else {
            return Err(self.problem(Problem::Wire("a map without entries in its contract")));
        };
        let (Some(key_field), Some(value_field)) = (entry.by_number(1, 0), entry.by_number(2, 1))
        else {
            return Err(self.problem(Problem::Wire(
                "a map entry without key and value in its contract",
            )));
        };
        let (key_field, value_field) = (&entry.fields[key_field], &entry.fields[value_field]);
        let mut keys = Vec::new();
        let mut key = self.jiter.known_object().map_err(syntax)?;
        while let Some(text) = key {
            let start = self.out.len();
            self.out.extend_from_slice(&field.tag);
            let body = wire::open(self.out);
            self.out.extend_from_slice(&key_field.tag);
            let key_start = self.out.len();
            if !scalar::put_map_key(self.out, key_field.kind, text) {
                let value = crate::error::shorten(text);
                return Err(self.problem(Problem::Value {
                    expected: "a key of this map",
                    value,
                }));
            }
            let key_length = self.out.len() - key_start;
            let written = self
                .refuse_null(value_field)
                .and_then(|()| self.tagged(value_field))
                .map_err(|error| {
                    let key = &self.out[key_start..key_start + key_length];
                    error.at_key(&scalar::key_text(key_field.kind, key))
                })?;
            if written {
                wire::close(self.out, body);
                // Closing may have moved the key; it stands right behind the
                // length and its tag.
                let end = self.out.len();
                keys.push((start, end));
            } else {
                self.out.truncate(start);
            }
            key = self.jiter.next_key().map_err(syntax)?;
        }
        self.refuse_duplicate_keys(field, key_field, &mut keys)
    }

    /// Two entries with the same key are an error; `entries` are where each
    /// entry stands in the output.
    fn refuse_duplicate_keys(
        &self,
        field: &FieldEntry,
        key_field: &FieldEntry,
        entries: &mut [(usize, usize)],
    ) -> Result<(), Error> {
        if entries.len() < 2 {
            return Ok(());
        }
        let key_of = |entry: &(usize, usize)| {
            let bytes = &self.out[entry.0 + field.tag.len()..entry.1];
            // The entry's length, then the key's tag, then the key.
            let prefix = bytes.iter().take_while(|byte| **byte >= 0x80).count() + 1;
            let key = &bytes[prefix + key_field.tag.len()..];
            match key_field.kind {
                Kind::String => {
                    let count = key.iter().take_while(|byte| **byte >= 0x80).count() + 1;
                    let length = key[..count]
                        .iter()
                        .rev()
                        .fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
                    &key[..count + length]
                }
                Kind::Fixed64 | Kind::Sfixed64 => &key[..8],
                Kind::Fixed32 | Kind::Sfixed32 => &key[..4],
                _ => &key[..=key.iter().take_while(|byte| **byte >= 0x80).count()],
            }
        };
        entries.sort_unstable_by(|left, right| key_of(left).cmp(key_of(right)));
        for pair in entries.windows(2) {
            if key_of(&pair[0]) == key_of(&pair[1]) {
                return Err(self.problem(Problem::Duplicate(scalar::key_text(
                    key_field.kind,
                    key_of(&pair[0]),
                ))));
            }
        }
        Ok(())
    }
}
