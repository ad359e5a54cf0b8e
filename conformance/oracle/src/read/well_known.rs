//! From JSON to wire bytes: the well-known types with a form of their own
//! (protobuf.dev, "ProtoJSON Format").

use jiter::Peek;

use super::scalar::put_map_key;
use super::{Reader, syntax};
use crate::error::shorten;
use crate::table::MessageTable;
use crate::text::number::parse_f64;
use crate::text::{duration, field_mask, timestamp};
use crate::wire::{close, open, put_varint};
use crate::{Error, Problem};
use portolan_schema::Kind;

/// Tags of `google.protobuf.Value`, and of the single fields of `Struct` and
/// `ListValue`, as encoded.
mod tag {
    pub(super) const NULL: u8 = 1 << 3;
    pub(super) const NUMBER: u8 = 2 << 3 | 1;
    pub(super) const STRING: u8 = 3 << 3 | 2;
    pub(super) const BOOL: u8 = 4 << 3;
    pub(super) const STRUCT: u8 = 5 << 3 | 2;
    pub(super) const LIST: u8 = 6 << 3 | 2;
    pub(super) const FIRST: u8 = 1 << 3 | 2;
    pub(super) const SECOND: u8 = 2 << 3 | 2;
}

impl Reader<'_> {
    pub(super) fn timestamp(&mut self) -> Result<(), Error> {
        let at = self.next_index()?;
        let text = self.string("an RFC 3339 string")?;
        let Some((seconds, nanos)) = timestamp::parse(text) else {
            let value = shorten(text);
            let expected = "an RFC 3339 timestamp between the years 1 and 9999";
            return Err(Error::new(Problem::Value { expected, value }, at));
        };
        self.seconds_and_nanos(seconds, nanos);
        Ok(())
    }

    pub(super) fn duration(&mut self) -> Result<(), Error> {
        let at = self.next_index()?;
        let text = self.string("a duration string")?;
        let Some((seconds, nanos)) = duration::parse(text) else {
            let value = shorten(text);
            let expected = "a duration in seconds, such as \"1.5s\"";
            return Err(Error::new(Problem::Value { expected, value }, at));
        };
        self.seconds_and_nanos(seconds, nanos);
        Ok(())
    }

    fn seconds_and_nanos(&mut self, seconds: i64, nanos: i32) {
        for (tag, value) in [(1 << 3, seconds), (2 << 3, i64::from(nanos))] {
            if value != 0 {
                self.out.push(tag);
                put_varint(self.out, value.cast_unsigned());
            }
        }
    }

    pub(super) fn field_mask(&mut self) -> Result<(), Error> {
        self.expect(Peek::String, "a field mask string")?;
        let at = self.jiter.current_index();
        let text = self.jiter.known_str().map_err(syntax)?;
        let mut bad = None;
        for path in text.split(',').filter(|_| !text.is_empty()) {
            self.out.push(tag::FIRST);
            let start = open(self.out);
            if path.is_empty() || field_mask::to_snake(path, self.out).is_none() {
                bad = Some(shorten(path));
                break;
            }
            close(self.out, start);
        }
        match bad {
            None => Ok(()),
            Some(value) => {
                let expected = "a field path in lowerCamelCase";
                Err(Error::new(Problem::Value { expected, value }, at))
            }
        }
    }

    /// `google.protobuf.Struct`: `map<string, Value> fields = 1`.
    pub(super) fn structure(&mut self) -> Result<(), Error> {
        self.expect(Peek::Object, "an object")?;
        let mut seen = std::collections::HashSet::new();
        let mut key = self.jiter.known_object().map_err(syntax)?;
        while let Some(text) = key {
            let text = text.to_owned();
            self.out.push(tag::FIRST);
            let entry = open(self.out);
            self.out.push(tag::FIRST);
            put_map_key(self.out, Kind::String, &text);
            self.out.push(tag::SECOND);
            let value = open(self.out);
            self.nested_value().map_err(|error| error.at_key(&text))?;
            close(self.out, value);
            close(self.out, entry);
            if let Some(text) = seen.replace(text) {
                return Err(self.problem(Problem::Duplicate(text)));
            }
            key = self.jiter.next_key().map_err(syntax)?;
        }
        Ok(())
    }

    /// `google.protobuf.ListValue`: `repeated Value values = 1`.
    pub(super) fn list_value(&mut self) -> Result<(), Error> {
        self.elements(|reader| {
            reader.out.push(tag::FIRST);
            let start = open(reader.out);
            reader.nested_value()?;
            close(reader.out, start);
            Ok(())
        })
    }

    fn nested_value(&mut self) -> Result<(), Error> {
        self.enter()?;
        self.dynamic_value()?;
        self.leave();
        Ok(())
    }

    /// `google.protobuf.Value`: any JSON value.
    pub(super) fn dynamic_value(&mut self) -> Result<(), Error> {
        let peek = self.peek()?;
        match peek {
            Peek::Null => {
                self.jiter.known_null().map_err(syntax)?;
                self.out.extend_from_slice(&[tag::NULL, 0]);
            }
            Peek::True | Peek::False => {
                let value = self.jiter.known_bool(peek).map_err(syntax)?;
                self.out.extend_from_slice(&[tag::BOOL, u8::from(value)]);
            }
            Peek::String => {
                self.out.push(tag::STRING);
                self.scalar(Kind::String)?;
            }
            Peek::Object | Peek::Array => {
                self.out.push(if peek == Peek::Object {
                    tag::STRUCT
                } else {
                    tag::LIST
                });
                // One level together with the value that it is.
                let start = open(self.out);
                if peek == Peek::Object {
                    self.structure()
                } else {
                    self.list_value()
                }?;
                close(self.out, start);
            }
            _ if peek.is_num() && !matches!(peek, Peek::Infinity | Peek::NaN) => {
                let at = self.jiter.current_index();
                let bytes = self.jiter.known_number_bytes(peek).map_err(syntax)?;
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let Some(value) = parse_f64(text) else {
                    let value = shorten(text);
                    return Err(Error::new(
                        Problem::Value {
                            expected: "a double",
                            value,
                        },
                        at,
                    ));
                };
                self.out.push(tag::NUMBER);
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            _ => return Err(self.wrong_type("a JSON value", peek)),
        }
        Ok(())
    }

    /// A wrapper: the bare value of its one field.
    pub(super) fn wrapper(&mut self, table: &MessageTable) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Err(self.problem(Problem::Wire("a wrapper without a field in its contract")));
        };
        let start = self.out.len();
        self.out.extend_from_slice(&field.tag);
        let value = self.out.len();
        self.scalar(field.kind)?;
        if self.out[value..].iter().all(|byte| *byte == 0) {
            self.out.truncate(start);
        }
        Ok(())
    }

    pub(super) fn string(&mut self, expected: &'static str) -> Result<&str, Error> {
        self.expect(Peek::String, expected)?;
        self.jiter.known_str().map_err(syntax)
    }
}
