//! The straight pass: lists, packed or a record for each value, as long as the
//! records follow one another.

use portolan_schema::Kind;

use super::{Straight, Unusual, Walked, behind_tag, number_at};
use crate::table::FieldEntry;
use crate::wire::{Type, payload_at, varint_at};
use crate::write::values::Values;

impl<'a> Straight<'a> {
    /// The records of a list, of which the first has this tag.
    pub(super) fn list(
        &mut self,
        field: &FieldEntry,
        tag: u32,
        wire: &'a [u8],
        mut at: usize,
    ) -> Walked {
        if tag & 7 == Type::Bytes as u32 && field.kind.is_packable() {
            return self.packed(field, wire, at);
        }
        self.values.out.push(b'[');
        loop {
            at = self.value(field, wire, at)?;
            match behind_tag(tag, wire, at) {
                Some(next) => {
                    self.values.out.push(b',');
                    at = next;
                }
                None => break,
            }
        }
        self.values.out.push(b']');
        Ok(at)
    }

    fn packed(&mut self, field: &FieldEntry, wire: &'a [u8], at: usize) -> Walked {
        let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
        let wire = &wire[..end];
        self.values.out.push(b'[');
        match field.kind {
            Kind::Float => self.floats(&wire[start..])?,
            Kind::Double => self.doubles(&wire[start..])?,
            Kind::Int32 => self.varints(wire, start, |values, bits| {
                values.integer(i64::from(bits as i32));
            })?,
            Kind::Uint32 => self.varints(wire, start, |values, bits| {
                values.unsigned(u64::from(bits as u32));
            })?,
            Kind::Int64 => self.varints(wire, start, |values, bits| {
                values.quoted_integer(bits.cast_signed());
            })?,
            _ => {
                let mut at = start;
                while at < end {
                    let (bits, next) = number_at(field.wire_type, wire, at)?;
                    self.number(field, bits)?;
                    self.values.out.push(b',');
                    at = next;
                }
            }
        }
        // The last comma, if there is any, becomes the bracket.
        if start < end {
            let last = self.values.out.len() - 1;
            self.values.out.set(last, b']');
        } else {
            self.values.out.push(b']');
        }
        Ok(end)
    }

    #[inline(always)]
    fn varints(
        &mut self,
        wire: &[u8],
        mut at: usize,
        put: impl Fn(&mut Values<'a>, u64),
    ) -> Result<(), Unusual> {
        while at < wire.len() {
            let (bits, next) = varint_at(wire, at).ok_or(Unusual)?;
            put(&mut self.values, bits);
            self.values.out.push(b',');
            at = next;
        }
        Ok(())
    }

    /// Vectors have hundreds of them.
    fn floats(&mut self, wire: &[u8]) -> Result<(), Unusual> {
        let (floats, rest) = wire.as_chunks();
        for bytes in floats {
            self.values.float(f32::from_le_bytes(*bytes));
            self.values.out.push(b',');
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(Unusual)
        }
    }

    fn doubles(&mut self, wire: &[u8]) -> Result<(), Unusual> {
        let (doubles, rest) = wire.as_chunks();
        for bytes in doubles {
            self.values.double(f64::from_le_bytes(*bytes));
            self.values.out.push(b',');
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(Unusual)
        }
    }
}
