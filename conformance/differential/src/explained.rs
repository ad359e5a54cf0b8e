//! Where the peers differ from us, and why it is not we who are wrong: one row
//! per reason.

use std::fmt;

use portolan_transcode::{Error, Problem};
use serde_json::Value;

use crate::cases::{Case, Form};
use crate::compare::equal;
use crate::peer::Name;

/// How two answers differ.
pub(crate) enum Difference {
    WeRefuse { error: Error, theirs: String },
    TheyRefuse { ours: String, error: String },
    OtherJson { ours: Value, theirs: Value },
    OtherMessage { ours: Value, theirs: Value },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeRefuse { error, theirs } => write!(
                formatter,
                "we refuse it: {error}\nthey take it for {theirs}"
            ),
            Self::TheyRefuse { ours, error } => {
                write!(formatter, "we take it for {ours}\nthey refuse it: {error}")
            }
            Self::OtherJson { ours, theirs } => {
                write!(formatter, "we write   {ours}\nthey write {theirs}")
            }
            Self::OtherMessage { ours, theirs } => write!(
                formatter,
                "we take it for   {ours}\nthey take it for {theirs}"
            ),
        }
    }
}

/// A known difference, of both peers or of one.
struct Row {
    peer: Option<Name>,
    /// What they do, what the specification says, and where.
    why: &'static str,
    sort: Sort,
}

/// How a known difference shows.
enum Sort {
    /// We refuse a message, by our error, and they take it for this JSON.
    WeRefuse(fn(&Problem, &str) -> bool),
    /// They refuse it, by their error and the text, and we do not.
    TheyRefuse(fn(&str, &str) -> bool),
    /// Both take it, and the results are equal but for this.
    But(fn(&mut Value)),
    /// The same, for texts in which there is this.
    ButWhen(fn(&str) -> bool, fn(&mut Value)),
}

