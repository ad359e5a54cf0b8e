//! From JSON to wire bytes: messages, fields and lists.

mod any;
mod map;
mod mask;
mod number;
mod object;
mod scalar;
mod scratch;
mod text;
mod unknown;
mod well_known;

use portolan_schema::{Cardinality, Kind, MessageId};

use self::scratch::Scratch;
use crate::json::{Scanner, Step};
use crate::raw::Output;
use crate::table::{FieldEntry, Form, MessageTable};
use crate::{Error, Problem, ReadOptions, Transcoder};

pub(crate) use text::text_to_field;

/// Reads one JSON text and appends wire bytes.
pub(crate) struct Reader<'a> {
    transcoder: &'a Transcoder,
    json: Scanner<'a>,
    out: Output,
    options: &'a ReadOptions,
    /// How many more levels may be entered.
    levels: u32,
    /// What became of the last value.
    written: Written,
    scratch: &'a mut Scratch,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// It was passed over: the name of an enum value that is not known, where
    /// unknown things are ignored.
    Nothing,
    /// The default of its kind, which a field without presence leaves out.
    Default,
    /// Any other value.
    Value,
}

impl Written {
    #[inline(always)]
    fn unless(is_default: bool) -> Self {
        if is_default {
            Self::Default
        } else {
            Self::Value
        }
    }
}

