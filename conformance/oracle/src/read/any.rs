//! From JSON to wire bytes: `google.protobuf.Any`, an object with the name of
//! its type among its members, not necessarily first.

use jiter::{Jiter, Peek};

use super::{Reader, syntax};
use crate::error::shorten;
use crate::options::UNKNOWN;
use crate::table::{Form, Seen};
use crate::wire::{close, open, put_varint};
use crate::{Error, Problem};

const TYPE: &str = "@type";
const VALUE: &str = "value";
/// Has no form of its own, and yet some implementations put it under `value`.
const EMPTY: &str = "google.protobuf.Empty";

impl Reader<'_> {
    pub(super) fn any(&mut self) -> Result<(), Error> {
        self.expect(Peek::Object, "an object")?;
        let start = self.jiter.current_index();
        let (type_url, is_empty) = self.find_type()?;
        let object = &self.json[start..self.jiter.current_index()];
        let type_url = match type_url {
            Some(type_url) => type_url,
            None if is_empty => return Ok(()),
            None => return Err(Error::new(Problem::Missing(TYPE.to_owned()), start)),
        };
        let Some(id) = self.transcoder.resolve_any(&type_url) else {
            return Err(Error::new(Problem::UnknownType(type_url), start));
        };

        self.out.push(1 << 3 | 2);
        put_varint(self.out, type_url.len() as u64);
        self.out.extend_from_slice(type_url.as_bytes());
        self.out.push(2 << 3 | 2);
        let body = open(self.out);
        let mut inner = Reader {
            transcoder: self.transcoder,
            json: object,
            jiter: Jiter::new(object),
            out: self.out,
            options: self.options,
            levels: self.levels,
        };
        inner
            .any_members(id)
            .map_err(|error| error.offset_by(start))?;
        close(self.out, body);
        Ok(())
    }

    /// Passes over the object, which is read again once its type is known.
    /// Gives the type and whether the object is empty.
    fn find_type(&mut self) -> Result<(Option<String>, bool), Error> {
        // Lists and maps between messages are levels of JSON, but not of the
        // message.
        let levels = self.levels.saturating_mul(2);
        let mut type_url = None;
        let mut is_empty = true;
        let mut key = self.jiter.known_object().map_err(syntax)?;
        while let Some(name) = key {
            is_empty = false;
            if name == TYPE {
                type_url = Some(self.type_url().map_err(|error| error.in_field(TYPE))?);
            } else {
                self.skip_within(levels)?;
            }
            key = self.jiter.next_key().map_err(syntax)?;
        }
        Ok((type_url, is_empty))
    }

    fn type_url(&mut self) -> Result<String, Error> {
        let at = self.next_index()?;
        let text = self.string("a type URL")?.to_owned();
        if text
            .rsplit_once('/')
            .is_none_or(|(_, name)| name.is_empty())
        {
            let expected = "a type URL, such as \"type.googleapis.com/package.Type\"";
            return Err(Error::new(
                Problem::Value {
                    expected,
                    value: shorten(&text),
                },
                at,
            ));
        }
        Ok(text)
    }

    /// The members of an `Any` beside its type.
    fn any_members(&mut self, id: portolan_schema::MessageId) -> Result<(), Error> {
        let table = self.transcoder.table(id);
        let mut seen = Seen::of(table);
        let mut value_seen = false;
        let mut type_seen = false;
        let mut unknown_seen = false;
        self.enter()?;
        let mut key = self.jiter.next_object().map_err(syntax)?;
        while let Some(name) = key {
            if name == TYPE {
                if std::mem::replace(&mut type_seen, true) {
                    return Err(self.problem(Problem::Duplicate(TYPE.to_owned())));
                }
                self.skip()?;
            } else if name == VALUE && (table.form != Form::Plain || &*table.name == EMPTY) {
                if std::mem::replace(&mut value_seen, true) {
                    return Err(self.problem(Problem::Duplicate(VALUE.to_owned())));
                }
                self.message(id).map_err(|error| error.in_field(VALUE))?;
            } else {
                let index = if table.form == Form::Plain {
                    table.by_name(name, 0)
                } else {
                    None
                };
                match index {
                    None if self.options.keep_unknown
                        && table.form == Form::Plain
                        && name == UNKNOWN =>
                    {
                        self.unknown(&mut unknown_seen)
                            .map_err(|error| error.in_field(UNKNOWN))?;
                    }
                    Some(index) => self
                        .member(table, index, &mut seen)
                        .map_err(|error| error.in_field(&table.fields[index].json_name))?,
                    None if self.options.ignore_unknown => self.skip()?,
                    None => {
                        let name = name.to_owned();
                        return Err(self.unknown_field(table, name));
                    }
                }
            }
            key = self.jiter.next_key().map_err(syntax)?;
        }
        self.leave();
        if table.form == Form::Plain {
            self.check_required(table, &seen)
        } else if value_seen {
            Ok(())
        } else {
            Err(self.problem(Problem::Missing(VALUE.to_owned())))
        }
    }
}