/// All known differences. "The table" is that of protobuf.dev, "ProtoJSON
/// Format"; names are those of tests of the protobuf conformance suite.
const KNOWN: &[Row] = &[
    Row {
        peer: Some(Name::Python),
        why: "`-0` is read as an integer there, which has no sign; a double has one, and so has \
              JSON's number",
        sort: Sort::But(|value| everywhere(value, without_sign)),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "a negative zero is written without its sign (JSON.stringify)",
        sort: Sort::But(|value| everywhere(value, without_sign)),
    },
    Row {
        peer: None,
        why: "a float is written with more digits than tell it from others; the number is the same",
        sort: Sort::But(|value| everywhere(value, as_float)),
    },
    Row {
        peer: None,
        why: "a 64-bit integer without quotes, or with a fraction of zero, is read as a double; \
              the table has all these forms, and integers are exact",
        sort: Sort::But(|value| everywhere(value, as_double)),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "the host in the type URL of an Any is replaced by type.googleapis.com; it is part \
              of the message (any.proto)",
        sort: Sort::But(|value| everywhere(value, without_host)),
    },
    Row {
        peer: Some(Name::Python),
        why: "an extension all of whose values are unknown enum numbers is written as an empty \
              list; as a list without values it is not there",
        sort: Sort::But(|value| everywhere(value, without_empty_extensions)),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "null sets an extension to its default; the table has null as the absence of any \
              field",
        sort: Sort::ButWhen(
            |text| without_spaces(text).contains("]\":null"),
            |value| {
                everywhere(value, without_extensions);
            },
        ),
    },
    Row {
        peer: None,
        why: "a number in quotes or in a key is read as the language reads it: with spaces, a \
              plus sign, leading zeros, underscores or a radix; the table has numbers in quotes \
              as JSON writes them (Int32FieldLeadingZero, Int32FieldLeadingSpace)",
        sort: Sort::WeRefuse(|problem, _| {
            let kinds = ["integer", "double", "float", "key of this map"];
            is_value(problem, &kinds, |text| {
                text != text.trim() || serde_json::from_str::<serde_json::Number>(text).is_err()
            })
        }),
    },
    Row {
        peer: None,
        why: "an integer is read by way of a double, which has no 1e-400 and tells few large \
              ones apart; the table has integers, which are exact (Int64FieldTooSmall)",
        sort: Sort::WeRefuse(|problem, _| {
            is_value(problem, &["integer", "enum number"], |text| {
                text.contains("e-") || text.len() > 18
            })
        }),
    },
    Row {
        peer: None,
        why: "a path in a field mask may be empty; a path names a field (field_mask.proto)",
        sort: Sort::WeRefuse(|problem, _| is_value(problem, &["field path"], str::is_empty)),
    },
    Row {
        peer: Some(Name::Python),
        why: "a boolean is read with float(); the table has numbers and strings",
        sort: Sort::WeRefuse(|problem, _| {
            matches!(
                problem,
                Problem::Type {
                    expected: "a number",
                    found: "a boolean"
                }
            )
        }),
    },
    Row {
        peer: None,
        why: "required fields of the message in an Any are not looked for; a message without \
              them is none",
        sort: Sort::WeRefuse(|problem, theirs| {
            matches!(problem, Problem::Missing(_)) && theirs.contains("@type")
        }),
    },
    Row {
        peer: Some(Name::Python),
        why: "null for a NullValue is taken beside another member of its oneof; it is a value, and \
              a second one (OneofFieldDuplicate)",
        sort: Sort::WeRefuse(|problem, _| matches!(problem, Problem::Oneof { .. })),
    },
    Row {
        peer: Some(Name::Python),
        why: "an empty string or list is taken for an empty message; the table has objects",
        sort: Sort::WeRefuse(|problem, _| {
            matches!(
                problem,
                Problem::Type {
                    expected: "an object",
                    found: "a string" | "an array"
                }
            )
        }),
    },
    Row {
        peer: None,
        why: "the type in an Any may be a name alone; it is a URL, which must have a slash \
              (any.proto)",
        sort: Sort::WeRefuse(|problem, _| is_value(problem, &["type URL"], |_| true)),
    },
    Row {
        peer: None,
        why: "a duration is read as far as it is one, or as a number; the table has seconds with \
              at most nine digits behind the point, and `s`",
        sort: Sort::WeRefuse(|problem, _| is_value(problem, &["duration"], |_| true)),
    },
    Row {
        peer: Some(Name::Python),
        why: "null is refused for a map of Value; the table has null as the absence of any field",
        sort: Sort::TheyRefuse(|error, _| {
            error.contains("Assignment not allowed to map, or repeated field")
        }),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "null sets an extension to an empty message, whose required fields are missing then; \
              the table has null as the absence of any field",
        sort: Sort::TheyRefuse(|error, text| {
            error.contains("required field not set") && without_spaces(text).contains("]\":null")
        }),
    },
    Row {
        peer: Some(Name::Python),
        why: "a float of 3.4028235e38 is too large; it is nearer to the largest float than to \
              any other",
        sort: Sort::TheyRefuse(|error, _| error.contains("Float value too large")),
    },
    Row {
        peer: Some(Name::Python),
        why: "an enum is read with int(), which takes numbers in quotes, fractions and booleans; \
              the table has the name or the integer",
        sort: Sort::WeRefuse(|problem, _| {
            is_value(problem, &["enum"], |_| true)
                || matches!(problem, Problem::Type { expected, found: "a boolean" }
                    if expected.contains("enum"))
        }),
    },
    Row {
        peer: None,
        why: "characters that base64 does not have are passed over, and so is what is too much \
              or too little padding; RFC 4648 §3.3 has them refused",
        sort: Sort::WeRefuse(|problem, _| is_value(problem, &["base64"], |_| true)),
    },
    Row {
        peer: Some(Name::Python),
        why: "a timestamp may have one digit where RFC 3339 has two",
        sort: Sort::WeRefuse(|problem, _| is_value(problem, &["RFC 3339"], |_| true)),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "a string may have half of a surrogate pair, which becomes U+FFFD; RFC 8259 §8.2 \
              leaves it open, and what is not Unicode is no string of protobuf \
              (StringFieldUnpairedHighSurrogate)",
        sort: Sort::WeRefuse(|problem, _| matches!(problem, Problem::Syntax(_))),
    },
    Row {
        peer: None,
        why: "other members in an Any of a special form are passed over, or taken for its own; \
              the table has its form in `value`, and nothing beside it",
        sort: Sort::WeRefuse(|problem, _| {
            matches!(problem, Problem::UnknownField { message, .. }
                if message.starts_with("google.protobuf."))
        }),
    },
    Row {
        peer: Some(Name::Python),
        why: "the last part of an extension's name may be wrong, for the sake of message sets; an \
              unknown field is refused",
        sort: Sort::WeRefuse(
            |problem, _| matches!(problem, Problem::UnknownField { field, .. } if field.starts_with('[')),
        ),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "an extension of another message is passed over; an unknown field is refused \
              (the table's introduction, \"JSON decoder options\")",
        sort: Sort::WeRefuse(
            |problem, _| matches!(problem, Problem::UnknownField { field, .. } if field.starts_with('[')),
        ),
    },
    Row {
        peer: Some(Name::Python),
        why: "null is refused in lists of NullValue that are extensions, and in maps of it; the \
              table has null as its one value",
        sort: Sort::TheyRefuse(|error, _| {
            error.contains("null is not allowed to be used as an element in a repeated")
                || error.contains("'NoneType'")
        }),
    },
    Row {
        peer: None,
        why: "a number that a closed enum does not have is refused; on the wire it is an unknown \
              field (protobuf.dev, \"Enum Behavior\"), and so it is in C++ and Go from JSON, and \
              here. An integer may have a fraction of zero or an exponent",
        sort: Sort::TheyRefuse(|error, _| {
            error.contains("Invalid enum value") || error.contains("expected enum ")
        }),
    },
    Row {
        peer: Some(Name::JavaScript),
        why: "a 64-bit integer is read with BigInt(), which takes neither a fraction of zero nor \
              an exponent, and one without quotes as a double; the table has both \
              (Int64FieldMaxValueNotQuoted)",
        sort: Sort::TheyRefuse(|error, _| error.contains("expected bigint")),
    },
];

