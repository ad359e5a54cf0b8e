//! The straight pass: the well-known types with a form of their own
//! (protobuf.dev, "ProtoJSON Format"). All but `Any` have one or two fields;
//! any other record ends the pass.

use portolan_schema::Kind;

use super::{NO_END, Straight, Unusual, behind_tag, tag_at};
use crate::table::{Form, MessageTable};
use crate::text::{duration, timestamp};
use crate::wire::{payload_at, varint_at};

/// The tags of the types whose fields the specification fixes.
const SECONDS: u32 = 1 << 3;
const NANOS: u32 = 2 << 3;
const PATHS: u32 = 1 << 3 | 2;
const TYPE_URL: u32 = 1 << 3 | 2;
const ANY_VALUE: u32 = 2 << 3 | 2;

impl<'a> Straight<'a> {
    /// The message that is the rest of `wire`.
    pub(super) fn special(
        &mut self,
        table: &MessageTable,
        wire: &'a [u8],
        at: usize,
    ) -> Result<(), Unusual> {
        match table.form {
            Form::Timestamp => self.timestamp(wire, at),
            Form::Duration => self.duration(wire, at),
            Form::FieldMask => self.field_mask(wire, at),
            Form::Struct | Form::ListValue => self.only_field(table, wire, at),
            Form::Value => self.dynamic_value(table, wire, at),
            Form::Wrapper => self.wrapper(table, wire, at),
            Form::Any => self.any(wire, at),
            Form::Plain => self.object(table, wire, at, NO_END).map(|_| ()),
        }
    }

    fn timestamp(&mut self, wire: &[u8], at: usize) -> Result<(), Unusual> {
        let (seconds, nanos) = seconds_and_nanos(wire, at)?;
        let (text, length) = timestamp::write(seconds, nanos).ok_or(Unusual)?;
        self.values.out.put(&text, length);
        Ok(())
    }

    fn duration(&mut self, wire: &[u8], at: usize) -> Result<(), Unusual> {
        let (seconds, nanos) = seconds_and_nanos(wire, at)?;
        let (text, length) = duration::write(seconds, nanos).ok_or(Unusual)?;
        self.values.out.put(&text, length);
        Ok(())
    }

    /// Paths of plain names; whatever else a path may hold is left to the
    /// careful pass.
    fn field_mask(&mut self, wire: &[u8], mut at: usize) -> Result<(), Unusual> {
        self.values.out.push(b'"');
        while let Some(next) = behind_tag(PATHS, wire, at) {
            let (start, end) = payload_at(wire, next).ok_or(Unusual)?;
            if start == end {
                return Err(Unusual);
            }
            let mut path = wire[start..end].iter();
            while let Some(byte) = path.next() {
                let byte = match byte {
                    b'a'..=b'z' | b'0'..=b'9' | b'.' => *byte,
                    b'_' => match path.next() {
                        Some(letter) if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
                        _ => return Err(Unusual),
                    },
                    _ => return Err(Unusual),
                };
                self.values.out.push(byte);
            }
            self.values.out.push(b',');
            at = end;
        }
        if at != wire.len() {
            return Err(Unusual);
        }
        // The last comma, if there is any, becomes the quote.
        if self.values.out.as_slice().ends_with(b",") {
            let last = self.values.out.len() - 1;
            self.values.out.set(last, b'"');
        } else {
            self.values.out.push(b'"');
        }
        Ok(())
    }

    /// A `Struct` or a `ListValue`: the bare value of its one field.
    fn only_field(
        &mut self,
        table: &MessageTable,
        wire: &'a [u8],
        at: usize,
    ) -> Result<(), Unusual> {
        let field = table.fields.first().ok_or(Unusual)?;
        if at == wire.len() {
            self.values.default(field);
            return Ok(());
        }
        let tag = field.record_tag;
        let start = behind_tag(tag, wire, at).ok_or(Unusual)?;
        whole(self.without_key(field, tag, wire, start)?, wire)
    }

    /// The one member of the oneof `kind` that is set.
    fn dynamic_value(
        &mut self,
        table: &MessageTable,
        wire: &'a [u8],
        at: usize,
    ) -> Result<(), Unusual> {
        let (tag, start) = tag_at(wire, at)?;
        let index = table.by_tag(tag, 0).ok_or(Unusual)?;
        let field = &table.fields[index];
        if field.kind == Kind::Double {
            let (bits, end) = super::fixed64_at(wire, start).ok_or(Unusual)?;
            let number = f64::from_bits(bits);
            if !number.is_finite() {
                return Err(Unusual);
            }
            self.values.double(number);
            return whole(end, wire);
        }
        // A struct or a list is one level together with the value that it is.
        self.levels += 1;
        let end = self.value(field, wire, start)?;
        self.levels -= 1;
        whole(end, wire)
    }

    fn wrapper(&mut self, table: &MessageTable, wire: &'a [u8], at: usize) -> Result<(), Unusual> {
        let field = table.fields.first().ok_or(Unusual)?;
        if at == wire.len() {
            self.values.default_scalar(field.kind);
            return Ok(());
        }
        let start = behind_tag(field.record_tag, wire, at).ok_or(Unusual)?;
        whole(self.value(field, wire, start)?, wire)
    }

    fn any(&mut self, wire: &'a [u8], at: usize) -> Result<(), Unusual> {
        if at == wire.len() {
            self.values.out.put(b"{}", 2);
            return Ok(());
        }
        let start = behind_tag(TYPE_URL, wire, at).ok_or(Unusual)?;
        let (start, end) = payload_at(wire, start).ok_or(Unusual)?;
        let type_url = std::str::from_utf8(&wire[start..end]).map_err(|_| Unusual)?;
        let id = self
            .values
            .transcoder
            .resolve_any(type_url)
            .ok_or(Unusual)?;
        let (value, value_end) = match behind_tag(ANY_VALUE, wire, end) {
            Some(start) => payload_at(wire, start).ok_or(Unusual)?,
            None => (end, end),
        };
        whole(value_end, wire)?;
        self.values.out.put(b"{\"@type\":", 9);
        self.string(start, end)?;
        let table = self.values.transcoder.table(id);
        let wire = &wire[..value_end];
        if table.form == Form::Plain {
            // The members stand beside the type, so this level is entered here.
            self.levels = self.levels.checked_sub(1).ok_or(Unusual)?;
            self.members(table, wire, value, NO_END)?;
            self.levels += 1;
        } else {
            self.values.out.put(b",\"value\":", 9);
            self.nested(id, wire, value)?;
        }
        self.values.out.push(b'}');
        Ok(())
    }
}

/// Whether everything was walked over.
fn whole(at: usize, wire: &[u8]) -> Result<(), Unusual> {
    if at == wire.len() {
        Ok(())
    } else {
        Err(Unusual)
    }
}

/// The fields of a timestamp or a duration.
#[inline(always)]
fn seconds_and_nanos(wire: &[u8], mut at: usize) -> Result<(i64, i32), Unusual> {
    let (mut seconds, mut nanos) = (0, 0);
    while at < wire.len() {
        let (tag, start) = tag_at(wire, at)?;
        let (value, end) = varint_at(wire, start).ok_or(Unusual)?;
        match tag {
            SECONDS => seconds = value.cast_signed(),
            NANOS => nanos = value as i32,
            _ => return Err(Unusual),
        }
        at = end;
    }
    Ok((seconds, nanos))
}
