//! From JSON to wire bytes: booleans, strings, bytes, enums and map keys.

use portolan_schema::{EnumId, Kind};

use super::{Reader, Written, number};
use crate::error::shorten;
use crate::json::is_number_start;
use crate::number::Number;
use crate::raw::Output;
use crate::table::FieldEntry;
use crate::text::base64;
use crate::wire::{Cursor, unzigzag};
use crate::{Error, Problem};

impl Reader<'_> {
    /// A value without its tag.
    #[inline]
    pub(super) fn scalar(&mut self, field: &FieldEntry) -> Result<(), Error> {
        match field.kind {
            Kind::String => {
                let found = self.json.peek()?;
                if found != b'"' {
                    return Err(self.json.wrong_type("a string", found));
                }
                let body = self.out.open(field.room());
                self.json.copy_string(&mut self.out)?;
                let is_empty = self.out.length_since(body) == 0;
                field.set_room(self.out.close(body));
                self.written = Written::unless(is_empty);
                Ok(())
            }
            Kind::Bool => self.boolean(),
            Kind::Bytes => self.bytes(field),
            Kind::Enum(id) => self.enumeration(id),
            Kind::Float => self.float(),
            Kind::Double => self.double(),
            kind => self.integer(kind),
        }
    }

    fn boolean(&mut self) -> Result<(), Error> {
        let found = self.json.peek()?;
        if !matches!(found, b't' | b'f') {
            return Err(self.json.wrong_type("true or false", found));
        }
        let value = self.json.boolean()?;
        self.out.push(u8::from(value));
        self.written = Written::unless(!value);
        Ok(())
    }

    fn bytes(&mut self, field: &FieldEntry) -> Result<(), Error> {
        self.string("a base64 string", |reader, text, at| {
            let body = reader.out.open(field.room());
            if reader
                .out
                .with_vec(|out| base64::decode(text, out))
                .is_none()
            {
                return Err(bad_value("base64", text, at));
            }
            let is_empty = reader.out.length_since(body) == 0;
            field.set_room(reader.out.close(body));
            reader.written = Written::unless(is_empty);
            Ok(())
        })
    }

    fn enumeration(&mut self, id: EnumId) -> Result<(), Error> {
        let table = self.transcoder.enum_table(id);
        let expected = "an enum name or number";
        let number = match self.json.peek()? {
            // Only google.protobuf.NullValue comes here with a null.
            b'n' if table.is_null => {
                self.json.null()?;
                0
            }
            b'"' => {
                let number = self.quoted(|reader, name, at| match table.number(name) {
                    Some(number) => Ok(Some(number)),
                    None if reader.options.ignore_unknown => Ok(None),
                    None => Err(bad_value("a value of the enum", name, at)),
                })?;
                match number {
                    Some(number) => number,
                    None => {
                        self.written = Written::Nothing;
                        return Ok(());
                    }
                }
            }
            first if is_number_start(first) => {
                let at = self.json.at();
                let Some(number) = self.json.number() else {
                    return Err(self.json.bad_number());
                };
                match number.to_i32() {
                    Some(number) => number,
                    None => return Err(bad_value("an enum number", number.text(), at)),
                }
            }
            found => return Err(self.json.wrong_type(expected, found)),
        };
        self.out.varint(i64::from(number).cast_unsigned());
        self.written = Written::unless(number == 0);
        Ok(())
    }
}

/// The error for text that a kind of field cannot hold.
#[cold]
#[inline(never)]
pub(super) fn bad_value(expected: &'static str, text: &[u8], at: usize) -> Error {
    let value = shorten(&String::from_utf8_lossy(text));
    Error::new(Problem::Value { expected, value }, at)
}

/// Appends the key of a map entry, without its tag; false when the text is no
/// key of this kind.
#[inline]
pub(super) fn put_map_key(out: &mut Output, kind: Kind, text: &[u8]) -> bool {
    match kind {
        Kind::String => {
            out.varint(text.len() as u64);
            out.extend(text);
            true
        }
        Kind::Bool => {
            let value = match text {
                b"true" => 1,
                b"false" => 0,
                _ => return false,
            };
            out.push(value);
            true
        }
        _ => Number::parse_all(text)
            .and_then(|integer| number::put_integer(out, kind, integer))
            .is_some(),
    }
}

/// The text of a key that [`put_map_key`] wrote, for an error.
#[cold]
pub(super) fn key_text(kind: Kind, key: &[u8]) -> String {
    let mut cursor = Cursor::new(key, 0);
    match kind {
        Kind::String => {
            let length = cursor.varint().map_or(0, |length| length as usize);
            String::from_utf8_lossy(&key[key.len().saturating_sub(length)..]).into_owned()
        }
        Kind::Fixed64 => cursor
            .fixed64()
            .map_or_else(|_| String::new(), |value| value.to_string()),
        Kind::Sfixed64 => cursor
            .fixed64()
            .map_or_else(|_| String::new(), |value| value.cast_signed().to_string()),
        Kind::Fixed32 => cursor
            .fixed32()
            .map_or_else(|_| String::new(), |value| value.to_string()),
        Kind::Sfixed32 => cursor
            .fixed32()
            .map_or_else(|_| String::new(), |value| value.cast_signed().to_string()),
        _ => {
            let value = cursor.varint().unwrap_or(0);
            match kind {
                Kind::Bool => (value != 0).to_string(),
                Kind::Sint32 | Kind::Sint64 => unzigzag(value).to_string(),
                Kind::Uint32 | Kind::Uint64 => value.to_string(),
                _ => value.cast_signed().to_string(),
            }
        }
    }
}