/// The reason for a difference, if there is a known one.
pub(crate) fn why(peer: Name, case: &Case, difference: &Difference) -> Option<&'static str> {
    let text = match &case.form {
        Form::Json(json) => String::from_utf8_lossy(json),
        Form::Wire(_) => "".into(),
    };
    let mut rows = KNOWN
        .iter()
        .filter(|row| row.peer.is_none_or(|of| of == peer));
    match difference {
        Difference::WeRefuse { error, theirs } => rows
            .find(|row| matches!(row.sort, Sort::WeRefuse(is) if is(error.problem(), theirs)))
            .map(|row| row.why),
        Difference::TheyRefuse { error, .. } => rows
            .find(|row| matches!(row.sort, Sort::TheyRefuse(is) if is(error, &text)))
            .map(|row| row.why),
        Difference::OtherJson { ours, theirs } | Difference::OtherMessage { ours, theirs } => {
            let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
            // One after the other, since a message may show several.
            rows.find(|row| {
                let smooth = match row.sort {
                    Sort::But(smooth) => smooth,
                    Sort::ButWhen(is, smooth) if is(&text) => smooth,
                    _ => return false,
                };
                smooth(&mut ours);
                smooth(&mut theirs);
                equal(&ours, &theirs)
            })
            .map(|row| row.why)
            .or_else(|| {
                let by_wire = matches!(case.form, Form::Wire(_));
                (peer == Name::JavaScript && case.odd && by_wire).then_some(
                    "a number that a closed enum does not have is a value; it is an unknown field \
                     (protobuf.dev, \"Enum Behavior\")",
                )
            })
        }
    }
}

/// Does this to every value in a value, the innermost first.
fn everywhere(value: &mut Value, change: fn(&mut Value)) {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| everywhere(value, change)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|value| everywhere(value, change)),
        _ => {}
    }
    change(value);
}

/// A number as a float has it.
fn as_float(value: &mut Value) {
    if let Value::Number(number) = value
        && let Some(double) = number.as_f64()
    {
        *value = Value::String(format!("{:e}", double as f32));
    }
}

/// A 64-bit integer as a double has it.
fn as_double(value: &mut Value) {
    if let Value::String(text) = value
        && let Ok(integer) = text.parse::<i128>()
    {
        *value = Value::from(integer as f64);
    }
}

/// A zero without a sign.
fn without_sign(value: &mut Value) {
    if value.as_f64() == Some(0.0) {
        *value = Value::from(0.0);
    }
}

/// The type in an `Any` without the host in front of it.
fn without_host(value: &mut Value) {
    if let Some(Value::String(url)) = value.get_mut("@type")
        && let Some((_, name)) = url.rsplit_once('/')
    {
        *url = name.to_owned();
    }
}

/// An object without the members that are extensions.
fn without_extensions(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|name, _| !name.starts_with('['));
    }
}

/// An object without the members that are extensions and empty lists.
fn without_empty_extensions(value: &mut Value) {
    if let Value::Object(members) = value {
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        members.retain(|name, value| !(name.starts_with('[') && is_empty(value)));
    }
}

fn without_spaces(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

/// Whether a value was refused that should have been one of these, and was this.
fn is_value(problem: &Problem, wanted: &[&str], is: fn(&str) -> bool) -> bool {
    match problem {
        Problem::Value { expected, value } => {
            wanted.iter().any(|wanted| expected.contains(wanted)) && is(value.trim_matches('"'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_but_for_what_is_known() {
        let check = |change: fn(&mut Value), left: &str, right: &str| {
            let mut values = [left, right].map(|text| serde_json::from_str(text).unwrap());
            let before = equal(&values[0], &values[1]);
            values
                .iter_mut()
                .for_each(|value| everywhere(value, change));
            (before, equal(&values[0], &values[1]))
        };
        assert_eq!(
            check(as_float, "[0.1]", "[0.10000000149011612]"),
            (false, true)
        );
        assert_eq!(check(as_float, "[0.1]", "[0.1001]"), (false, false));
        assert_eq!(check(without_sign, "-0.0", "0"), (false, true));
        let (left, right) = (r#"{"a":[{"@type":"a/b"}]}"#, r#"{"a":[{"@type":"c/b"}]}"#);
        assert_eq!(check(without_host, left, right), (false, true));
        let (left, right) = (r#""9223372036854775807""#, r#""9223372036854775808""#);
        assert_eq!(check(as_double, left, right), (false, true));
        assert_eq!(check(|_| {}, "1", "1.0"), (true, true));
    }

    #[test]
    fn every_reason_is_of_one_sort_and_given_once() {
        for (index, row) in KNOWN.iter().enumerate() {
            let same = |other: &&Row| other.why == row.why;
            assert_eq!(KNOWN.iter().filter(same).count(), 1, "row {index}");
        }
    }
}
