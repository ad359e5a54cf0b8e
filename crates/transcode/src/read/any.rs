//! From JSON to wire bytes: `google.protobuf.Any`, an object with the name of
//! its type among its members, not necessarily first.

use super::Reader;
use super::object::Named;
use super::scalar::bad_value;
use crate::json::Step;
use crate::options::UNKNOWN;
use crate::table::{Form, MessageTable};
use crate::{Error, Problem};

const TYPE: &str = "@type";
const VALUE: &str = "value";
/// Has no form of its own, and yet some implementations put it under `value`.
const EMPTY: &str = "google.protobuf.Empty";

/// What a key of an `Any` names.
enum Member<'t> {
    Type,
    Value,
    /// Of the message inside.
    Inner(Named<'t>),
}

impl Reader<'_> {
    pub(super) fn any(&mut self) -> Result<(), Error> {
        self.json.peek()?;
        let start = self.json.at();
        // The type URL goes to the output at once.
        let body = self.out.len();
        let (found, is_empty) = self.find_type()?;
        if !found {
            return if is_empty {
                Ok(())
            } else {
                Err(Error::new(Problem::Missing(TYPE.to_owned()), start))
            };
        }
        let type_url = self.type_url_since(body);
        let Some(id) = self.transcoder.resolve_any(type_url) else {
            return Err(Error::new(Problem::UnknownType(type_url.to_owned()), start));
        };
        self.out.push(2 << 3 | 2);
        let body = self.out.open(1);
        self.json.go_to(start);
        self.any_members(self.transcoder.table(id), id)?;
        self.out.close(body);
        Ok(())
    }

    /// The type URL that was written as the first field.
    fn type_url_since(&self, start: usize) -> &str {
        let field = &self.out.as_slice()[start + 1..];
        let prefix = field.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        std::str::from_utf8(&field[prefix..]).unwrap_or_default()
    }

    /// Looks for the type and writes it; the object is read again once it is
    /// known. Gives whether there is one and whether the object is empty. Writers
    /// have it first, and then nothing is passed over.
    fn find_type(&mut self) -> Result<(bool, bool), Error> {
        // Lists and maps between messages are levels of JSON, but not of the
        // message.
        let levels = self.levels.saturating_mul(2);
        self.json.enter(b'{', "an object")?;
        let mut step = self.json.key_or_end(true)?;
        let is_empty = step == Step::End;
        while step == Step::More {
            let is_type = self.quoted(|reader, name, _| {
                reader.json.colon()?;
                Ok(name == TYPE.as_bytes())
            })?;
            if is_type {
                // Another one is refused by the second look.
                self.type_url().map_err(|error| error.in_field(TYPE))?;
                return Ok((true, false));
            }
            self.skip_within(levels)?;
            step = self.json.next_member()?;
        }
        Ok((false, is_empty))
    }

    fn type_url(&mut self) -> Result<(), Error> {
        self.string("a type URL", |reader, text, at| {
            if !text.contains(&b'/') || text.ends_with(b"/") {
                let expected = "a type URL, such as \"type.googleapis.com/package.Type\"";
                return Err(bad_value(expected, text, at));
            }
            reader.out.push(1 << 3 | 2);
            reader.out.varint(text.len() as u64);
            reader.out.extend(text);
            Ok(())
        })
    }

    /// The members of an `Any` beside its type.
    fn any_members(
        &mut self,
        table: &MessageTable,
        id: portolan_schema::MessageId,
    ) -> Result<(), Error> {
        let mut seen = self.scratch.words.begin(table);
        let (mut type_seen, mut value_seen, mut unknown_seen) = (false, false, false);
        self.enter()?;
        self.json.enter(b'{', "an object")?;
        let mut step = self.json.key_or_end(true)?;
        while step == Step::More {
            match self.any_member(table)? {
                Member::Type => {
                    self.once(&mut type_seen, TYPE)?;
                    self.skip()?;
                }
                Member::Value => {
                    self.once(&mut value_seen, VALUE)?;
                    self.message(id).map_err(|error| error.in_field(VALUE))?;
                }
                Member::Inner(Named::Unknown) => self
                    .unknown(&mut unknown_seen)
                    .map_err(|error| error.in_field(UNKNOWN))?,
                Member::Inner(Named::Field(index, field)) => self
                    .member(table, index, field, &mut seen)
                    .map_err(|error| error.in_field(&field.json_name))?,
                Member::Inner(Named::Ignored) => self.skip()?,
            }
            step = self.json.next_member()?;
        }
        self.leave();
        if table.form == Form::Plain {
            self.check_required(table, &seen)?;
        } else if !value_seen {
            return Err(self.problem(Problem::Missing(VALUE.to_owned())));
        }
        self.scratch.words.end(seen);
        Ok(())
    }

    /// What the key names whose quote is next; goes behind its colon.
    fn any_member<'t>(&mut self, table: &'t MessageTable) -> Result<Member<'t>, Error> {
        self.quoted(|reader, name, _| {
            if name == TYPE.as_bytes() {
                reader.json.colon()?;
                return Ok(Member::Type);
            }
            if name == VALUE.as_bytes() && (table.form != Form::Plain || &*table.name == EMPTY) {
                reader.json.colon()?;
                return Ok(Member::Value);
            }
            reader.member_name(table, name).map(Member::Inner)
        })
    }

    /// A member that may be there once.
    fn once(&mut self, seen: &mut bool, name: &str) -> Result<(), Error> {
        if std::mem::replace(seen, true) {
            self.json.peek()?;
            return Err(self.problem(Problem::Duplicate(name.to_owned())));
        }
        Ok(())
    }
}
