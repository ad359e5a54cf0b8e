//! The careful pass: the members of an object, in the order of the wire
//! where it can be kept, sorted by field where it cannot.

use portolan_schema::Cardinality;

use super::{Body, Careful, is_zero};
use crate::table::{FieldEntry, MessageTable, Seen};
use crate::wire::{self, Record};
use crate::{Error, PrintDefaults, Problem};

impl Careful<'_> {
    /// The members of an object, without its braces.
    pub(super) fn members(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
        first: &mut bool,
    ) -> Result<(), Error> {
        let unknown = if table.is_message_set {
            let items = self.items(table, body)?;
            self.fields(table, items.body(body), first)?;
            items.unknown
        } else {
            self.fields(table, body, first)?;
            if !self.values.options.keep_unknown {
                return Ok(());
            }
            self.unknown_records(table, body)?
        };
        if self.values.options.keep_unknown {
            self.unknown(&unknown, first);
        }
        Ok(())
    }

    /// The members that are fields of the contract.
    fn fields(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
        first: &mut bool,
    ) -> Result<(), Error> {
        let mut seen = self.words.begin(table);
        if self.is_in_order(table, body)? {
            self.members_in_order(table, body, first, &mut seen)?;
        } else {
            let records = self.sorted(table, body)?;
            for group in records.chunk_by(|left, right| left.0 == right.0) {
                let index = group[0].0;
                self.words.mark(&mut seen, index);
                self.member(
                    &table.fields[index],
                    group.iter().map(|(_, record)| *record),
                    first,
                )?;
            }
        }
        if self.values.options.print_defaults != PrintDefaults::No {
            for (index, field) in table.fields.iter().enumerate() {
                if !self.words.has(&seen, index) && self.values.prints_unset(field) {
                    self.key_of(field, first);
                    self.values.unset(field);
                }
            }
        }
        if table.has_required {
            let missing = table.fields.iter().enumerate().find(|(index, field)| {
                field.cardinality == Cardinality::Required && !self.words.has(&seen, *index)
            });
            if let Some((_, field)) = missing {
                return Err(Error::new(
                    Problem::Missing(field.json_name.to_string()),
                    body.offset(),
                ));
            }
        }
        self.words.end(seen);
        Ok(())
    }

    fn members_in_order(
        &mut self,
        table: &MessageTable,
        body: Body<'_>,
        first: &mut bool,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let mut guess = 0;
        let mut walk = body.walk();
        loop {
            let Some(record) = self.next(&mut walk)? else {
                return Ok(());
            };
            let Some(index) = self.find(table, &record, guess) else {
                continue;
            };
            let field = &table.fields[index];
            guess = index + 1;
            self.words.mark(seen, index);
            if field.cardinality.is_singular() {
                self.member(field, std::iter::once(record), first)?;
                continue;
            }
            // Leave the walk behind the last record of the field.
            let mut records = vec![record];
            loop {
                let before = walk.clone();
                match self.next(&mut walk)? {
                    Some(next) if next.number == record.number => {
                        if self.find(table, &next, index) == Some(index) {
                            records.push(next);
                        }
                    }
                    Some(_) => {
                        walk = before;
                        break;
                    }
                    None => break,
                }
            }
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
            && self.values.options.print_defaults == PrintDefaults::No
            && let Some(last) = records.clone().last()
            && is_default(field, &last)
        {
            return Ok(());
        }
        let (start, was_first) = (self.values.out.len(), *first);
        self.key_of(field, first);
        self.value_of(field, records)
            .map_err(|error| error.in_field(&field.json_name))?;
        // A list whose every value is an unknown number, or an empty packed
        // record: the field is as good as not there.
        let is_empty = !field.cardinality.is_singular()
            && (self.values.out.as_slice().ends_with(b"[]")
                || self.values.out.as_slice().ends_with(b"{}"));
        if is_empty && self.values.options.print_defaults == PrintDefaults::No {
            self.values.out.truncate(start);
            *first = was_first;
        }
        Ok(())
    }
}

/// Whether a record holds the default of its field.
fn is_default(field: &FieldEntry, record: &Record<'_>) -> bool {
    match record.wire_type {
        wire::Type::Bytes | wire::Type::Start => record.bytes.is_empty(),
        _ => is_zero(field.kind, record.scalar),
    }
}
