//! What it means that the transcoder and its reference agree.
//!
//! On what is a message they agree to the byte. On what is none they both
//! refuse, and for the same reason, as far as there is one reason:
//!
//! - A text that is JSON is read from its beginning to its end by both, so the
//!   sort of problem and the path must be equal, and the offset may be that of
//!   the key, the colon or the value. A text that is no JSON may have another
//!   problem as well, and which of the two is noticed first is nobody's matter.
//! - Names that come twice may be looked for at the end of an object, after
//!   what else is wrong in it; and any of several may be told.
//! - Of a text with an Any in it either problem may be told.
//! - Wire bytes are read in whichever order is fastest. Bytes that are no
//!   message may also hold a value that JSON has no form for; again either may
//!   be told. Two problems of the second sort are of the same sort.
//! - The words of an error are free.

use serde_json::Value;

use crate::input::Input;

/// The sort of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Syntax,
    Type,
    Value,
    UnknownField,
    Duplicate,
    Oneof,
    Missing,
    UnknownType,
    TooDeep,
    Truncated,
    NoForm,
    Wire,
    /// One that this list does not have yet.
    New,
}

impl Sort {
    /// Whether it says that wire bytes are no message at all.
    fn is_of_wire(self) -> bool {
        matches!(
            self,
            Self::Truncated | Self::Wire | Self::TooDeep | Self::Missing
        )
    }
}

/// An error of either.
#[derive(Debug)]
struct Refusal {
    sort: Sort,
    path: String,
    offset: usize,
    text: String,
}

macro_rules! refusal {
    ($transcoder:ident) => {
        impl From<$transcoder::Error> for Refusal {
            fn from(error: $transcoder::Error) -> Self {
                use $transcoder::Problem;
                Self {
                    sort: match error.problem() {
                        Problem::Syntax(_) => Sort::Syntax,
                        Problem::Type { .. } => Sort::Type,
                        Problem::Value { .. } => Sort::Value,
                        Problem::UnknownField { .. } => Sort::UnknownField,
                        Problem::Duplicate(_) => Sort::Duplicate,
                        Problem::Oneof { .. } => Sort::Oneof,
                        Problem::Missing(_) => Sort::Missing,
                        Problem::UnknownType(_) => Sort::UnknownType,
                        Problem::TooDeep(_) => Sort::TooDeep,
                        Problem::Truncated => Sort::Truncated,
                        Problem::NoForm(_) => Sort::NoForm,
                        Problem::Wire(_) => Sort::Wire,
                        _ => Sort::New,
                    },
                    path: error.path(),
                    offset: error.offset(),
                    text: error.to_string(),
                }
            }
        }
    };
}

refusal!(portolan_transcode);
refusal!(portolan_transcode_oracle);

/// What either made of an input: bytes, or why not.
type Outcome<E> = Result<Vec<u8>, E>;

/// Checks that both read a JSON text alike.
///
/// # Panics
/// When they do not.
pub(crate) fn agree_on_json(
    input: &Input<'_>,
    ours: Outcome<portolan_transcode::Error>,
    reference: Outcome<portolan_transcode_oracle::Error>,
) {
    let (Some(ours), Some(reference)) = both_refuse(input, ours, reference) else {
        return;
    };
    let alike = ours.sort == reference.sort
        && ours.path == reference.path
        && is_near(input.rest, ours.offset, reference.offset);
    let told_later = reference.sort == Sort::Duplicate && ours.offset >= reference.offset;
    // The reference passes over a whole Any before it reads it, and so it may
    // tell first of what comes last; the name of its type can be escaped.
    let has_any = input.rest.windows(5).any(|name| name == b"type\"");
    assert!(
        alike || told_later || has_any || !is_json(input.rest),
        "{} options {:#x}: {}\nours      {:?} {}\nreference {:?} {}",
        input.name(),
        input.options,
        String::from_utf8_lossy(input.rest),
        ours.sort,
        ours.text,
        reference.sort,
        reference.text,
    );
}

/// Checks that both read a piece of plain text alike: it is one value, so that
/// there is one problem.
///
/// # Panics
/// When they do not.
pub(crate) fn agree_on_text(
    input: &Input<'_>,
    ours: Outcome<portolan_transcode::Error>,
    reference: Outcome<portolan_transcode_oracle::Error>,
) {
    let (Some(ours), Some(reference)) = both_refuse(input, ours, reference) else {
        return;
    };
    assert!(
        ours.sort == reference.sort && ours.path == reference.path,
        "{} options {:#x}: {:?}\nours      {:?} {}\nreference {:?} {}",
        input.name(),
        input.options,
        String::from_utf8_lossy(input.rest),
        ours.sort,
        ours.text,
        reference.sort,
        reference.text,
    );
}

