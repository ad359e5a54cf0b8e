//! Whether a rule and the messages that it speaks of go together.

use super::{Body, HttpRule, RuleError};
use crate::{Field, Kind, MessageId, Schema};

/// Every field that a rule names must be there, and a path variable must be
/// something that text can fill.
pub(crate) fn check(
    schema: &Schema,
    rule: &HttpRule,
    input: MessageId,
    output: MessageId,
) -> Result<(), RuleError> {
    for variable in rule.template().variables() {
        let field = resolve(schema, "path variable", input, &variable.field)?;
        if !field.cardinality.is_singular() || !text_can_fill(schema, field.kind) {
            return Err(RuleError::NotScalar {
                field: variable.field.join("."),
            });
        }
    }
    if let Body::Field(name) = rule.body() {
        let body = top_level(schema, "body", input, name)?;
        // What is inside the body may come from the path too, and then the path
        // wins; the whole of it may not.
        let whole = |path: &[Box<str>]| {
            let first = path
                .first()
                .and_then(|name| schema.message(input).field(name));
            path.len() == 1 && first.is_some_and(|first| first.number == body.number)
        };
        let mut variables = rule.template().variables().iter();
        if let Some(twice) = variables.find(|variable| whole(&variable.field)) {
            return Err(RuleError::BoundTwice {
                field: twice.field.join("."),
            });
        }
    }
    if let Some(name) = rule.response_body() {
        top_level(schema, "response_body", output, name)?;
    }
    Ok(())
}

/// Whether a field of this kind has a form as plain text: scalars, and the
/// well-known types that JSON writes as a string or a bare scalar.
fn text_can_fill(schema: &Schema, kind: Kind) -> bool {
    let Some(id) = kind.message() else {
        return true;
    };
    let Some(name) = schema.message(id).name.strip_prefix("google.protobuf.") else {
        return false;
    };
    matches!(
        name,
        "Timestamp"
            | "Duration"
            | "FieldMask"
            | "DoubleValue"
            | "FloatValue"
            | "Int64Value"
            | "UInt64Value"
            | "Int32Value"
            | "UInt32Value"
            | "BoolValue"
            | "StringValue"
            | "BytesValue"
    )
}

/// A field of the message itself (http.proto: "the referred field must be
/// present at the top-level of the request message type").
fn top_level<'a>(
    schema: &'a Schema,
    role: &'static str,
    message: MessageId,
    name: &str,
) -> Result<&'a Field, RuleError> {
    let path: Vec<Box<str>> = name.split('.').map(Into::into).collect();
    let field = resolve(schema, role, message, &path)?;
    if path.len() > 1 {
        return Err(RuleError::NotTopLevel {
            role,
            field: name.to_owned(),
            message: schema.message(message).name.to_string(),
        });
    }
    Ok(field)
}

fn resolve<'a>(
    schema: &'a Schema,
    role: &'static str,
    message: MessageId,
    path: &[Box<str>],
) -> Result<&'a Field, RuleError> {
    let mut id = message;
    let mut found = None;
    for (position, name) in path.iter().enumerate() {
        let unknown = |end: usize| RuleError::UnknownField {
            role,
            field: path[..end].join("."),
            message: schema.message(message).name.to_string(),
        };
        let field = schema
            .message(id)
            .field(name)
            .ok_or_else(|| unknown(position + 1))?;
        if position + 1 < path.len() {
            // Only a single message has fields that a path can name.
            let inner = field
                .kind
                .message()
                .filter(|_| field.cardinality.is_singular());
            id = inner.ok_or_else(|| unknown(position + 2))?;
        }
        found = Some(field);
    }
    found.ok_or_else(|| RuleError::UnknownField {
        role,
        field: String::new(),
        message: schema.message(message).name.to_string(),
    })
}
