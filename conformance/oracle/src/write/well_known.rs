//! From wire bytes to JSON: the well-known types with a form of their own
//! (protobuf.dev, "ProtoJSON Format").

use super::{Writer, string};
use crate::error::shorten;
use crate::table::{Form, MessageTable};
use crate::text::{duration, field_mask, timestamp};
use crate::wire::{Cursor, Type};
use crate::{Error, Problem};

impl Writer<'_> {
    pub(super) fn timestamp(&mut self, wire: &[u8], base: usize) -> Result<(), Error> {
        let expected = "a timestamp between the years 1 and 9999";
        self.quoted(timestamp::write, expected, wire, base)
    }

    pub(super) fn duration(&mut self, wire: &[u8], base: usize) -> Result<(), Error> {
        let expected = "a duration within 10,000 years, with one sign";
        self.quoted(duration::write, expected, wire, base)
    }

    /// Seconds and nanoseconds as the text that `write` gives them.
    fn quoted(
        &mut self,
        write: fn(i64, i32, &mut Vec<u8>) -> Option<()>,
        expected: &'static str,
        wire: &[u8],
        base: usize,
    ) -> Result<(), Error> {
        let (seconds, nanos) = self.seconds_and_nanos(wire, base)?;
        self.out.push(b'"');
        if write(seconds, nanos, self.out).is_none() {
            let value = format!("{seconds}s {nanos}ns");
            return Err(Error::new(Problem::Value { expected, value }, base));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn seconds_and_nanos(&self, wire: &[u8], base: usize) -> Result<(i64, i32), Error> {
        let (mut seconds, mut nanos) = (0, 0);
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            match (record.number, record.wire_type) {
                (1, Type::Varint) => seconds = record.scalar.cast_signed(),
                (2, Type::Varint) => nanos = record.scalar as i32,
                _ => {}
            }
        }
        Ok((seconds, nanos))
    }

    pub(super) fn field_mask(&mut self, wire: &[u8], base: usize) -> Result<(), Error> {
        let mut paths = Vec::new();
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            if (record.number, record.wire_type) == (1, Type::Bytes) {
                let Some(path) = std::str::from_utf8(record.bytes)
                    .ok()
                    .and_then(field_mask::to_camel)
                else {
                    let value = shorten(&String::from_utf8_lossy(record.bytes));
                    let expected = "a field path that has a form in lowerCamelCase";
                    return Err(Error::new(
                        Problem::Value { expected, value },
                        record.offset,
                    ));
                };
                paths.push(path);
            }
        }
        string(self.out, &paths.join(","));
        Ok(())
    }

    /// A `Struct` or a `ListValue`: the bare value of its one field.
    pub(super) fn only_field(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Ok(());
        };
        let records = self.sorted(table, wire, base)?;
        self.value_of(field, records.iter().map(|(_, record)| *record))
    }

    /// The one member of the oneof `kind` that is set.
    pub(super) fn dynamic_value(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<(), Error> {
        let records = self.sorted(table, wire, base)?;
        let Some((index, record)) = records.last() else {
            return Err(Error::new(
                Problem::NoForm("a google.protobuf.Value without a value"),
                base,
            ));
        };
        let field = &table.fields[*index];
        if field.number == 2 && !f64::from_bits(record.scalar).is_finite() {
            let problem = Problem::NoForm(
                "a google.protobuf.Value of NaN or Infinity, which JSON has no number for",
            );
            return Err(Error::new(problem, record.offset));
        }
        // A struct or a list is one level together with the value that it is.
        self.levels += 1;
        self.value_of(field, records.iter().map(|(_, record)| *record))?;
        self.levels -= 1;
        Ok(())
    }

    pub(super) fn wrapper(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Ok(());
        };
        let mut last = None;
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            if self.find(table, &record, 0).is_some() {
                last = Some(record);
            }
        }
        match last {
            Some(record) => self.scalar(field.kind, &record),
            None => {
                self.default_scalar(field.kind);
                Ok(())
            }
        }
    }

    pub(super) fn any(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
    ) -> Result<(), Error> {
        let (mut type_url, mut value) = (None, None);
        let mut cursor = Cursor::new(wire, base);
        while let Some(record) = cursor.next(self.levels)? {
            match self.find(table, &record, 0) {
                Some(0) => type_url = Some(record),
                Some(1) => value = Some(record),
                _ => {}
            }
        }
        let type_url =
            match type_url.map(|record| (record, String::from_utf8(record.bytes.to_vec()))) {
                None => String::new(),
                Some((_, Ok(text))) => text,
                Some((record, Err(_))) => {
                    let problem = Problem::Wire("a string that is not UTF-8");
                    return Err(Error::new(problem, record.payload_offset()));
                }
            };
        if type_url.is_empty() && value.is_none() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let Some(id) = self.transcoder.resolve_any(&type_url) else {
            return Err(Error::new(Problem::UnknownType(type_url), base));
        };
        let (value, base) = value.as_ref().map_or((&[][..], base), |value| {
            (value.bytes, value.payload_offset())
        });

        self.begin(b'{');
        let mut first = true;
        self.key("\"@type\":", &mut first);
        string(self.out, &type_url);
        let inner = self.transcoder.table(id);
        if inner.form == Form::Plain {
            // The members stand beside the type, so this level is entered here.
            let Some(levels) = self.levels.checked_sub(1) else {
                return Err(Error::new(
                    Problem::TooDeep(self.options.recursion_limit),
                    base,
                ));
            };
            self.levels = levels;
            self.members(inner, value, base, &mut first)?;
            self.levels += 1;
        } else {
            self.key("\"value\":", &mut first);
            self.message(id, value, base)?;
        }
        self.end(b'}', first);
        Ok(())
    }
}
