//! From JSON to wire bytes: messages, fields and lists.

mod any;
mod map;
mod scalar;
mod text;
mod unknown;
mod well_known;

use jiter::{Jiter, JiterError, JiterErrorType, Peek};
use portolan_schema::{Cardinality, Kind, MessageId};

use crate::options::UNKNOWN;
use crate::table::{FieldEntry, Form, MessageTable, Seen};
use crate::{Error, Problem, ReadOptions, Transcoder, wire};

pub(crate) use text::text_to_field;

/// Reads one JSON text and appends wire bytes.
pub(crate) struct Reader<'a> {
    transcoder: &'a Transcoder,
    json: &'a [u8],
    jiter: Jiter<'a>,
    out: &'a mut Vec<u8>,
    options: &'a ReadOptions,
    /// How many more levels may be entered.
    levels: u32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        transcoder: &'a Transcoder,
        json: &'a [u8],
        out: &'a mut Vec<u8>,
        options: &'a ReadOptions,
    ) -> Self {
        Self {
            transcoder,
            json,
            jiter: Jiter::new(json),
            out,
            options,
            levels: options.recursion_limit,
        }
    }

    /// Nothing but white space may follow.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.jiter.finish().map_err(syntax)
    }

    /// A message, without tag or length.
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
        let Some(index) = table.by_name(name, 0) else {
            return Err(self.unknown_field(table, name.to_owned()));
        };
        self.field(table, index, &mut Seen::of(table))
    }

    fn object(&mut self, table: &MessageTable) -> Result<(), Error> {
        self.expect(Peek::Object, "an object")?;
        let mut seen = Seen::of(table);
        let mut guess = 0;
        let mut unknown_seen = false;
        let mut key = self.jiter.known_object().map_err(syntax)?;
        while let Some(name) = key {
            match table.by_name(name, guess) {
                Some(index) => {
                    guess = index + 1;
                    self.member(table, index, &mut seen)
                        .map_err(|error| error.in_field(&table.fields[index].json_name))?;
                }
                None if self.options.keep_unknown && name == UNKNOWN => {
                    self.unknown(&mut unknown_seen)
                        .map_err(|error| error.in_field(UNKNOWN))?;
                }
                None if self.options.ignore_unknown => self.skip()?,
                None => {
                    let name = name.to_owned();
                    return Err(self.unknown_field(table, name));
                }
            }
            key = self.jiter.next_key().map_err(syntax)?;
        }
        self.check_required(table, &seen)
    }

    /// The value of a member, unless the field was there already.
    fn member(&mut self, table: &MessageTable, index: usize, seen: &mut Seen) -> Result<(), Error> {
        if seen.mark(index) {
            return Err(self.problem(Problem::Duplicate(
                table.fields[index].json_name.to_string(),
            )));
        }
        self.field(table, index, seen)
    }

    fn check_required(&self, table: &MessageTable, seen: &Seen) -> Result<(), Error> {
        if !table.has_required {
            return Ok(());
        }
        for (index, field) in table.fields.iter().enumerate() {
            if field.cardinality == Cardinality::Required && !seen.has(index) {
                return Err(self.problem(Problem::Missing(field.json_name.to_string())));
            }
        }
        Ok(())
    }

    fn field(&mut self, table: &MessageTable, index: usize, seen: &mut Seen) -> Result<(), Error> {
        let field = &table.fields[index];
        let singular = field.cardinality.is_singular();
        if self.peek()? == Peek::Null && !(field.null_is_value && singular) {
            if field.cardinality == Cardinality::Required {
                return Err(self.problem(Problem::Missing(field.json_name.to_string())));
            }
            return self.jiter.known_null().map_err(syntax);
        }
        if let Some(oneof) = field.oneof
            && seen.mark(table.fields.len() + oneof)
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
                self.tagged(field)?;
                // A default without presence is not written. All of them are
                // encoded as zeros, and nothing else is: -0.0 has its sign bit.
                let value = self.out.get(start + field.tag.len()..).unwrap_or_default();
                if value.iter().all(|byte| *byte == 0) {
                    self.out.truncate(start);
                }
                Ok(())
            }
            Cardinality::Optional | Cardinality::Required => self.tagged(field).map(|_| ()),
        }
    }

    /// One value with its tag. Whether it was written: an unknown enum name is
    /// passed over when unknown things are.
    fn tagged(&mut self, field: &FieldEntry) -> Result<bool, Error> {
        let start = self.out.len();
        self.out.extend_from_slice(&field.tag);
        match field.kind {
            Kind::Message(id) => {
                let body = wire::open(self.out);
                self.message(id)?;
                wire::close(self.out, body);
                self.out.extend_from_slice(&field.end_tag);
            }
            Kind::Delimited(id) => {
                self.message(id)?;
                self.out.extend_from_slice(&field.end_tag);
            }
            kind => {
                if !self.scalar(kind)? {
                    self.out.truncate(start);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn repeated(&mut self, field: &FieldEntry) -> Result<(), Error> {
        self.elements(|reader| {
            reader.refuse_null(field)?;
            reader.tagged(field).map(|_| ())
        })
    }

    fn packed(&mut self, field: &FieldEntry) -> Result<(), Error> {
        let start = self.out.len();
        self.out.extend_from_slice(&field.packed_tag);
        let body = wire::open(self.out);
        self.elements(|reader| {
            reader.refuse_null(field)?;
            reader.scalar(field.kind).map(|_| ())
        })?;
        if self.out.len() == body {
            self.out.truncate(start);
        } else {
            wire::close(self.out, body);
        }
        Ok(())
    }

    /// The elements of an array, one after the other.
    fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.expect(Peek::Array, "an array")?;
        let mut next = self.jiter.known_array().map_err(syntax)?;
        let mut index = 0;
        while next.is_some() {
            element(self).map_err(|error| error.at_index(index))?;
            index += 1;
            next = self.jiter.array_step().map_err(syntax)?;
        }
        Ok(())
    }

    /// `null` is not an element of a list or a value of a map, save where it is
    /// a value of its own.
    fn refuse_null(&mut self, field: &FieldEntry) -> Result<(), Error> {
        if self.peek()? == Peek::Null && !field.null_is_value {
            return Err(self.problem(Problem::Type {
                expected: "a value",
                found: "null",
            }));
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        match self.levels.checked_sub(1) {
            Some(levels) => {
                self.levels = levels;
                Ok(())
            }
            None => Err(self.problem(Problem::TooDeep(self.options.recursion_limit))),
        }
    }

    fn leave(&mut self) {
        self.levels += 1;
    }

    /// Where the next value begins.
    fn next_index(&mut self) -> Result<usize, Error> {
        self.peek()?;
        Ok(self.jiter.current_index())
    }

    fn peek(&mut self) -> Result<Peek, Error> {
        self.jiter.peek().map_err(syntax)
    }

    /// Passes over a value that the contract does not know. It must be JSON all
    /// the same, strings included, and may not nest deeper than a message.
    fn skip(&mut self) -> Result<(), Error> {
        self.skip_within(self.levels)
    }

    fn skip_within(&mut self, levels: u32) -> Result<(), Error> {
        let peek = self.peek()?;
        match peek {
            Peek::String => self.jiter.known_str().map(drop).map_err(syntax),
            Peek::Object | Peek::Array => {
                let Some(levels) = levels.checked_sub(1) else {
                    return Err(self.problem(Problem::TooDeep(self.options.recursion_limit)));
                };
                if peek == Peek::Array {
                    return self.elements(|reader| reader.skip_within(levels));
                }
                let mut more = self.jiter.known_object().map_err(syntax)?.is_some();
                while more {
                    self.skip_within(levels)?;
                    more = self.jiter.next_key().map_err(syntax)?.is_some();
                }
                Ok(())
            }
            _ => self.jiter.known_skip(peek).map_err(syntax),
        }
    }

    fn expect(&mut self, wanted: Peek, expected: &'static str) -> Result<(), Error> {
        let found = self.peek()?;
        if found == wanted {
            Ok(())
        } else {
            Err(self.wrong_type(expected, found))
        }
    }

    fn wrong_type(&self, expected: &'static str, found: Peek) -> Error {
        wrong_type(expected, found, self.jiter.current_index())
    }

    fn unknown_field(&self, table: &MessageTable, field: String) -> Error {
        self.problem(Problem::UnknownField {
            field,
            message: table.name.to_string(),
        })
    }

    fn problem(&self, problem: Problem) -> Error {
        Error::new(problem, self.jiter.current_index())
    }
}

/// The wrong sort of value, or something that is no value at all.
fn wrong_type(expected: &'static str, found: Peek, offset: usize) -> Error {
    let found = match found {
        Peek::Null => "null",
        Peek::True | Peek::False => "a boolean",
        Peek::String => "a string",
        Peek::Array => "an array",
        Peek::Object => "an object",
        // `I` and `N` begin JavaScript's Infinity and NaN.
        other if other.is_num() && !matches!(other, Peek::Infinity | Peek::NaN) => "a number",
        _ => {
            return Error::new(
                Problem::Syntax(format!("expected {expected}, found no JSON value")),
                offset,
            );
        }
    };
    Error::new(Problem::Type { expected, found }, offset)
}

/// An error of the JSON reader.
fn syntax(error: JiterError) -> Error {
    let text = match error.error_type {
        JiterErrorType::JsonError(problem) => problem.to_string(),
        JiterErrorType::WrongType { expected, actual } => {
            format!("expected {expected}, found {actual}")
        }
    };
    let text = match text.strip_prefix("EOF while parsing") {
        Some(rest) => format!("the JSON ends inside{rest}"),
        None if text == "expected ident" => "expected true, false or null".to_owned(),
        None => text,
    };
    Error::new(Problem::Syntax(text), error.index)
}
