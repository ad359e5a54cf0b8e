//! Single fields, as HTTP rules have them: a body that is one field, a response
//! that is one field, a piece of text from a path or a query.
//!
//! Behind type and options stands what is done, then the numbers of the fields
//! on the path, then the value. Text for a map begins with the key and `=`.

use portolan_schema::{Cardinality, Field, MessageId};

use crate::agree::{agree_on_json, agree_on_text, agree_on_wire};
use crate::contract::{ours, reference, schema};
use crate::input::Input;

/// What is done, as its number in the input.
pub(crate) const FROM_JSON: u8 = 0;
pub(crate) const TO_JSON: u8 = 1;
pub(crate) const FROM_TEXT: u8 = 2;

/// How long the path of a text may be, keys of maps not counted.
const LONGEST_PATH: u8 = 4;

/// A bit in the number of a field: take its name in JSON.
const BY_JSON_NAME: u8 = 0x80;

/// One field from JSON, to JSON or from text: all as the reference has it.
pub fn fields(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let [what, number, rest @ ..] = input.rest else {
        return;
    };
    let on_rest = Input { rest, ..input };
    match what % 3 {
        FROM_JSON => from_json(&on_rest, *number),
        TO_JSON => to_json(&on_rest, *number),
        _ => from_text(&input, &input.rest[1..]),
    }
}

fn from_json(input: &Input<'_>, number: u8) {
    let name = field(input.message, number).map_or("no_such_field", |(_, name)| name);
    let (ours_options, reference_options) = input.read_options();
    let mut out = Vec::new();
    let by_ours = ours(input.rest)
        .json_to_field(input.message, name, input.rest, &mut out, &ours_options)
        .map(|()| out);
    let mut out = Vec::new();
    let by_reference = reference()
        .json_to_field(
            input.message,
            name,
            input.rest,
            &mut out,
            &reference_options,
        )
        .map(|()| out);
    agree_on_json(input, by_ours, by_reference);
}

fn to_json(input: &Input<'_>, number: u8) {
    let name = field(input.message, number).map_or("no_such_field", |(_, name)| name);
    let (ours_options, reference_options) = input.write_options();
    let mut out = Vec::new();
    let by_ours = ours(input.rest)
        .field_to_json(input.message, name, input.rest, &mut out, &ours_options)
        .map(|()| out);
    let mut out = Vec::new();
    let by_reference = reference()
        .field_to_json(
            input.message,
            name,
            input.rest,
            &mut out,
            &reference_options,
        )
        .map(|()| out);
    agree_on_wire(input, by_ours, by_reference);
}

fn from_text(input: &Input<'_>, bytes: &[u8]) {
    let [length, bytes @ ..] = bytes else {
        return;
    };
    let length = usize::from(length % LONGEST_PATH) + 1;
    let Some((numbers, text)) = bytes.split_at_checked(length) else {
        return;
    };
    let Ok(mut text) = std::str::from_utf8(text) else {
        return;
    };
    let mut path = Vec::new();
    let mut message = Some(input.message);
    for number in numbers {
        let Some((field, name)) = message.and_then(|message| field(message, *number)) else {
            path.push("no_such_field");
            break;
        };
        path.push(name);
        if field.cardinality() == Cardinality::Map
            && let Some((key, value)) = text.split_once('=')
        {
            path.push(key);
            text = value;
        }
        message = field.kind().message();
    }
    let (ours_options, reference_options) = input.read_options();
    let mut out = Vec::new();
    let by_ours = ours(input.rest)
        .text_to_field(input.message, &path, text, &mut out, &ours_options)
        .map(|()| out);
    let mut out = Vec::new();
    let by_reference = reference()
        .text_to_field(input.message, &path, text, &mut out, &reference_options)
        .map(|()| out);
    agree_on_text(input, by_ours, by_reference);
}

/// The field that a number stands for, with one of its names.
fn field(message: MessageId, number: u8) -> Option<(&'static Field, &'static str)> {
    let message = schema().message(message);
    let count = message.fields().len() + message.extensions().len();
    let index = usize::from(number & !BY_JSON_NAME).checked_rem(count)?;
    let field = message
        .fields()
        .iter()
        .chain(message.extensions())
        .nth(index)?;
    let name = match number & BY_JSON_NAME {
        0 => field.name(),
        _ => field.json_name(),
    };
    Some((field, name))
}

/// The numbers of the fields on a path, and the type that it ends in.
pub(crate) fn numbers(message: MessageId, path: &str) -> Option<Vec<u8>> {
    let mut message = Some(message);
    let mut numbers = Vec::new();
    for name in path.split('.') {
        let found = schema().message(message?);
        let fields = found.fields();
        let index = fields.iter().position(|field| field.name() == name)?;
        numbers.push(u8::try_from(index).ok()?);
        message = fields[index].kind().message();
    }
    Some(numbers)
}
