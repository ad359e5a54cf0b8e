//! Query strings as fields: `page_size=5`, `filter.name=x`, `tags=a&tags=b`,
//! `labels[env]=prod` or `labels.env=prod`.
//!
//! A parameter is the path of a field that neither the HTTP path nor the body
//! fills (google/api/http.proto, "Rules for HTTP mapping"); any other is refused
//! by its name. Those that begin with `$` are for whoever stands between client
//! and service (Google APIs, "System parameters"), and no field begins so: they
//! are passed over.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use portolan_schema::{Cardinality, Field, MessageId, Schema};
use portolan_transcode::{Error, Problem};

use crate::protocol::Core;
use crate::route::Binding;
use crate::{Code, Status};

/// Appends what a query string says of a request, in wire format. `body` tells
/// whether there is a body.
pub(super) fn write(
    core: &Core,
    binding: &Binding,
    query: &str,
    body: bool,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    let message = binding.route.input;
    let options = &core.options;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if key.starts_with('$') || options.ignored_query.iter().any(|name| *name == *key) {
            continue;
        }
        let schema = core.transcoder.schema();
        let path = path(schema, message, &key);
        let filled = filled(schema, binding, &path, body);
        if let Some(filled) = filled {
            if options.ignore_unknown_query {
                continue;
            }
            return Err(invalid(
                &key,
                &format!("the {filled} says what this field is"),
            ));
        }
        let read = &options.read;
        let result = core
            .transcoder
            .text_to_field(message, &path, &value, out, read);
        match result {
            Err(error)
                if is_unknown(&error) && (read.ignore_unknown || options.ignore_unknown_query) => {}
            result => result.map_err(|error| invalid(&key, error.problem()))?,
        }
    }
    Ok(())
}

fn is_unknown(error: &Error) -> bool {
    matches!(error.problem(), Problem::UnknownField { .. })
}

/// What else fills the field of a parameter: it has the last word, and two that
/// differ would be a riddle.
fn filled(schema: &Schema, binding: &Binding, path: &[&str], body: bool) -> Option<&'static str> {
    if let (Some(number), true) = (binding.body_field, body) {
        let first = schema.message(binding.route.input).field(path.first()?)?;
        if first.number() == number {
            return Some("body");
        }
    }
    let same = |variable: &[Box<str>]| {
        variable.len() == path.len()
            && walk(
                schema,
                binding.route.input,
                variable.iter().map(|name| &**name),
            )
            .eq(walk(schema, binding.route.input, path.iter().copied()))
    };
    let mut variables = binding.variables.iter();
    variables
        .any(|variable| same(&variable.field))
        .then_some("path")
}

/// The numbers of the fields on a path, as far as there are any.
fn walk<'a>(
    schema: &'a Schema,
    message: MessageId,
    path: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Option<u32>> {
    let mut inside = Some(message);
    path.map(move |name| {
        let field = schema.message(inside?).field(name);
        inside = field.and_then(|field| field.kind().message());
        field.map(Field::number)
    })
}

/// The field path of a key: names between dots, keys of maps in brackets. What
/// is not written so is one name, and no field's.
fn path<'k>(schema: &Schema, message: MessageId, key: &'k str) -> Vec<&'k str> {
    let Some((mut path, empty_brackets)) = split(key) else {
        return vec![key];
    };
    // `tags[]=a` is how some write a list.
    if empty_brackets && path.len() == 2 {
        let field = schema.message(message).field(path[0]);
        let list = |field: &Field| {
            let cardinality = field.cardinality();
            !cardinality.is_singular() && cardinality != Cardinality::Map
        };
        if field.is_some_and(list) {
            path.pop();
        }
    }
    path
}

/// The parts of a key, and whether it ends in `[]`.
fn split(key: &str) -> Option<(Vec<&str>, bool)> {
    let mut path = Vec::new();
    let mut rest = key;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        path.push(&rest[..end]);
        rest = &rest[end..];
        while let Some(inner) = rest.strip_prefix('[') {
            let (inner, after) = inner.split_once(']')?;
            path.push(inner);
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some((path, key.ends_with("[]"))),
            None => return None,
        }
    }
}

/// A key or value as it was meant (WHATWG URL, "application/x-www-form-urlencoded parsing").
fn decode(text: &str) -> Result<Cow<'_, str>, Status> {
    let invalid = |_| {
        let message = format!(
            "`{}` in the query is not UTF-8 in percent-encoding",
            shorten(text)
        );
        Status::new(Code::InvalidArgument, message)
    };
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8();
        return decoded
            .map(|text| Cow::Owned(text.into_owned()))
            .map_err(invalid);
    }
    percent_decode_str(text).decode_utf8().map_err(invalid)
}

fn invalid(key: &str, problem: &impl std::fmt::Display) -> Status {
    let message = format!("query parameter `{}`: {problem}", shorten(key));
    Status::new(Code::InvalidArgument, message)
}

/// What a client wrote, told back, but not at any length.
fn shorten(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths() {
        let path = |key| split(key).map(|(path, _)| path);
        assert_eq!(path("a.b.c").unwrap(), ["a", "b", "c"]);
        assert_eq!(path("labels[a.b]").unwrap(), ["labels", "a.b"]);
        assert_eq!(path("x.labels[k]").unwrap(), ["x", "labels", "k"]);
        assert_eq!(path("by[k].name").unwrap(), ["by", "k", "name"]);
        assert_eq!(path("tags[]").unwrap(), ["tags", ""]);
        assert_eq!(path("").unwrap(), [""]);
        for torn in ["labels[torn", "labels[a]b", "a[b][", "a]b["] {
            assert_eq!(path(torn), None, "{torn}");
        }
        assert_eq!(decode("a%20b+c%26").unwrap(), "a b c&");
        assert_eq!(decode("100%").unwrap(), "100%");
        assert!(decode("%ff").is_err());
        assert!(decode("+%ff").is_err());
    }

    #[test]
    fn what_is_told_back_is_short() {
        let long = "é".repeat(1000);
        let status = invalid(&long, &"no");
        assert!(status.message().len() < 150, "{}", status.message());
        assert!(decode(&format!("%ff{long}")).unwrap_err().message().len() < 200);
    }
}
