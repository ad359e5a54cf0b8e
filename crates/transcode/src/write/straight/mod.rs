//! The straight pass: messages whose fields come once and in one piece, walked
//! once, in the order they have on the wire.
//!
//! It knows nothing of errors. Whatever it does not take for granted, wrong or
//! only rare, ends it with [`Unusual`], and the careful pass looks again.
//!
//! Positions are those in the whole input; `wire` is the input up to the end of
//! the message at hand, so that nothing behind it is taken for a part of it.

mod list;
mod map;
mod well_known;

use portolan_schema::{Cardinality, Kind, MessageId};

use super::is_zero;
use super::values::Values;
use crate::raw::{Input, Output};
use crate::table::{Content, FieldEntry, Form, MessageTable, Seen, SeenWords};
use crate::wire::{self, Cursor, Type, fixed32_at, fixed64_at, payload_at, varint_at};
use crate::{PrintDefaults, Transcoder, WriteOptions};

/// The message is not as encoders write it, or no message at all.
pub(super) struct Unusual;

/// Where a walk stands when it has come through.
type Walked = Result<usize, Unusual>;

/// Walks over wire bytes and appends JSON.
pub(super) struct Straight<'a> {
    values: Values<'a>,
    wire: Input<'a>,
    /// How many more levels may be entered.
    levels: u32,
    /// Whether zeros without presence are left out.
    skips_zeros: bool,
    words: SeenWords,
}

impl<'a> Straight<'a> {
    #[inline(always)]
    pub(super) fn new(
        transcoder: &'a Transcoder,
        wire: &'a [u8],
        out: Output,
        options: &WriteOptions,
    ) -> Self {
        Self {
            values: Values::new(transcoder, *options, out),
            wire: Input::new(wire),
            levels: options.recursion_limit,
            skips_zeros: options.print_defaults == PrintDefaults::No,
            words: SeenWords::new(),
        }
    }

    /// Gives the output back.
    #[inline(always)]
    pub(super) fn finish(self) -> Output {
        self.words.put_by();
        self.values.out
    }

    /// The whole input as a message of this type.
    pub(super) fn message(&mut self, id: MessageId) -> Result<(), Unusual> {
        self.nested(id, self.wire.bytes(), 0)
    }

    /// One field of the whole input, or its default when it is not there.
    pub(super) fn field(&mut self, table: &MessageTable, index: usize) -> Result<(), Unusual> {
        if table.is_message_set {
            return Err(Unusual);
        }
        let field = &table.fields[index];
        let (wire, mut at, mut found) = (self.wire.bytes(), 0, false);
        while at < wire.len() {
            let (tag, value_at) = tag_at(wire, at)?;
            match table.by_tag(tag, index) {
                Some(other) if other == index => {
                    if found {
                        return Err(Unusual);
                    }
                    found = true;
                    at = self.without_key(field, tag, wire, value_at)?;
                }
                // It may be the member that a oneof ends with.
                Some(other)
                    if field.oneof.is_some() && table.fields[other].oneof == field.oneof =>
                {
                    return Err(Unusual);
                }
                _ => at = self.skip(wire, at)?,
            }
        }
        if !found {
            self.values.default(field);
        }
        Ok(())
    }

    fn without_key(&mut self, field: &FieldEntry, tag: u32, wire: &'a [u8], at: usize) -> Walked {
        match field.cardinality {
            Cardinality::Map => self.map(field, tag, wire, at),
            Cardinality::Repeated | Cardinality::Packed => self.list(field, tag, wire, at),
            _ => self.value(field, wire, at),
        }
    }

    /// The message that is the rest of `wire`.
    fn nested(&mut self, id: MessageId, wire: &'a [u8], at: usize) -> Result<(), Unusual> {
        let table = self.values.transcoder.table(id);
        self.levels = self.levels.checked_sub(1).ok_or(Unusual)?;
        if table.form == Form::Plain {
            self.object(table, wire, at, NO_END)?;
        } else {
            self.special(table, wire, at)?;
        }
        self.levels += 1;
        Ok(())
    }

