//! From JSON to wire bytes: the well-known types with a form of their own
//! (protobuf.dev, "ProtoJSON Format").

use portolan_schema::Kind;

use super::scalar::{bad_value, key_text};
use super::{Reader, Written};
use crate::json::{Step, is_number_start};
use crate::table::MessageTable;
use crate::text::{duration, field_mask, timestamp};
use crate::{Error, Problem};

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
        self.string("an RFC 3339 string", |reader, text, at| {
            let expected = "an RFC 3339 timestamp between the years 1 and 9999";
            let (seconds, nanos) =
                timestamp::parse(text).ok_or_else(|| bad_value(expected, text, at))?;
            reader.seconds_and_nanos(seconds, nanos);
            Ok(())
        })
    }

    pub(super) fn duration(&mut self) -> Result<(), Error> {
        self.string("a duration string", |reader, text, at| {
            let expected = "a duration in seconds, such as \"1.5s\"";
            let (seconds, nanos) =
                duration::parse(text).ok_or_else(|| bad_value(expected, text, at))?;
            reader.seconds_and_nanos(seconds, nanos);
            Ok(())
        })
    }

    #[inline]
    fn seconds_and_nanos(&mut self, seconds: i64, nanos: i32) {
        if seconds != 0 {
            self.out.tagged_varint(1 << 3, seconds.cast_unsigned());
        }
        if nanos != 0 {
            self.out
                .tagged_varint(2 << 3, i64::from(nanos).cast_unsigned());
        }
    }

    pub(super) fn field_mask(&mut self) -> Result<(), Error> {
        self.string("a field mask string", |reader, text, at| {
            for path in text
                .split(|byte| *byte == b',')
                .filter(|_| !text.is_empty())
            {
                reader.out.push(tag::FIRST);
                let body = reader.out.open(1);
                let snake = reader.out.with_vec(|out| field_mask::to_snake(path, out));
                if path.is_empty() || snake.is_none() {
                    return Err(bad_value("a field path in lowerCamelCase", path, at));
                }
                reader.out.close(body);
            }
            Ok(())
        })
    }

    /// `google.protobuf.Struct`: `map<string, Value> fields = 1`.
    pub(super) fn structure(&mut self) -> Result<(), Error> {
        let outer = self.scratch.keys.len();
        self.json.enter(b'{', "an object")?;
        let mut step = self.json.key_or_end(true)?;
        while step == Step::More {
            let start = self.out.len();
            self.out.push(tag::FIRST);
            let entry = self.out.open(1);
            self.out.push(tag::FIRST);
            let key_start = self.out.len();
            self.text()?;
            let key_length = self.out.len() - key_start;
            self.json.colon()?;
            self.out.push(tag::SECOND);
            let value = self.out.open(1);
            if let Err(error) = self.nested_value() {
                let key = &self.out.as_slice()[key_start..key_start + key_length];
                return Err(error.at_key(&key_text(Kind::String, key)));
            }
            self.out.close(value);
            let prefix = self.out.close(entry);
            // The tag of the entry, its length and the tag of the key.
            self.remember(start + 1 + usize::from(prefix) + 1, key_length);
            step = self.json.next_member()?;
        }
        self.refuse_twins(Kind::String, outer)
    }

    /// `google.protobuf.ListValue`: `repeated Value values = 1`.
    pub(super) fn list_value(&mut self) -> Result<(), Error> {
        self.elements(|reader| {
            reader.out.push(tag::FIRST);
            let body = reader.out.open(1);
            reader.nested_value()?;
            reader.out.close(body);
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
        match self.json.peek()? {
            b'n' => {
                self.json.null()?;
                self.out.put(&[tag::NULL, 0], 2);
            }
            b't' | b'f' => {
                let value = self.json.boolean()?;
                self.out.put(&[tag::BOOL, u8::from(value)], 2);
            }
            b'"' => {
                self.out.push(tag::STRING);
                self.text()?;
            }
            bracket @ (b'{' | b'[') => {
                let is_object = bracket == b'{';
                self.out
                    .push(if is_object { tag::STRUCT } else { tag::LIST });
                // One level together with the value that it is.
                let body = self.out.open(1);
                if is_object {
                    self.structure()
                } else {
                    self.list_value()
                }?;
                self.out.close(body);
            }
            first if is_number_start(first) => {
                self.out.push(tag::NUMBER);
                self.double()?;
            }
            found => return Err(self.json.wrong_type("a JSON value", found)),
        }
        Ok(())
    }

    /// A string with its length in front.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Result<(), Error> {
        if self.json.copy_short_string(&mut self.out).is_none() {
            let body = self.out.open(1);
            self.json.copy_string(&mut self.out)?;
            self.out.close(body);
        }
        Ok(())
    }

    /// A wrapper: the bare value of its one field.
    pub(super) fn wrapper(&mut self, table: &MessageTable) -> Result<(), Error> {
        let Some(field) = table.fields.first() else {
            return Err(self.problem(Problem::Wire("a wrapper without a field in its contract")));
        };
        let start = self.out.len();
        self.tagged(field)?;
        if self.written == Written::Default {
            self.out.truncate(start);
        }
        Ok(())
    }
}
