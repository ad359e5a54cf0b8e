//! The careful pass: a message in any order and shape that the format allows,
//! and what is wrong with any other.
//!
//! It looks at the order of a message's fields first. What is in the order that
//! encoders write is walked, anything else sorted; both may allocate.

mod body;
mod layout;
mod map;
mod members;
mod message_set;
mod order;
mod unknown;
mod well_known;

use portolan_schema::{Cardinality, Kind, MessageId};

use self::body::Body;
use super::is_zero;
use super::values::Values;
use crate::raw::{Input, Output};
use crate::table::{FieldEntry, Form, MessageTable, SeenWords};
use crate::wire::{self, Cursor, GroupEnds, Record};
use crate::{Error, Problem, Transcoder, WriteOptions};

/// Reads wire bytes and appends JSON.
pub(super) struct Careful<'a> {
    values: Values<'a>,
    /// How many more levels may be entered.
    levels: u32,
    /// Which fields of the messages around were there.
    words: SeenWords,
    /// Of the groups of the whole input.
    group_ends: GroupEnds,
}

impl<'a> Careful<'a> {
    pub(super) fn new(transcoder: &'a Transcoder, out: Output, options: &WriteOptions) -> Self {
        Self {
            values: Values::new(transcoder, *options, out),
            levels: options.recursion_limit,
            words: SeenWords::new(),
            group_ends: GroupEnds::default(),
        }
    }

    /// Gives the output back.
    pub(super) fn finish(self) -> Output {
        self.words.put_by();
        self.values.out
    }

    /// The whole input as a message of this type.
    pub(super) fn whole(&mut self, id: MessageId, wire: &[u8]) -> Result<(), Error> {
        self.message(id, Body::Whole(wire, 0))
    }

    fn message(&mut self, id: MessageId, body: Body<'_>) -> Result<(), Error> {
        let table = self.values.transcoder.table(id);
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(Error::new(
                Problem::TooDeep(self.values.options.recursion_limit),
                body.offset(),
            ));
        };
        self.levels = levels;
        match table.form {
            Form::Plain => {
                self.values.out.push(b'{');
                let mut first = true;
                self.members(table, body, &mut first)?;
                self.values.out.push(b'}');
                Ok(())
            }
            Form::Any => self.any(table, body),
            Form::Timestamp => self.timestamp(body),
            Form::Duration => self.duration(body),
            Form::FieldMask => self.field_mask(body),
            Form::Struct | Form::ListValue => self.only_field(table, body),
            Form::Value => self.dynamic_value(table, body),
            Form::Wrapper => self.wrapper(table, body),
        }?;
        self.levels += 1;
        Ok(())
    }

    /// The value of one field, or its default when it is not there.
    pub(super) fn field(
        &mut self,
        table: &MessageTable,
        index: usize,
        wire: &[u8],
    ) -> Result<(), Error> {
        let field = &table.fields[index];
        let mut body = Body::Whole(wire, 0);
        let items;
        if table.is_message_set {
            items = self.items(table, body)?;
            body = items.body(body);
        }
        let records: Vec<Record<'_>> = self
            .sorted(table, body)?
            .into_iter()
            .filter(|(found, _)| *found == index)
            .map(|(_, record)| record)
            .collect();
        if records.is_empty() {
            self.values.default(field);
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
        let Some(first) = records.next() else {
            return Ok(());
        };
        let Some(second) = records.next() else {
            return self.message(id, Body::of(&first));
        };
        let mut pieces = vec![first, second];
        pieces.extend(records);
        self.message(id, Body::Pieces(&pieces))
    }

    fn list<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>>,
    ) -> Result<(), Error> {
        self.values.out.push(b'[');
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
                let mut packed = Cursor::new(record.bytes, record.payload);
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
        self.values.out.push(b']');
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
                self.values.float(f32::from_le_bytes(*bytes));
            }
            rest
        } else {
            let (doubles, rest) = record.bytes.as_chunks();
            for bytes in doubles {
                self.element(first);
                self.values.double(f64::from_le_bytes(*bytes));
            }
            rest
        };
        if rest.is_empty() {
            return Ok(());
        }
        let whole = record.bytes.len() - rest.len();
        Err(Error::new(Problem::Truncated, record.payload + whole))
    }

    /// A single value of a field that is there.
    fn value(&mut self, field: &FieldEntry, record: &Record<'_>) -> Result<(), Error> {
        match field.kind {
            Kind::Message(id) | Kind::Delimited(id) => self.message(id, Body::of(record)),
            kind => self.scalar(kind, record),
        }
    }

    /// A single value that is no message.
    fn scalar(&mut self, kind: Kind, record: &Record<'_>) -> Result<(), Error> {
        match kind {
            Kind::Bytes => self.values.bytes(record.bytes),
            Kind::String => {
                let bytes = Input::new(record.bytes);
                if !self.values.string(&bytes, 0, record.bytes.len()) {
                    return Err(Error::new(
                        Problem::Wire("a string that is not UTF-8"),
                        record.payload,
                    ));
                }
            }
            _ => self.values.number(kind, record.scalar),
        }
        Ok(())
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
            .is_some_and(|id| !self.values.transcoder.enum_table(id).has(number as i32))
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
        payload: offset,
    })
}
