//! From plain text to wire bytes: a value of a field as it stands in a path or
//! a query string (google/api/http.proto, "HTTP rule").

use portolan_schema::{Cardinality, Kind, MessageId};

use super::{Reader, scalar};
use crate::table::Form;
use crate::text::number::is_json_number;
use crate::wire::{close, open};
use crate::{Error, Problem, ReadOptions, Transcoder};

/// Appends the message `id` with only the field at `path` set from `text`.
pub(crate) fn text_to_field(
    transcoder: &Transcoder,
    id: MessageId,
    path: &[impl AsRef<str>],
    text: &str,
    out: &mut Vec<u8>,
    options: &ReadOptions,
) -> Result<(), Error> {
    // Each element but the last enters a message.
    if path.len() > options.recursion_limit as usize {
        return Err(Error::new(Problem::TooDeep(options.recursion_limit), 0));
    }
    at_path(transcoder, id, path, text, out, options)
}

fn at_path(
    transcoder: &Transcoder,
    id: MessageId,
    path: &[impl AsRef<str>],
    text: &str,
    out: &mut Vec<u8>,
    options: &ReadOptions,
) -> Result<(), Error> {
    let table = transcoder.table(id);
    let Some((name, rest)) = path.split_first() else {
        return Err(Error::new(
            Problem::UnknownField {
                field: String::new(),
                message: table.name.to_string(),
            },
            0,
        ));
    };
    let name = name.as_ref();
    let unknown = |field: &str, message: &str| {
        Error::new(
            Problem::UnknownField {
                field: field.to_owned(),
                message: message.to_owned(),
            },
            0,
        )
    };
    let field = &table.fields[table
        .by_name(name, 0)
        .ok_or_else(|| unknown(name, &table.name))?];
    let wrap = |error: Error| error.in_field(&field.json_name);

    match (rest, field.kind) {
        ([], Kind::Message(inner) | Kind::Delimited(inner))
            if !has_text_form(transcoder.table(inner).form) =>
        {
            let problem = Problem::Type {
                expected: "a field that text can fill",
                found: "a message",
            };
            Err(wrap(Error::new(problem, 0)))
        }
        ([], kind) => leaf(
            transcoder,
            kind,
            text,
            options,
            |reader| reader.tagged(field).map(|_| ()),
            out,
        )
        .map_err(wrap),
        ([key], Kind::Message(entry)) if field.cardinality == Cardinality::Map => {
            let entry = transcoder.table(entry);
            let (Some(key_index), Some(value_index)) =
                (entry.by_number(1, 0), entry.by_number(2, 1))
            else {
                return Err(unknown(name, &table.name));
            };
            let (key_field, value_field) = (&entry.fields[key_index], &entry.fields[value_index]);
            let start = out.len();
            out.extend_from_slice(&field.tag);
            let body = open(out);
            out.extend_from_slice(&key_field.tag);
            if !scalar::put_map_key(out, key_field.kind, key.as_ref()) {
                let problem = Problem::Value {
                    expected: "a key of this map",
                    value: crate::error::shorten(key.as_ref()),
                };
                return Err(wrap(Error::new(problem, 0)));
            }
            if let Some(inner) = value_field.kind.message()
                && !has_text_form(transcoder.table(inner).form)
            {
                let problem = Problem::Type {
                    expected: "a field that text can fill",
                    found: "a message",
                };
                return Err(wrap(Error::new(problem, 0)));
            }
            let mut written = true;
            let read = |reader: &mut Reader<'_>| {
                written = reader.tagged(value_field)?;
                Ok(())
            };
            leaf(transcoder, value_field.kind, text, options, read, out)
                .map_err(|error| wrap(error.at_key(key.as_ref())))?;
            if written {
                close(out, body);
            } else {
                out.truncate(start);
            }
            Ok(())
        }
        (_, Kind::Message(inner)) if field.cardinality.is_singular() => {
            out.extend_from_slice(&field.tag);
            let body = open(out);
            at_path(transcoder, inner, rest, text, out, options).map_err(wrap)?;
            close(out, body);
            out.extend_from_slice(&field.end_tag);
            Ok(())
        }
        (_, Kind::Delimited(inner)) if field.cardinality.is_singular() => {
            out.extend_from_slice(&field.tag);
            at_path(transcoder, inner, rest, text, out, options).map_err(wrap)?;
            out.extend_from_slice(&field.end_tag);
            Ok(())
        }
        _ => {
            let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
            Err(unknown(&path.join("."), &table.name))
        }
    }
}

/// Reads `text` as JSON would have it: bare for booleans and enum numbers,
/// quoted for everything else, since JSON takes numbers in quotes too.
fn leaf(
    transcoder: &Transcoder,
    kind: Kind,
    text: &str,
    options: &ReadOptions,
    read: impl FnOnce(&mut Reader<'_>) -> Result<(), Error>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let is_bool = matches!(text, "true" | "false");
    let bare = match kind {
        Kind::Bool => is_bool,
        Kind::Enum(_) => is_json_number(text),
        Kind::Message(id) => {
            let table = transcoder.table(id);
            is_bool
                && table.form == Form::Wrapper
                && table
                    .fields
                    .first()
                    .is_some_and(|field| field.kind == Kind::Bool)
        }
        _ => false,
    };
    let mut json = Vec::with_capacity(text.len() + 2);
    if bare {
        json.extend_from_slice(text.as_bytes());
    } else {
        crate::write::string(&mut json, text);
    }
    let mut reader = Reader::new(transcoder, &json, out, options);
    read(&mut reader)?;
    reader.finish()
}

/// Whether JSON writes such a message as a string or a bare scalar.
fn has_text_form(form: Form) -> bool {
    matches!(
        form,
        Form::Timestamp | Form::Duration | Form::FieldMask | Form::Wrapper
    )
}
