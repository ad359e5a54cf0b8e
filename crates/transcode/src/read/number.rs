//! From JSON to wire bytes: numbers, bare or in quotes.

use portolan_schema::Kind;

use super::scalar::bad_value;
use super::{Reader, Written};
use crate::Error;
use crate::json::{Step, is_number_start};
use crate::number::{Number, PlainInteger, short_floats};
use crate::raw::Output;
use crate::wire::zigzag;

/// What a number may be given as.
enum Numeral<'n> {
    Number(Number<'n>),
    /// Of the three names that JSON has no number for, which are strings only.
    NotFinite(f32),
}

impl Reader<'_> {
    #[inline]
    pub(super) fn integer(&mut self, kind: Kind) -> Result<(), Error> {
        let at = self.json.at();
        if let Some(integer) = self.json.plain_integer() {
            if let Some(bits) = plain_bits(kind, integer) {
                self.written = put_bits(&mut self.out, kind, bits);
                return Ok(());
            }
            self.json.go_to(at);
        }
        self.integer_in_full(kind)
    }

    #[inline(never)]
    fn integer_in_full(&mut self, kind: Kind) -> Result<(), Error> {
        self.number("an integer", |reader, numeral, text, at| {
            if let Some(Numeral::Number(number)) = numeral
                && let Some(written) = put_integer(&mut reader.out, kind, number)
            {
                reader.written = written;
                return Ok(());
            }
            Err(bad_value(integer_name(kind), text, at))
        })
    }

    #[inline(always)]
    pub(super) fn float(&mut self) -> Result<(), Error> {
        self.json.solid();
        let at = self.json.at();
        if let Some(value) = self.json.number().and_then(Number::to_f32) {
            self.put_float(value);
            return Ok(());
        }
        self.json.go_to(at);
        self.float_in_full()
    }

    /// The elements of an array of floats, as many at once as are in their usual
    /// form.
    pub(super) fn floats(&mut self) -> Result<(), Error> {
        self.json.enter(b'[', "an array")?;
        let mut step = self.json.first_element()?;
        let mut index = 0;
        let mut some = [[0; 4]; 32];
        let level = self.transcoder.level();
        while step == Step::More {
            let (text, at) = (self.json.text(), self.json.at());
            let (count, at) = short_floats(text, at, &mut some, level);
            self.out.extend(some[..count].as_flattened());
            self.json.go_to(at);
            index += count;
            if count == some.len() {
                continue;
            }
            self.float().map_err(|error| error.at_index(index))?;
            index += 1;
            step = self.json.after_element()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn put_float(&mut self, value: f32) {
        self.out.put(&value.to_le_bytes(), 4);
        self.written = Written::unless(value.to_bits() == 0);
    }

    #[inline(never)]
    fn float_in_full(&mut self) -> Result<(), Error> {
        self.number("a number", |reader, numeral, text, at| {
            let value = match numeral {
                Some(Numeral::Number(number)) => number.to_f32(),
                Some(Numeral::NotFinite(value)) => Some(value),
                None => None,
            };
            reader.put_float(value.ok_or_else(|| bad_value("a float", text, at))?);
            Ok(())
        })
    }

    #[inline(always)]
    pub(super) fn double(&mut self) -> Result<(), Error> {
        self.json.solid();
        let at = self.json.at();
        if let Some(value) = self.json.number().and_then(Number::to_f64) {
            self.put_double(value);
            return Ok(());
        }
        self.json.go_to(at);
        self.double_in_full()
    }

    #[inline(always)]
    fn put_double(&mut self, value: f64) {
        self.out.put(&value.to_le_bytes(), 8);
        self.written = Written::unless(value.to_bits() == 0);
    }

    #[inline(never)]
    fn double_in_full(&mut self) -> Result<(), Error> {
        self.number("a number", |reader, numeral, text, at| {
            let value = match numeral {
                Some(Numeral::Number(number)) => number.to_f64(),
                Some(Numeral::NotFinite(value)) => Some(f64::from(value)),
                None => None,
            };
            reader.put_double(value.ok_or_else(|| bad_value("a double", text, at))?);
            Ok(())
        })
    }

    /// Gives a number, bare or in quotes, with its text and its place; nothing
    /// but the text when what is in quotes is no number.
    #[inline(always)]
    fn number(
        &mut self,
        expected: &'static str,
        with: impl Fn(&mut Self, Option<Numeral<'_>>, &[u8], usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let first = self.json.peek()?;
        let at = self.json.at();
        if let Some(number) = self.json.number() {
            return with(self, Some(Numeral::Number(number)), number.text(), at);
        }
        if first == b'"' {
            return self.quoted(|reader, text, at| with(reader, numeral(text), text, at));
        }
        if is_number_start(first) {
            return Err(self.json.bad_number());
        }
        Err(self.json.wrong_type(expected, first))
    }
}

#[inline(never)]
fn numeral(text: &[u8]) -> Option<Numeral<'_>> {
    match text {
        b"NaN" => Some(Numeral::NotFinite(f32::NAN)),
        b"Infinity" => Some(Numeral::NotFinite(f32::INFINITY)),
        b"-Infinity" => Some(Numeral::NotFinite(f32::NEG_INFINITY)),
        _ => Number::parse_all(text).map(Numeral::Number),
    }
}

/// Appends an integer as a value of this kind; `None` when it does not fit.
#[inline]
pub(super) fn put_integer(out: &mut Output, kind: Kind, integer: Number<'_>) -> Option<Written> {
    let bits = match kind {
        Kind::Int32 | Kind::Sfixed32 => i64::from(integer.to_i32()?).cast_unsigned(),
        Kind::Int64 | Kind::Sfixed64 => integer.to_i64()?.cast_unsigned(),
        Kind::Uint32 | Kind::Fixed32 => u64::from(integer.to_u32()?),
        Kind::Uint64 | Kind::Fixed64 => integer.to_u64()?,
        Kind::Sint32 => u64::from(zigzag(i64::from(integer.to_i32()?)) as u32),
        Kind::Sint64 => zigzag(integer.to_i64()?),
        _ => return None,
    };
    Some(put_bits(out, kind, bits))
}

/// An integer as the wire has it; `None` when it does not fit.
#[inline(always)]
fn plain_bits(kind: Kind, integer: PlainInteger) -> Option<u64> {
    if matches!(
        kind,
        Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64
    ) {
        let value = integer.to_u64()?;
        let fits = matches!(kind, Kind::Uint64 | Kind::Fixed64) || u32::try_from(value).is_ok();
        return fits.then_some(value);
    }
    let value = integer.to_i64()?;
    let fits =
        matches!(kind, Kind::Int64 | Kind::Sfixed64 | Kind::Sint64) || i32::try_from(value).is_ok();
    // Of a `sint32` no more than 32 bits are set either way.
    let zigzags = matches!(kind, Kind::Sint32 | Kind::Sint64);
    fits.then(|| {
        if zigzags {
            zigzag(value)
        } else {
            value.cast_unsigned()
        }
    })
}

#[inline(always)]
fn put_bits(out: &mut Output, kind: Kind, bits: u64) -> Written {
    match kind {
        Kind::Fixed32 | Kind::Sfixed32 => out.put(&(bits as u32).to_le_bytes(), 4),
        Kind::Fixed64 | Kind::Sfixed64 => out.put(&bits.to_le_bytes(), 8),
        _ => out.varint(bits),
    }
    Written::unless(bits == 0)
}

fn integer_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a 64-bit integer",
        Kind::Uint64 | Kind::Fixed64 => "an unsigned 64-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        _ => "a 32-bit integer",
    }
}
