//! From wire bytes to JSON: the members of an object, in the order of the wire
//! where it can be kept, sorted by field where it cannot.

use portolan_schema::Cardinality;

use super::Writer;
use super::scalar::is_zero;
use crate::table::{FieldEntry, MessageTable, Seen};
use crate::wire::{Cursor, Record};
use crate::{Error, Problem};

impl Writer<'_> {
    /// The members of an object, without its braces.
    pub(super) fn members(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
        first: &mut bool,
    ) -> Result<(), Error> {
        let unknown = if table.is_message_set {
            let items = self.items(table, wire, base)?;
            self.fields(table, &items.known, base, first)?;
            items.unknown
        } else {
            self.fields(table, wire, base, first)?;
            if !self.options.keep_unknown {
                return Ok(());
            }
            self.unknown_records(table, wire, base)?
        };
        if self.options.keep_unknown {
            self.unknown(&unknown, first);
        }
        Ok(())
    }

    /// The members that are fields of the contract.
    fn fields(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
        first: &mut bool,
    ) -> Result<(), Error> {
        let mut seen = Seen::of(table);
        if self.is_in_order(table, wire, base)? {
            self.members_in_order(table, wire, base, first, &mut seen)?;
        } else {
            let records = self.sorted(table, wire, base)?;
            for group in records.chunk_by(|left, right| left.0 == right.0) {
                let index = group[0].0;
                seen.mark(index);
                self.member(
                    &table.fields[index],
                    group.iter().map(|(_, record)| *record),
                    first,
                )?;
            }
        }
        if self.options.print_defaults {
            for (index, field) in table.fields.iter().enumerate() {
                let prints = match field.cardinality {
                    Cardinality::Optional | Cardinality::Required => false,
                    // An extension is no field of the message until it is set.
                    _ if field.json_name.starts_with('[') => false,
                    _ => !seen.has(index),
                };
                if prints {
                    self.key(field.key(self.options.proto_names), first);
                    self.default(field);
                }
            }
        }
        if table.has_required {
            let missing = table.fields.iter().enumerate().find(|(index, field)| {
                field.cardinality == Cardinality::Required && !seen.has(*index)
            });
            if let Some((_, field)) = missing {
                return Err(Error::new(
                    Problem::Missing(field.json_name.to_string()),
                    base,
                ));
            }
        }
        Ok(())
    }

    fn members_in_order(
        &mut self,
        table: &MessageTable,
        wire: &[u8],
        base: usize,
        first: &mut bool,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let mut guess = 0;
        let mut cursor = Cursor::new(wire, base);
        loop {
            let run = cursor.clone();
            let Some(record) = cursor.next(self.levels)? else {
                return Ok(());
            };
            let Some(index) = self.find(table, &record, guess) else {
                continue;
            };
            let field = &table.fields[index];
            guess = index + 1;
            seen.mark(index);
            if field.cardinality.is_singular() {
                self.member(field, std::iter::once(record), first)?;
                continue;
            }
            // Leave the cursor behind the last record of the field.
            loop {
                let before = cursor.clone();
                match cursor.next(self.levels)? {
                    Some(next) if next.number == record.number => {}
                    Some(_) => {
                        cursor = before;
                        break;
                    }
                    None => break,
                }
            }
            let end = cursor.offset();
            let mut run = run;
            let levels = self.levels;
            let records = std::iter::from_fn(move || {
                (run.offset() < end)
                    .then(|| run.next(levels).ok().flatten())
                    .flatten()
            })
            .filter(|record| self.find(table, record, index) == Some(index));
            let records: Vec<Record<'_>> = records.collect();
            self.member(field, records.iter().copied(), first)?;
        }
    }

    /// A key and what the records of its field say.
    fn member<'w>(
        &mut self,
        field: &FieldEntry,
        records: impl Iterator<Item = Record<'w>> + Clone,
        first: &mut bool,
    ) -> Result<(), Error> {
        // A zero without presence is as good as absent, also on the wire.
        if field.cardinality == Cardinality::Implicit
            && !self.options.print_defaults
            && let Some(last) = records.clone().last()
            && is_zero(field.kind, &last)
        {
            return Ok(());
        }
        let (start, was_first) = (self.out.len(), *first);
        self.key(field.key(self.options.proto_names), first);
        self.value_of(field, records)
            .map_err(|error| error.in_field(&field.json_name))?;
        // A list whose every value is an unknown number, or an empty packed
        // record: the field is as good as not there.
        let is_empty = !field.cardinality.is_singular()
            && (self.out.ends_with(b"[]") || self.out.ends_with(b"{}"));
        if is_empty && !self.options.print_defaults {
            self.out.truncate(start);
            *first = was_first;
        }
        Ok(())
    }
}