    /// The message between here and the end tag that belongs to `tag`.
    fn group(&mut self, id: MessageId, tag: u32, wire: &'a [u8], at: usize) -> Walked {
        let table = self.values.transcoder.table(id);
        if table.form != Form::Plain {
            return Err(Unusual);
        }
        self.levels = self.levels.checked_sub(1).ok_or(Unusual)?;
        let end_tag = tag - Type::Start as u32 + Type::End as u32;
        let at = self.object(table, wire, at, end_tag)?;
        self.levels += 1;
        Ok(at)
    }

    #[inline(always)]
    fn object(&mut self, table: &MessageTable, wire: &'a [u8], at: usize, end_tag: u32) -> Walked {
        let start = self.values.out.len();
        let at = self.members(table, wire, at, end_tag)?;
        if self.values.out.len() == start {
            self.values.out.put(b"{}", 2);
        } else {
            // Every member began with a comma.
            self.values.out.set(start, b'{');
            self.values.out.push(b'}');
        }
        Ok(at)
    }

    /// The members of an object, a comma in front of each, up to `end_tag` or,
    /// when that is [`NO_END`], to the end of the bytes.
    fn members(
        &mut self,
        table: &MessageTable,
        wire: &'a [u8],
        mut at: usize,
        end_tag: u32,
    ) -> Walked {
        if table.is_message_set {
            return Err(Unusual);
        }
        let mut seen = self.words.begin(table);
        let mut next = 0;
        loop {
            if at >= wire.len() {
                if end_tag != NO_END {
                    return Err(Unusual);
                }
                break;
            }
            let (tag, value_at) = tag_at(wire, at)?;
            let (index, field) = match table.fields.get(next) {
                Some(field) if field.record_tag == tag => (next, field),
                _ => match table.by_tag(tag, next) {
                    Some(index) => (index, &table.fields[index]),
                    None if tag == end_tag && tag != NO_END => {
                        at = value_at;
                        break;
                    }
                    None => {
                        at = self.skip(wire, at)?;
                        continue;
                    }
                },
            };
            next = index + 1;
            if self.words.mark(&mut seen, index) {
                return Err(Unusual);
            }
            if let Some(oneof) = field.oneof
                && self.words.mark(&mut seen, table.fields.len() + oneof)
            {
                return Err(Unusual);
            }
            at = self.member(field, tag, wire, value_at)?;
        }
        if table.has_required || !self.skips_zeros {
            self.unset(table, &seen)?;
        }
        self.words.end(seen);
        Ok(at)
    }

