//! From wire bytes to JSON: messages, fields and lists.
//!
//! Fields may come in any order, a repeated field in pieces, a singular one
//! several times (protobuf.dev, "Last One Wins"). A message in the order that
//! encoders write is walked once; any other is sorted first.

mod layout;
mod map;
mod members;
mod message_set;
mod order;
mod scalar;
mod unknown;
mod well_known;

use portolan_schema::{Cardinality, Kind, MessageId};

use crate::table::{FieldEntry, Form, MessageTable};
use crate::wire::{self, Cursor, Record};
use crate::{Error, Problem, Transcoder, WriteOptions};

pub(crate) use scalar::string;

/// Reads wire bytes and appends JSON.
pub(crate) struct Writer<'a> {
    transcoder: &'a Transcoder,
    out: &'a mut Vec<u8>,
    options: &'a WriteOptions,
    /// How many more levels may be entered.
    levels: u32,
    /// How many spaces a new line begins with, when there are lines.
    indent: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        transcoder: &'a Transcoder,
        out: &'a mut Vec<u8>,
        options: &'a WriteOptions,
    ) -> Self {
        Self {
            transcoder,
            out,
            options,
            levels: options.recursion_limit,
            indent: 0,
        }
    }

    /// A message; `base` is where `wire` begins in the whole input.
    pub(crate) fn message(&mut self, id: MessageId, wire: &[u8], base: usize) -> Result<(), Error> {
        let table = self.transcoder.table(id);
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(Error::new(
                Problem::TooDeep(self.options.recursion_limit),
                base,
            ));
        };
        self.levels = levels;
        match table.form {
            Form::Plain => {
                self.begin(b'{');
                let mut first = true;
                self.members(table, wire, base, &mut first)?;
                self.end(b'}', first);
                Ok(())
            }
            Form::Any => self.any(table, wire, base),
            Form::Timestamp => self.timestamp(wire, base),
            Form::Duration => self.duration(wire, base),
            Form::FieldMask => self.field_mask(wire, base),
            Form::Struct | Form::ListValue => self.only_field(table, wire, base),
            Form::Value => self.dynamic_value(table, wire, base),
            Form::Wrapper => self.wrapper(table, wire, base),
        }?;
        self.levels += 1;
        Ok(())
    }

    /// The value of one field, or its default when it is not there.
    pub(crate) fn field_by_name(
        &mut self,
        id: MessageId,
        name: &str,
        wire: &[u8],
    ) -> Result<(), Error> {
        let table = self.transcoder.table(id);
        let Some(index) = table.by_name(name, 0) else {
            let problem = Problem::UnknownField {
                field: name.to_owned(),
                message: table.name.to_string(),
            };
            return Err(Error::new(problem, 0));
        };
        let field = &table.fields[index];
        let items;
        let wire = if table.is_message_set {
            items = self.items(table, wire, 0)?;
            &items.known
        } else {
            wire
        };
        let records: Vec<Record<'_>> = self
            .sorted(table, wire, 0)?
            .into_iter()
            .filter(|(found, _)| *found == index)
            .map(|(_, record)| record)
            .collect();
        if records.is_empty() {
            self.default(field);
            return Ok(());
        }
        self.value_of(field, records.iter().copied())
    }

    /// What the records of one field say.
    fn value_of<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>> + Clone,
    ) -> Result<(), Error> {
        match field.cardinality {
            Cardinality::Map => self.map(field, records),
            Cardinality::Repeated | Cardinality::Packed => self.list(field, records),
            _ => self.singular(field, records),
        }
    }

    /// The last value counts; messages are merged.
    fn singular<'w>(
        &mut self,
        field: &FieldEntry,
        mut records: impl Iterator<Item = Record<'w>> + Clone,
    ) -> Result<(), Error> {
        let Some(id) = field.kind.message() else {
            let Some(record) = records.last() else {
                return Ok(());
            };
            return self.value(field, &record);
        };
        let Some(only) = records.next() else {
            return Ok(());
        };
        let rest: Vec<Record<'w>> = records.collect();
        if rest.is_empty() {
            return self.message(id, only.bytes, only.payload_offset());
        }
        // Concatenating encoded messages merges them. Each is one, so that
        // none ends in the middle of a record that the next one continues.
        let mut merged = only.bytes.to_vec();
        for record in std::iter::once(&only).chain(&rest) {
            let mut piece = Cursor::new(record.bytes, record.payload_offset());
            while piece.next(self.levels)?.is_some() {}
        }
        for record in rest {
            merged.extend_from_slice(record.bytes);
        }
        self.message(id, &merged, only.payload_offset())
    }

    fn list<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>>,
    ) -> Result<(), Error> {
        self.begin(b'[');
        let mut first = true;
        let mut index = 0;
        for record in records {
            if !field.kind.is_packable() || record.wire_type != wire::Type::Bytes {
                self.element(&mut first);
                self.value(field, &record)
                    .map_err(|error| error.at_index(index))?;
                index += 1;
            } else if matches!(field.kind, Kind::Float | Kind::Double) {
                self.packed_floats(field.kind, &record, &mut first)?;
            } else {
                let mut packed = Cursor::new(record.bytes, record.payload_offset());
                while !packed.is_empty() {
                    let value = packed_value(&mut packed, field.kind, &record)?;
                    if !self.is_unknown_enum(field, value.scalar) {
                        self.element(&mut first);
                        self.value(field, &value)
                            .map_err(|error| error.at_index(index))?;
                        index += 1;
                    }
                }
            }
        }
        self.end(b']', first);
        Ok(())
    }

    /// A packed record of floating-point numbers: a vector has hundreds, and
    /// none of them can be wrong.
    fn packed_floats(
        &mut self,
        kind: Kind,
        record: &Record<'_>,
        first: &mut bool,
    ) -> Result<(), Error> {
        let rest = if kind == Kind::Float {
            let (floats, rest) = record.bytes.as_chunks();
            for bytes in floats {
                self.element(first);
                self.float(f32::from_le_bytes(*bytes));
            }
            rest
        } else {
            let (doubles, rest) = record.bytes.as_chunks();
            for bytes in doubles {
                self.element(first);
                self.double(f64::from_le_bytes(*bytes));
            }
            rest
        };
        if rest.is_empty() {
            return Ok(());
        }
        let whole = record.bytes.len() - rest.len();
        Err(Error::new(
            Problem::Truncated,
            record.payload_offset() + whole,
        ))
    }

    /// A single value of a field that is there.
    fn value(&mut self, field: &FieldEntry, record: &Record<'_>) -> Result<(), Error> {
        match field.kind {
            Kind::Message(id) | Kind::Delimited(id) => {
                self.message(id, record.bytes, record.payload_offset())
            }
            kind => self.scalar(kind, record),
        }
    }

    /// The default of a field, as `print_defaults` has it.
    fn default(&mut self, field: &FieldEntry) {
        match field.cardinality {
            Cardinality::Map => self.out.extend_from_slice(b"{}"),
            Cardinality::Repeated | Cardinality::Packed => self.out.extend_from_slice(b"[]"),
            _ if field.kind.message().is_some() => self.out.extend_from_slice(b"null"),
            _ => match &field.default {
                Some(value) => self.declared_default(field.kind, value),
                None => self.default_scalar(field.kind),
            },
        }
    }

    /// The field that a record belongs to; `None` for an unknown field. That is
    /// also what a number becomes that a closed enum does not have.
    fn find(&self, table: &MessageTable, record: &Record<'_>, guess: usize) -> Option<usize> {
        let index = of_type(table, record, guess)?;
        let unknown = record.wire_type == wire::Type::Varint
            && self.is_unknown_enum(&table.fields[index], record.scalar);
        (!unknown).then_some(index)
    }

    fn is_unknown_enum(&self, field: &FieldEntry, number: u64) -> bool {
        field
            .closed_enum
            .is_some_and(|id| self.transcoder.enum_table(id).name(number as i32).is_none())
    }
}

/// The field that a record belongs to; `None` when the contract has none, or
/// one of another wire type, which makes the record an unknown field.
fn of_type(table: &MessageTable, record: &Record<'_>, guess: usize) -> Option<usize> {
    let index = table.by_number(record.number, guess)?;
    let field = &table.fields[index];
    let packed = record.wire_type == wire::Type::Bytes
        && field.kind.is_packable()
        && !field.cardinality.is_singular();
    (packed || record.wire_type == wire::Type::of(field.kind)).then_some(index)
}

/// The next value of a packed record, as a record of its own.
fn packed_value<'w>(
    cursor: &mut Cursor<'w>,
    kind: Kind,
    whole: &Record<'w>,
) -> Result<Record<'w>, Error> {
    let offset = cursor.offset();
    let wire_type = wire::Type::of(kind);
    let scalar = match wire_type {
        wire::Type::Fixed64 => cursor.fixed64()?,
        wire::Type::Fixed32 => u64::from(cursor.fixed32()?),
        _ => cursor.varint()?,
    };
    Ok(Record {
        number: whole.number,
        wire_type,
        scalar,
        bytes: &[],
        offset,
    })
}
