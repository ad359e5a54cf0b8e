//! From wire bytes to JSON: scalars, enums, strings and map keys.

use portolan_schema::{DefaultValue, Kind};

use super::Writer;
use crate::table::FieldEntry;
use crate::text::base64;
use crate::wire::{Record, unzigzag};
use crate::{Error, Problem};

impl Writer<'_> {
    pub(super) fn scalar(&mut self, kind: Kind, record: &Record<'_>) -> Result<(), Error> {
        let value = record.scalar;
        match kind {
            Kind::Double => self.double(f64::from_bits(value)),
            Kind::Float => self.float(f32::from_bits(value as u32)),
            Kind::Int32 | Kind::Sfixed32 => self.integer(value as i32),
            Kind::Sint32 => self.integer(unzigzag(u64::from(value as u32)) as i32),
            Kind::Uint32 | Kind::Fixed32 => self.integer(value as u32),
            Kind::Int64 | Kind::Sfixed64 => self.quoted_integer(value.cast_signed()),
            Kind::Sint64 => self.quoted_integer(unzigzag(value)),
            Kind::Uint64 | Kind::Fixed64 => self.quoted_integer(value),
            Kind::Bool => self.boolean(value != 0),
            Kind::Enum(id) => self.enumeration(id, value as i32),
            Kind::String => {
                let Ok(text) = std::str::from_utf8(record.bytes) else {
                    return Err(Error::new(
                        Problem::Wire("a string that is not UTF-8"),
                        record.payload_offset(),
                    ));
                };
                string(self.out, text);
            }
            Kind::Bytes => self.base64(record.bytes),
            Kind::Message(_) | Kind::Delimited(_) => {}
        }
        Ok(())
    }

    pub(super) fn default_scalar(&mut self, kind: Kind) {
        match kind {
            Kind::String | Kind::Bytes => self.out.extend_from_slice(b"\"\""),
            Kind::Bool => self.out.extend_from_slice(b"false"),
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
                self.out.extend_from_slice(b"\"0\"");
            }
            Kind::Enum(id) => {
                let first = self.transcoder.schema().enumeration(id).values().first();
                let number = first.map_or(0, portolan_schema::EnumValue::number);
                self.enumeration(id, number);
            }
            _ => self.out.push(b'0'),
        }
    }

    /// The default that a contract gives a field of this kind.
    pub(super) fn declared_default(&mut self, kind: Kind, value: &DefaultValue) {
        let is_wide = matches!(
            kind,
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
        );
        match value {
            DefaultValue::Int(value) if is_wide => self.quoted_integer(*value),
            DefaultValue::Uint(value) if is_wide => self.quoted_integer(*value),
            DefaultValue::Int(value) => self.integer(*value),
            DefaultValue::Uint(value) => self.integer(*value),
            DefaultValue::Double(value) => self.double(*value),
            DefaultValue::Float(value) => self.float(*value),
            DefaultValue::Bool(value) => self.boolean(*value),
            DefaultValue::String(value) => string(self.out, value),
            DefaultValue::Bytes(value) => self.base64(value),
            DefaultValue::Enum(number) => {
                if let Kind::Enum(id) = kind {
                    self.enumeration(id, *number);
                }
            }
        }
    }

    fn enumeration(&mut self, id: portolan_schema::EnumId, number: i32) {
        let enumeration = self.transcoder.schema().enumeration(id);
        if enumeration.name() == "google.protobuf.NullValue" {
            self.out.extend_from_slice(b"null");
            return;
        }
        match self.transcoder.enum_table(id).name(number) {
            Some(name) if !self.options.enums_as_numbers => {
                string(self.out, name);
            }
            _ => self.integer(number),
        }
    }

    /// The key of a map entry, always a string; the default when it is left out.
    pub(super) fn map_key(
        &mut self,
        field: &FieldEntry,
        record: Option<&Record<'_>>,
        text: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = self.out.len();
        match record {
            Some(record) => self.scalar(field.kind, record)?,
            None => self.default_scalar(field.kind),
        }
        let quoted = self.out.get(start) == Some(&b'"');
        if !quoted {
            text.push(b'"');
        }
        text.extend_from_slice(&self.out[start..]);
        if !quoted {
            text.push(b'"');
        }
        self.out.truncate(start);
        Ok(())
    }

    fn boolean(&mut self, value: bool) {
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        base64::encode(bytes, self.out);
        self.out.push(b'"');
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn quoted_integer(&mut self, value: impl itoa::Integer) {
        self.out.push(b'"');
        self.integer(value);
        self.out.push(b'"');
    }

    pub(super) fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.shortest(zmij::Buffer::new().format_finite(value));
        } else {
            self.not_finite(value.is_nan(), value < 0.0);
        }
    }

    pub(super) fn float(&mut self, value: f32) {
        if value.is_finite() {
            self.shortest(zmij::Buffer::new().format_finite(value));
        } else {
            self.not_finite(value.is_nan(), value < 0.0);
        }
    }

    /// The shortest decimal that reads back as the same number, without the
    /// `.0` of whole numbers.
    fn shortest(&mut self, text: &str) {
        let text = text.strip_suffix(".0").unwrap_or(text);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn not_finite(&mut self, nan: bool, negative: bool) {
        let text: &[u8] = match (nan, negative) {
            (true, _) => b"\"NaN\"",
            (false, true) => b"\"-Infinity\"",
            (false, false) => b"\"Infinity\"",
        };
        self.out.extend_from_slice(text);
    }
}

/// Whether a record holds the default of its kind. A negative zero is another
/// value.
pub(super) fn is_zero(kind: Kind, record: &Record<'_>) -> bool {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Delimited(_) => {
            record.bytes.is_empty()
        }
        // What is beyond the 32nd bit of a varint does not count.
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => record.scalar as u32 == 0,
        _ => record.scalar == 0,
    }
}

/// Appends a JSON string (RFC 8259 §7).
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..index]);
        start = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}