/// Checks that both read wire bytes alike.
///
/// # Panics
/// When they do not.
pub(crate) fn agree_on_wire(
    input: &Input<'_>,
    ours: Outcome<portolan_transcode::Error>,
    reference: Outcome<portolan_transcode_oracle::Error>,
) {
    let (Some(ours), Some(reference)) = both_refuse(input, ours, reference) else {
        return;
    };
    assert!(
        ours.sort.is_of_wire() || reference.sort.is_of_wire() || ours.sort == reference.sort,
        "{} options {:#x}: {:02x?}\nours      {:?} {}\nreference {:?} {}",
        input.name(),
        input.options,
        input.rest,
        ours.sort,
        ours.text,
        reference.sort,
        reference.text,
    );
    assert!(
        ours.offset <= input.rest.len(),
        "{}: an error beyond the end, {}",
        input.name(),
        ours.text
    );
}

/// The two refusals, when there are two; nothing, when both took the input for
/// the same.
fn both_refuse(
    input: &Input<'_>,
    ours: Outcome<portolan_transcode::Error>,
    reference: Outcome<portolan_transcode_oracle::Error>,
) -> (Option<Refusal>, Option<Refusal>) {
    let shown = |bytes: &[u8]| format!("{:?} {bytes:02x?}", String::from_utf8_lossy(bytes));
    match (ours, reference) {
        (Err(ours), Err(reference)) => (Some(ours.into()), Some(reference.into())),
        (Ok(ours), Ok(reference)) => {
            assert!(
                ours == reference,
                "{} options {:#x}: {}\nours      {}\nreference {}",
                input.name(),
                input.options,
                shown(input.rest),
                shown(&ours),
                shown(&reference),
            );
            (None, None)
        }
        (Ok(ours), Err(reference)) => panic!(
            "{} options {:#x}: {}\nours takes it for {}\nreference refuses it: {reference}",
            input.name(),
            input.options,
            shown(input.rest),
            shown(&ours),
        ),
        (Err(ours), Ok(reference)) => panic!(
            "{} options {:#x}: {}\nours refuses it: {ours}\nreference takes it for {}",
            input.name(),
            input.options,
            shown(input.rest),
            shown(&reference),
        ),
    }
}

/// Checks that the JSON which came out of the way back, `again`, is the one
/// that went in.
///
/// # Panics
/// When it is not.
pub(crate) fn came_back(first: &Input<'_>, again: Outcome<portolan_transcode::Error>) {
    let text = String::from_utf8_lossy(first.rest);
    match again {
        Err(error) => panic!("{}: {text}\nis refused: {error}", first.name()),
        Ok(again) => assert!(
            again == first.rest || without_nulls(&again) == without_nulls(first.rest),
            "{}: {text}\ncomes back as {}",
            first.name(),
            String::from_utf8_lossy(&again),
        ),
    }
}

/// A text as a value, without the members that are null. A `NullValue` of
/// another number than its one is a null in JSON all the same, which reads as
/// the zero that is as good as absent.
fn without_nulls(json: &[u8]) -> Option<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(json).ok()?;
    strip(&mut value);
    Some(value)
}

/// Whether a text is JSON by a reader that is neither ours nor the reference's.
/// It refuses deep and huge ones, about which nothing is said then.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok()
}

/// Whether two offsets are at most a key and its colon apart, or a value and
/// what follows it.
fn is_near(json: &[u8], left: usize, right: usize) -> bool {
    let token = |offset: usize| {
        let starts = tokens(json);
        starts.partition_point(|start| *start <= offset)
    };
    left.max(right) <= json.len() && token(left).abs_diff(token(right)) <= 2
}

/// Where the tokens of a text begin, if it is JSON.
fn tokens(json: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut in_word = false;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        if in_string {
            (escaped, in_string) = match byte {
                _ if escaped => (false, true),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (false, true),
            };
            continue;
        }
        let is_word = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        if !(byte.is_ascii_whitespace() || is_word && in_word) {
            starts.push(at);
        }
        in_word = is_word;
        in_string = *byte == b'"';
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted() {
        assert_eq!(
            tokens(br#"{"a\"": -1.5, "b":[]}"#),
            [0, 1, 6, 8, 12, 14, 17, 18, 19, 20]
        );
        let json = br#"{"a": 1, "b": {"c": 2}}"#;
        assert!(is_near(json, 1, 6));
        assert!(!is_near(json, 1, 9));
        assert!(!is_near(json, 1, 100));
    }
}
