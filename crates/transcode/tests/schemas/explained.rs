//! What prost-reflect does otherwise, and why it is not we who are wrong.

use portolan_transcode::{Error, Problem};
use serde_json::{Map, Value};

/// It writes an `Empty` in an `Any` as a value. The specification has `value`
/// only for types with a special form in JSON, and an `Empty` is `{}`
/// (protobuf.dev, "ProtoJSON Format", the table's rows for Any and Empty).
pub(crate) fn empty_in_any(members: &mut Map<String, Value>) {
    let name = members.get("@type").and_then(Value::as_str);
    if name.is_some_and(|name| name.ends_with("/google.protobuf.Empty")) {
        members.remove("value");
    }
}

/// An extension that is a list and is not there may be written as an empty one
/// where defaults are: no specification says so, nor that it may not.
pub(crate) fn empty_extensions(members: &mut Map<String, Value>) {
    members.retain(|name, value| !(name.starts_with('[') && *value == Value::Array(Vec::new())));
}

/// Texts that both take, for different messages: what `theirs` says, for a
/// message that `ours` has otherwise.
///
/// - It reads a float as a double first, and rounds twice. We take the float
///   that is nearest to what is written.
/// - It reads an integer with an exponent as a double too, which cannot tell all
///   64-bit integers apart. We take the integer that is written.
pub(crate) fn other_message(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let float = |number: &serde_json::Number| number.as_f64().map(|double| double as f32);
            let (Some(ours), Some(theirs)) = (float(ours), float(theirs)) else {
                return false;
            };
            ours == theirs || ours.to_bits().abs_diff(theirs.to_bits()) == 1
        }
        (Value::String(ours), Value::String(theirs)) => {
            let double = |text: &str| Some(text.parse::<i128>().ok()? as f64);
            ours == theirs || double(ours).is_some() && double(ours) == double(theirs)
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| other_message(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| {
                    theirs
                        .get(name)
                        .is_some_and(|theirs| other_message(ours, theirs))
                })
        }
        _ => ours == theirs,
    }
}

/// Texts that we take and it refuses, by its error.
///
/// - A number for an integer may have a fraction of zero or an exponent, with or
///   without quotes (protobuf.dev, "ProtoJSON Format", the row for int32: "1e2",
///   and the conformance suite: `Int32FieldExponentialFormat`,
///   `Int32FieldStringValueZeroFraction`).
/// - An `Empty` in an `Any` has no member `value`; see [`empty_in_any`].
/// - An `Any` that holds nothing is `{}` (any.proto: without a type there is no value).
/// - `NullValue` is an enum, whose values may come as numbers.
/// - 3.4028235e38 is nearer to the largest float than to any other, and so is
///   not out of range.
pub(crate) fn refused_by_theirs(error: &str) -> bool {
    [
        "expected a string or integer",
        "invalid digit found in string",
        "expected 'value' field",
        "expected '@type' field",
        "expected null",
        "float value out of range",
    ]
    .iter()
    .any(|known| error.contains(known))
}

/// Texts that it takes and we refuse.
///
/// - It does not look whether required fields are there, and takes a field that
///   comes twice (the conformance suite: `RepeatedFieldNames`).
/// - A number in quotes is a number as JSON writes it: without a plus sign,
///   leading zeros (`Int32FieldLeadingZero`) or a point without digits. What is no number is called
///   `NaN`, `Infinity` or `-Infinity`, and nothing else (the row for float).
/// - An integer is exact: what a double cannot tell from one is none
///   (`Int64FieldTooSmall`, `Int32FieldNotInteger`).
/// - A path in a field mask has a name, and names in it are in lowerCamelCase (the
///   row for FieldMask).
/// - A timestamp and a duration have at most nine digits behind the point (the
///   rows for Timestamp and Duration).
pub(crate) fn refused_by_us(error: &Error) -> bool {
    let Problem::Value { expected, value } = error.problem() else {
        return matches!(error.problem(), Problem::Missing(_) | Problem::Duplicate(_));
    };
    let text = value.trim_matches('"');
    let expects = |what: &[&str]| what.iter().any(|what| expected.contains(what));
    let no_number = serde_json::from_str::<serde_json::Number>(text).is_err();
    let inexact = text.len() > 18 || text.contains("e-") || text.contains('.');
    let long_fraction = text
        .split_once('.')
        .is_some_and(|(_, fraction)| fraction.bytes().take_while(u8::is_ascii_digit).count() > 9);
    expects(&["integer", "double", "float", "key"]) && no_number
        || expects(&["integer"]) && inexact
        || expects(&["field path"]) && text.is_empty()
        || expects(&["RFC 3339", "duration"]) && long_fraction
}
