//! How single values look in JSON: numbers, booleans, enums, bytes.

use portolan_schema::{EnumId, Kind};

use super::string;
use crate::number::print;
use crate::raw::{Input, Level, Output};
use crate::text::base64;
use crate::wire::unzigzag;
use crate::{Transcoder, WriteOptions};

/// The output, and what decides how a value looks in it.
pub(super) struct Values<'a> {
    pub(super) transcoder: &'a Transcoder,
    pub(super) options: WriteOptions,
    pub(super) out: Output,
    level: Level,
}

impl<'a> Values<'a> {
    pub(super) fn new(transcoder: &'a Transcoder, options: WriteOptions, out: Output) -> Self {
        Self {
            transcoder,
            options,
            out,
            level: transcoder.level(),
        }
    }

    /// A value that is a number on the wire, as the 32 or 64 bits there are or
    /// as the varint.
    #[inline(never)]
    pub(super) fn number(&mut self, kind: Kind, bits: u64) {
        match kind {
            Kind::Double => self.double(f64::from_bits(bits)),
            Kind::Float => self.float(f32::from_bits(bits as u32)),
            Kind::Int32 | Kind::Sfixed32 => self.integer(i64::from(bits as i32)),
            Kind::Sint32 => self.integer(i64::from(unzigzag(u64::from(bits as u32)) as i32)),
            Kind::Uint32 | Kind::Fixed32 => self.unsigned(u64::from(bits as u32)),
            Kind::Int64 | Kind::Sfixed64 => self.quoted_integer(bits.cast_signed()),
            Kind::Sint64 => self.quoted_integer(unzigzag(bits)),
            Kind::Uint64 | Kind::Fixed64 => self.quoted_unsigned(bits),
            Kind::Bool => self.boolean(bits != 0),
            Kind::Enum(id) => self.enumeration(id, bits as i32),
            Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Delimited(_) => {}
        }
    }

    /// `source[at..end]`; false when it is not UTF-8. Bytes of `source` behind
    /// `end` may be looked at.
    #[inline(always)]
    pub(super) fn string(&mut self, source: &Input<'_>, at: usize, end: usize) -> bool {
        string::put(&mut self.out, source, at, end, self.level)
    }

    /// A text of its own.
    pub(super) fn text(&mut self, text: &str) {
        self.string(&Input::new(text.as_bytes()), 0, text.len());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.with_vec(|out| {
            out.push(b'"');
            base64::encode(bytes, out);
            out.push(b'"');
        });
    }

    #[inline(always)]
    pub(super) fn boolean(&mut self, value: bool) {
        if value {
            self.out.put(b"true", 4);
        } else {
            self.out.put(b"false", 5);
        }
    }

    #[inline(always)]
    pub(super) fn integer(&mut self, value: i64) {
        let mut text = [0; 32];
        let length = print::i64(value, &mut text);
        self.out.put(&text, length);
    }

    #[inline(always)]
    pub(super) fn unsigned(&mut self, value: u64) {
        let mut text = [0; 32];
        let length = print::u64(value, &mut text);
        self.out.put(&text, length);
    }

    #[inline(always)]
    pub(super) fn quoted_integer(&mut self, value: i64) {
        let mut text = [0; 32];
        let length = print::i64(value, &mut text);
        self.quoted(&mut text, length);
    }

    #[inline(always)]
    pub(super) fn quoted_unsigned(&mut self, value: u64) {
        let mut text = [0; 32];
        let length = print::u64(value, &mut text);
        self.quoted(&mut text, length);
    }

    #[inline(always)]
    fn quoted(&mut self, text: &mut [u8; 32], length: usize) {
        // The longest integer has twenty bytes.
        text[length & 31] = b'"';
        self.out.push(b'"');
        self.out.put(text, length + 1);
    }

    #[inline(always)]
    pub(super) fn double(&mut self, value: f64) {
        if value.is_finite() {
            let mut text = [0; 32];
            let length = print::f64(value, &mut text);
            self.out.put(&text, length);
        } else {
            self.not_finite(value.is_nan(), value < 0.0);
        }
    }

    #[inline(always)]
    pub(super) fn float(&mut self, value: f32) {
        if value.is_finite() {
            let mut text = [0; 32];
            let length = print::f32(value, &mut text);
            self.out.put(&text, length);
        } else {
            self.not_finite(value.is_nan(), value < 0.0);
        }
    }

    #[cold]
    fn not_finite(&mut self, nan: bool, negative: bool) {
        self.out.extend(match (nan, negative) {
            (true, _) => b"\"NaN\"",
            (false, true) => b"\"-Infinity\"",
            (false, false) => b"\"Infinity\"",
        });
    }

    #[inline(always)]
    pub(super) fn enumeration(&mut self, id: EnumId, number: i32) {
        let table = self.transcoder.enum_table(id);
        if table.is_null {
            self.out.put(b"null", 4);
        } else if self.options.enums_as_numbers || !table.put_name(number, &mut self.out) {
            self.integer(i64::from(number));
        }
    }
}