    /// What is to be said of the fields that were not there.
    #[cold]
    fn unset(&mut self, table: &MessageTable, seen: &Seen) -> Result<(), Unusual> {
        for (index, field) in table.fields.iter().enumerate() {
            if self.words.has(seen, index) {
                continue;
            }
            if field.cardinality == Cardinality::Required {
                return Err(Unusual);
            }
            if self.values.prints_unset(field) {
                self.key(field);
                self.values.unset(field);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn key(&mut self, field: &FieldEntry) {
        field
            .key(self.values.options.proto_names)
            .put(&mut self.values.out);
    }

    /// A field with its key. A zero without presence is as good as absent, also
    /// on the wire.
    #[inline(always)]
    fn member(&mut self, field: &FieldEntry, tag: u32, wire: &'a [u8], at: usize) -> Walked {
        match field.content {
            Content::String => {
                let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
                if start < end || !self.skips_zero(field) {
                    self.key(field);
                    self.string(start, end)?;
                }
                Ok(end)
            }
            Content::Number => {
                let (bits, end) = number_at(field.wire_type, wire, at)?;
                if bits as u32 != 0 || !is_zero(field.kind, bits) || !self.skips_zero(field) {
                    self.key(field);
                    self.values.number(field.kind, bits);
                }
                Ok(end)
            }
            Content::Message => {
                self.key(field);
                self.value(field, wire, at)
            }
            Content::Other => self.other(field, tag, wire, at),
        }
    }

    #[inline(always)]
    fn skips_zero(&self, field: &FieldEntry) -> bool {
        self.skips_zeros && field.cardinality == Cardinality::Implicit
    }

    /// A field that is rarer, or larger, with its key.
    #[inline(never)]
    fn other(&mut self, field: &FieldEntry, tag: u32, wire: &'a [u8], at: usize) -> Walked {
        // The length of bytes, or of a packed record, of which an empty one is
        // as good as none.
        let may_be_empty = match field.cardinality {
            Cardinality::Implicit if field.kind == Kind::Bytes => true,
            // A closed enum, whose zero may be a number it does not have.
            Cardinality::Implicit => return Err(Unusual),
            Cardinality::Packed | Cardinality::Repeated => {
                field.kind.is_packable() && tag & 7 == Type::Bytes as u32
            }
            _ => false,
        };
        if may_be_empty && self.skips_zeros {
            let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
            if start == end {
                return Ok(end);
            }
        }
        self.key(field);
        self.without_key(field, tag, wire, at)
    }

    /// One value, without a key.
    #[inline(always)]
    fn value(&mut self, field: &FieldEntry, wire: &'a [u8], at: usize) -> Walked {
        match field.kind {
            Kind::String => {
                let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
                self.string(start, end)?;
                Ok(end)
            }
            Kind::Bytes => {
                let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
                self.values.bytes(&wire[start..end]);
                Ok(end)
            }
            Kind::Message(id) => {
                let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
                self.nested(id, &wire[..end], start)?;
                Ok(end)
            }
            Kind::Delimited(id) => self.group(id, field.record_tag, wire, at),
            _ => {
                let (bits, end) = number_at(field.wire_type, wire, at)?;
                self.number(field, bits)?;
                Ok(end)
            }
        }
    }

    #[inline(always)]
    fn string(&mut self, start: usize, end: usize) -> Result<(), Unusual> {
        if self.values.string(&self.wire, start, end) {
            Ok(())
        } else {
            Err(Unusual)
        }
    }

    /// A number, boolean or enum. What a closed enum does not have is no value.
    #[inline(always)]
    fn number(&mut self, field: &FieldEntry, bits: u64) -> Result<(), Unusual> {
        if let Some(id) = field.closed_enum
            && !self.values.transcoder.enum_table(id).has(bits as i32)
        {
            return Err(Unusual);
        }
        self.values.number(field.kind, bits);
        Ok(())
    }

    /// Passes over a record of an unknown field.
    #[cold]
    fn skip(&self, wire: &[u8], at: usize) -> Walked {
        let mut cursor = Cursor::new(&wire[at..], at);
        match cursor.next(self.levels) {
            Ok(Some(_)) => Ok(cursor.offset()),
            _ => Err(Unusual),
        }
    }
}

/// The end tag of a message that has none.
const NO_END: u32 = 0;

/// The tag at `at`, and what is behind it.
#[inline(always)]
fn tag_at(wire: &[u8], at: usize) -> Result<(u32, usize), Unusual> {
    let (tag, next) = varint_at(wire, at).ok_or(Unusual)?;
    Ok((u32::try_from(tag).map_err(|_| Unusual)?, next))
}

/// Behind the tag at `at`, when it is this one. One of a single byte is only
/// known in its shortest form; the careful pass knows the others.
#[inline(always)]
fn behind_tag(tag: u32, wire: &[u8], at: usize) -> Option<usize> {
    if tag < 0x80 {
        (wire.get(at) == Some(&(tag as u8))).then_some(at + 1)
    } else {
        behind_long_tag(tag, wire, at)
    }
}

#[inline(never)]
fn behind_long_tag(tag: u32, wire: &[u8], at: usize) -> Option<usize> {
    match varint_at(wire, at) {
        Some((found, next)) if found == u64::from(tag) => Some(next),
        _ => None,
    }
}

/// The bits of the number at `at`.
#[inline(always)]
fn number_at(wire_type: wire::Type, wire: &[u8], at: usize) -> Result<(u64, usize), Unusual> {
    match wire_type {
        Type::Fixed64 => fixed64_at(wire, at),
        Type::Fixed32 => fixed32_at(wire, at).map(|(bits, next)| (u64::from(bits), next)),
        _ => varint_at(wire, at),
    }
    .ok_or(Unusual)
}
