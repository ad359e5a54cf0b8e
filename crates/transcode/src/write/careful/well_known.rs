//! The careful pass: the well-known types with a form of their own
//! (protobuf.dev, "ProtoJSON Format").

use super::{Body, Careful};
use crate::error::shorten;
use crate::table::{Form, MessageTable};
use crate::text::{Piece, duration, field_mask, timestamp};
use crate::wire::Type;
use crate::{Error, Problem};

impl Careful<'_> {
    pub(super) fn timestamp(&mut self, body: Body<'_>) -> Result<(), Error> {
        let expected = "a timestamp between the years 1 and 9999";
        self.quoted(timestamp::write, expected, body)
    }

    pub(super) fn duration(&mut self, body: Body<'_>) -> Result<(), Error> {
        let expected = "a duration within 10,000 years, with one sign";
        self.quoted(duration::write, expected, body)
    }

    /// Seconds and nanoseconds as the text that `write` gives them.
    fn quoted(
        &mut self,
        write: fn(i64, i32) -> Option<Piece>,
        expected: &'static str,
        body: Body<'_>,
    ) -> Result<(), Error> {
        let (seconds, nanos) = self.seconds_and_nanos(body)?;
        let Some((text, length)) = write(seconds, nanos) else {
            let value = format!("{seconds}s {nanos}ns");
            return Err(Error::new(
                Problem::Value { expected, value },
                body.offset(),
            ));
        };
        self.values.out.put(&text, length);
        Ok(())
    }

    fn seconds_and_nanos(&self, body: Body<'_>) -> Result<(i64, i32), Error> {
        let (mut seconds, mut nanos) = (0, 0);
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
            match (record.number, record.wire_type) {
                (1, Type::Varint) => seconds = record.scalar.cast_signed(),
                (2, Type::Varint) => nanos = record.scalar as i32,
                _ => {}
            }
        }
        Ok((seconds, nanos))
    }

    pub(super) fn field_mask(&mut self, body: Body<'_>) -> Result<(), Error> {
        let mut paths = Vec::new();
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
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
        self.values.text(&paths.join(","));
        Ok(())
    }

    /// A `Struct` or a `ListValue`: the bare value of its one field.
    pub(super) fn only_field(&mut self, table: &MessageTable, body: Body<'_>) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Ok(());
        };
        let records = self.sorted(table, body)?;
        self.value_of(field, records.iter().map(|(_, record)| *record))
    }

    /// The one member of the oneof `kind` that is set.
    pub(super) fn dynamic_value(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
    ) -> Result<(), Error> {
        let records = self.sorted(table, body)?;
        // The last is the one that is written when it is a number.
        let Some((index, record)) = records.last() else {
            return Err(Error::new(
                Problem::NoForm("a google.protobuf.Value without a value"),
                body.offset(),
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

    pub(super) fn wrapper(&mut self, table: &MessageTable, body: Body<'_>) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Ok(());
        };
        let mut last = None;
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
            if self.find(table, &record, 0).is_some() {
                last = Some(record);
            }
        }
        match last {
            Some(record) => self.scalar(field.kind, &record),
            None => {
                self.values.default_scalar(field.kind);
                Ok(())
            }
        }
    }

    pub(super) fn any(&mut self, table: &MessageTable, body: Body<'_>) -> Result<(), Error> {
        let (mut type_url, mut value) = (None, None);
        let mut walk = body.walk();
        while let Some(record) = self.next(&mut walk)? {
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
                    return Err(Error::new(problem, record.payload));
                }
            };
        if type_url.is_empty() && value.is_none() {
            self.values.out.extend(b"{}");
            return Ok(());
        }
        let Some(id) = self.values.transcoder.resolve_any(&type_url) else {
            return Err(Error::new(Problem::UnknownType(type_url), body.offset()));
        };
        let value = value.map_or(Body::Whole(&[], body.offset()), |value| Body::of(&value));

        self.values.out.push(b'{');
        let mut first = true;
        self.key(b"\"@type\":", &mut first);
        self.values.text(&type_url);
        let inner = self.values.transcoder.table(id);
        if inner.form == Form::Plain {
            // The members stand beside the type, so this level is entered here.
            let Some(levels) = self.levels.checked_sub(1) else {
                return Err(Error::new(
                    Problem::TooDeep(self.values.options.recursion_limit),
                    value.offset(),
                ));
            };
            self.levels = levels;
            self.members(inner, value, &mut first)?;
            self.levels += 1;
        } else {
            self.key(b"\"value\":", &mut first);
            self.message(id, value)?;
        }
        self.values.out.push(b'}');
        Ok(())
    }
}
