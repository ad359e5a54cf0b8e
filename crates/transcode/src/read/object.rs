//! From JSON to wire bytes: the members of an object.

use portolan_schema::Cardinality;

use super::{Reader, Written};
use crate::json::Step;
use crate::options::UNKNOWN;
use crate::table::{FieldEntry, Form, MessageTable, Seen};
use crate::{Error, Problem};

/// What a key names.
pub(super) enum Named<'t> {
    /// A field, with its place in the table.
    Field(usize, &'t FieldEntry),
    /// The member that holds what the contract does not have.
    Unknown,
    /// Something to pass over.
    Ignored,
}

impl Reader<'_> {
    pub(super) fn object(&mut self, table: &MessageTable) -> Result<(), Error> {
        self.json.enter(b'{', "an object")?;
        let mut seen = self.scratch.words.begin(table);
        let mut unknown_seen = false;
        // Keys mostly come in the order of the fields: look whether the next
        // one does, before asking for its name.
        let mut next = 0;
        let mut first = true;
        loop {
            let separator = self.json.at() - 1;
            let guess = table.fields.get(next);
            let named = match guess.and_then(|field| {
                field
                    .key(false)
                    .follows(self.json.input(), separator)
                    .map(|behind| (field, behind))
            }) {
                Some((field, behind)) => {
                    self.json.go_to(behind);
                    Named::Field(next, field)
                }
                None if self.json.key_or_end(first)? == Step::End => break,
                None => self.name(table)?,
            };
            match named {
                Named::Field(index, field) => {
                    next = index + 1;
                    if let Err(error) = self.member(table, index, field, &mut seen) {
                        return Err(error.in_field(&field.json_name));
                    }
                }
                Named::Unknown => self
                    .unknown(&mut unknown_seen)
                    .map_err(|error| error.in_field(UNKNOWN))?,
                Named::Ignored => self.skip()?,
            }
            if self.json.after_member()? == Step::End {
                break;
            }
            first = false;
        }
        if table.has_required {
            self.check_required(table, &seen)?;
        }
        self.scratch.words.end(seen);
        Ok(())
    }

    /// What the key names whose quote is next; goes behind its colon.
    pub(super) fn name<'t>(&mut self, table: &'t MessageTable) -> Result<Named<'t>, Error> {
        self.quoted(|reader, name, _| reader.member_name(table, name))
    }

    /// What a name means; goes behind the colon that follows it.
    #[inline]
    pub(super) fn member_name<'t>(
        &mut self,
        table: &'t MessageTable,
        name: &[u8],
    ) -> Result<Named<'t>, Error> {
        self.json.colon()?;
        let is_plain = table.form == Form::Plain;
        match table.by_name(name).filter(|_| is_plain) {
            Some(index) => Ok(Named::Field(index, &table.fields[index])),
            None if self.options.keep_unknown && is_plain && name == UNKNOWN.as_bytes() => {
                Ok(Named::Unknown)
            }
            None if self.options.ignore_unknown => Ok(Named::Ignored),
            None => {
                self.json.peek()?;
                Err(self.unknown_field(table, &String::from_utf8_lossy(name)))
            }
        }
    }

    /// The value of a member, unless the field was there already.
    #[inline(always)]
    pub(super) fn member(
        &mut self,
        table: &MessageTable,
        index: usize,
        field: &FieldEntry,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        if self.scratch.words.mark(seen, index) {
            return self.twice(field);
        }
        self.field(table, field, seen)
    }

    #[cold]
    pub(super) fn twice(&mut self, field: &FieldEntry) -> Result<(), Error> {
        self.json.peek()?;
        Err(self.problem(Problem::Duplicate(field.json_name.to_string())))
    }

    /// A field with all its values.
    #[inline(always)]
    pub(super) fn field(
        &mut self,
        table: &MessageTable,
        field: &FieldEntry,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        let first = self.json.peek()?;
        if field.is_plain_string && first == b'"' {
            let start = self.out.len();
            field.tag.put(&mut self.out);
            if let Some(is_empty) = self.json.copy_short_string(&mut self.out) {
                // The default is the empty string, which is not written.
                if is_empty {
                    self.out.truncate(start);
                }
                return Ok(());
            }
            self.out.truncate(start);
        }
        if first == b'n' && !(field.null_is_value && field.cardinality.is_singular()) {
            if field.cardinality == Cardinality::Required {
                return Err(self.problem(Problem::Missing(field.json_name.to_string())));
            }
            return self.json.null();
        }
        if let Some(oneof) = field.oneof
            && self.scratch.words.mark(seen, table.fields.len() + oneof)
        {
            return Err(self.problem(Problem::Oneof {
                field: field.json_name.to_string(),
                oneof: table.oneofs[oneof].to_string(),
            }));
        }
        match field.cardinality {
            Cardinality::Map => self.map(field),
            Cardinality::Packed => self.packed(field),
            Cardinality::Repeated => self.repeated(field),
            Cardinality::Implicit => {
                let start = self.out.len();
                // A default without presence is not written.
                self.tagged(field)?;
                if self.written == Written::Default {
                    self.out.truncate(start);
                }
                Ok(())
            }
            Cardinality::Optional | Cardinality::Required => self.tagged(field),
        }
    }
}
