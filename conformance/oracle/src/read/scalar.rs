//! From JSON to wire bytes: scalars, enums and map keys.

use jiter::{Jiter, Peek};
use portolan_schema::Kind;

use super::{Reader, syntax, wrong_type};
use crate::error::shorten;
use crate::text::base64;
use crate::text::number::{Integer, finite_f32, finite_f64, parse_f32, parse_f64};
use crate::wire::{Cursor, close, open, put_varint, unzigzag, zigzag};
use crate::{Error, Problem};

impl Reader<'_> {
    /// A value without its tag. Whether it was written; see
    /// [`Reader::tagged`].
    pub(super) fn scalar(&mut self, kind: Kind) -> Result<bool, Error> {
        let peek = self.peek()?;
        let at = self.jiter.current_index();
        match kind {
            Kind::Bool => match peek {
                Peek::True | Peek::False => {
                    let value = self.jiter.known_bool(peek).map_err(syntax)?;
                    self.out.push(u8::from(value));
                }
                _ => return Err(self.wrong_type("true or false", peek)),
            },
            Kind::String => {
                if peek != Peek::String {
                    return Err(self.wrong_type("a string", peek));
                }
                let text = self.jiter.known_str().map_err(syntax)?;
                put_varint(self.out, text.len() as u64);
                self.out.extend_from_slice(text.as_bytes());
            }
            Kind::Bytes => {
                if peek != Peek::String {
                    return Err(self.wrong_type("a base64 string", peek));
                }
                let text = self.jiter.known_str().map_err(syntax)?;
                let start = open(self.out);
                if base64::decode(text, self.out).is_none() {
                    let value = shorten(text);
                    return Err(Error::new(
                        Problem::Value {
                            expected: "base64",
                            value,
                        },
                        at,
                    ));
                }
                close(self.out, start);
            }
            Kind::Enum(id) => return self.enumeration(id, peek),
            Kind::Double | Kind::Float => self.float(kind, peek)?,
            _ => self.integer(kind, peek)?,
        }
        Ok(true)
    }

    fn integer(&mut self, kind: Kind, peek: Peek) -> Result<(), Error> {
        let at = self.jiter.current_index();
        let text = number_text(&mut self.jiter, peek, "an integer")?;
        if put_integer(self.out, kind, text).is_some() {
            return Ok(());
        }
        let value = shorten(text);
        Err(Error::new(
            Problem::Value {
                expected: integer_name(kind),
                value,
            },
            at,
        ))
    }

    fn float(&mut self, kind: Kind, peek: Peek) -> Result<(), Error> {
        let at = self.jiter.current_index();
        let text = number_text(&mut self.jiter, peek, "a number")?;
        let quoted = peek == Peek::String;
        // The three names are strings only; and what is bare was read as a JSON
        // number already, so its form need not be looked at again.
        let special = match text {
            "NaN" if quoted => Some(f32::NAN),
            "Infinity" if quoted => Some(f32::INFINITY),
            "-Infinity" if quoted => Some(f32::NEG_INFINITY),
            _ => None,
        };
        let written = if kind == Kind::Float {
            let parse = if quoted { parse_f32 } else { finite_f32 };
            let value = special.or_else(|| parse(text));
            value.map(|value| self.out.extend_from_slice(&value.to_le_bytes()))
        } else {
            let parse = if quoted { parse_f64 } else { finite_f64 };
            let value = special.map(f64::from).or_else(|| parse(text));
            value.map(|value| self.out.extend_from_slice(&value.to_le_bytes()))
        };
        if written.is_some() {
            return Ok(());
        }
        let value = shorten(text);
        let expected = if kind == Kind::Float {
            "a float"
        } else {
            "a double"
        };
        Err(Error::new(Problem::Value { expected, value }, at))
    }

    fn enumeration(&mut self, id: portolan_schema::EnumId, peek: Peek) -> Result<bool, Error> {
        let table = self.transcoder.enum_table(id);
        let at = self.jiter.current_index();
        let number = match peek {
            // Only google.protobuf.NullValue comes here with a null.
            Peek::Null => {
                self.jiter.known_null().map_err(syntax)?;
                0
            }
            Peek::String => {
                let name = self.jiter.known_str().map_err(syntax)?;
                match table.number(name) {
                    Some(number) => number,
                    None if self.options.ignore_unknown => return Ok(false),
                    None => {
                        let value = shorten(name);
                        return Err(Error::new(
                            Problem::Value {
                                expected: "a value of the enum",
                                value,
                            },
                            at,
                        ));
                    }
                }
            }
            _ => {
                let text = number_text(&mut self.jiter, peek, "an enum name or number")?;
                match Integer::parse(text).and_then(Integer::to_i32) {
                    Some(number) => number,
                    None => {
                        let value = shorten(text);
                        return Err(Error::new(
                            Problem::Value {
                                expected: "an enum number",
                                value,
                            },
                            at,
                        ));
                    }
                }
            }
        };
        put_varint(self.out, i64::from(number).cast_unsigned());
        Ok(true)
    }
}

/// The text of a number, bare or in quotes.
fn number_text<'j>(
    jiter: &'j mut Jiter<'_>,
    peek: Peek,
    expected: &'static str,
) -> Result<&'j str, Error> {
    match peek {
        Peek::String => jiter.known_str().map_err(syntax),
        _ if peek.is_num() && !matches!(peek, Peek::Infinity | Peek::NaN) => {
            let bytes = jiter.known_number_bytes(peek).map_err(syntax)?;
            // The reader let through digits, signs, points and exponents only.
            Ok(std::str::from_utf8(bytes).unwrap_or_default())
        }
        _ => Err(wrong_type(expected, peek, jiter.current_index())),
    }
}

/// Appends a decimal integer as a value of this kind; `None` when it is not one.
fn put_integer(out: &mut Vec<u8>, kind: Kind, text: &str) -> Option<()> {
    let integer = Integer::parse(text)?;
    match kind {
        Kind::Int32 => put_varint(out, i64::from(integer.to_i32()?).cast_unsigned()),
        Kind::Int64 => put_varint(out, integer.to_i64()?.cast_unsigned()),
        Kind::Uint32 => put_varint(out, u64::from(integer.to_u32()?)),
        Kind::Uint64 => put_varint(out, integer.to_u64()?),
        Kind::Sint32 => put_varint(out, u64::from(zigzag(i64::from(integer.to_i32()?)) as u32)),
        Kind::Sint64 => put_varint(out, zigzag(integer.to_i64()?)),
        Kind::Fixed32 => out.extend_from_slice(&integer.to_u32()?.to_le_bytes()),
        Kind::Sfixed32 => out.extend_from_slice(&integer.to_i32()?.to_le_bytes()),
        Kind::Fixed64 => out.extend_from_slice(&integer.to_u64()?.to_le_bytes()),
        Kind::Sfixed64 => out.extend_from_slice(&integer.to_i64()?.to_le_bytes()),
        _ => return None,
    }
    Some(())
}

/// Appends the key of a map entry, without its tag; false when the text is no
/// key of this kind.
pub(super) fn put_map_key(out: &mut Vec<u8>, kind: Kind, text: &str) -> bool {
    match kind {
        Kind::String => {
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
            true
        }
        Kind::Bool => {
            let value = match text {
                "true" => 1,
                "false" => 0,
                _ => return false,
            };
            out.push(value);
            true
        }
        _ => put_integer(out, kind, text).is_some(),
    }
}

/// The text of a key that [`put_map_key`] wrote, for an error.
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

fn integer_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a 64-bit integer",
        Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        _ => "a 32-bit integer",
    }
}