impl Reader<'_> {
    /// Reads `json` as `value` says, to the end, and appends to `out`.
    pub(crate) fn read(
        transcoder: &Transcoder,
        json: &[u8],
        out: &mut Vec<u8>,
        options: &ReadOptions,
        value: impl FnOnce(&mut Reader<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        Scratch::lend(|scratch| {
            let mut reader = Reader {
                transcoder,
                json: Scanner::new(json, transcoder.level()),
                out: Output::new(std::mem::take(out)),
                options,
                levels: options.levels(),
                written: Written::Value,
                scratch,
            };
            let result = value(&mut reader).and_then(|()| reader.json.finish());
            *out = reader.out.into_bytes();
            result
        })
    }

    /// A message, without tag or length.
    #[inline]
    pub(crate) fn message(&mut self, id: MessageId) -> Result<(), Error> {
        let table = self.transcoder.table(id);
        self.enter()?;
        match table.form {
            Form::Plain => self.object(table),
            Form::Any => self.any(),
            Form::Timestamp => self.timestamp(),
            Form::Duration => self.duration(),
            Form::FieldMask => self.field_mask(),
            Form::Struct => self.structure(),
            Form::Value => self.dynamic_value(),
            Form::ListValue => self.list_value(),
            Form::Wrapper => self.wrapper(table),
        }?;
        self.leave();
        Ok(())
    }

    /// The value of the field with this name, alone.
    pub(crate) fn field_by_name(&mut self, id: MessageId, name: &str) -> Result<(), Error> {
        let table = self.transcoder.table(id);
        let Some(index) = table.by_name(name.as_bytes()) else {
            return Err(self.unknown_field(table, name));
        };
        let mut seen = self.scratch.words.begin(table);
        self.field(table, &table.fields[index], &mut seen)
    }

    /// One value with its tag; nothing at all when it was passed over.
    #[inline(always)]
    fn tagged(&mut self, field: &FieldEntry) -> Result<(), Error> {
        let start = self.out.len();
        field.tag.put(&mut self.out);
        if field.kind == Kind::String
            && self.json.byte() == b'"'
            && let Some(is_empty) = self.json.copy_short_string(&mut self.out)
        {
            self.written = Written::unless(is_empty);
            return Ok(());
        }
        self.tagged_other(field, start)
    }

    /// The same behind the tag, which begins at `start`.
    #[inline(never)]
    fn tagged_other(&mut self, field: &FieldEntry, start: usize) -> Result<(), Error> {
        match field.kind {
            Kind::Message(id) => {
                let body = self.out.open(field.room());
                self.message(id)?;
                field.set_room(self.out.close(body));
                if field.end_tag.len() > 0 {
                    field.end_tag.put(&mut self.out);
                }
                self.written = Written::Value;
            }
            Kind::Delimited(id) => {
                self.message(id)?;
                field.end_tag.put(&mut self.out);
                self.written = Written::Value;
            }
            _ => {
                self.scalar(field)?;
                if self.written == Written::Nothing {
                    self.out.truncate(start);
                }
            }
        }
        Ok(())
    }

    fn repeated(&mut self, field: &FieldEntry) -> Result<(), Error> {
        self.elements(|reader| {
            reader.refuse_null(field)?;
            reader.tagged(field)
        })
    }

    fn packed(&mut self, field: &FieldEntry) -> Result<(), Error> {
        let start = self.out.len();
        field.packed_tag.put(&mut self.out);
        let body = self.out.open(field.room());
        match field.kind {
            // A vector has hundreds, so that it pays to choose once.
            Kind::Float => self.floats(),
            Kind::Double => self.elements(Self::double),
            _ => self.elements(|reader| {
                reader.refuse_null(field)?;
                reader.scalar(field)
            }),
        }?;
        if self.out.length_since(body) == 0 {
            self.out.truncate(start);
        } else {
            field.set_room(self.out.close(body));
        }
        Ok(())
    }

    /// The elements of an array, one after the other.
    #[inline(always)]
    fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.json.enter(b'[', "an array")?;
        let mut step = self.json.first_element()?;
        let mut index = 0;
        while step == Step::More {
            element(self).map_err(|error| error.at_index(index))?;
            index += 1;
            step = self.json.after_element()?;
        }
        Ok(())
    }

    /// `null` is not an element of a list or a value of a map, save where it is
    /// a value of its own.
    #[inline(always)]
    fn refuse_null(&mut self, field: &FieldEntry) -> Result<(), Error> {
        if self.json.peek()? == b'n' && !field.null_is_value {
            return Err(self.json.wrong_type("a value", b'n'));
        }
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self) -> Result<(), Error> {
        match self.levels.checked_sub(1) {
            Some(levels) => {
                self.levels = levels;
                Ok(())
            }
            None => Err(self.problem(Problem::TooDeep(self.options.levels()))),
        }
    }

    #[inline(always)]
    fn leave(&mut self) {
        self.levels += 1;
    }

    /// Passes over a value that the contract does not know. It must be JSON all
    /// the same, strings included, and may not nest deeper than a message.
    fn skip(&mut self) -> Result<(), Error> {
        self.skip_within(self.levels)
    }

    fn skip_within(&mut self, levels: u32) -> Result<(), Error> {
        let limit = self.options.levels();
        self.json.skip(levels, &mut self.scratch.text, &|at| {
            Error::new(Problem::TooDeep(limit), at)
        })
    }

    /// Gives a string, which is UTF-8, with its place to `with`.
    #[inline(always)]
    fn string<T>(
        &mut self,
        expected: &'static str,
        with: impl FnOnce(&mut Self, &[u8], usize) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let found = self.json.peek()?;
        if found != b'"' {
            return Err(self.json.wrong_type(expected, found));
        }
        self.quoted(with)
    }

    /// The same, when the opening quote is known to be next.
    #[inline(always)]
    fn quoted<T>(
        &mut self,
        with: impl FnOnce(&mut Self, &[u8], usize) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let at = self.json.at();
        if let Some(text) = self.json.string(&mut self.scratch.text)? {
            return with(self, text, at);
        }
        // What is inside may have strings with escapes, too.
        let unescaped = std::mem::take(&mut self.scratch.text);
        let result = with(self, unescaped.as_slice(), at);
        self.scratch.text = unescaped;
        result
    }

    #[cold]
    fn unknown_field(&self, table: &MessageTable, field: &str) -> Error {
        self.problem(Problem::UnknownField {
            field: field.to_owned(),
            message: table.name.to_string(),
        })
    }

    #[cold]
    fn problem(&self, problem: Problem) -> Error {
        Error::new(problem, self.json.at())
    }

    /// Whether every required field was there.
    fn check_required(&self, table: &MessageTable, seen: &crate::table::Seen) -> Result<(), Error> {
        for (index, field) in table.fields.iter().enumerate() {
            if field.cardinality == Cardinality::Required && !self.scratch.words.has(seen, index) {
                return Err(self.problem(Problem::Missing(field.json_name.to_string())));
            }
        }
        Ok(())
    }
}
