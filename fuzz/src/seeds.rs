//! The first inputs of each fuzzer, made from the texts in `seeds/`: a line
//! there is a message type and a message in JSON, or a type, a path and a text.
//!
//! The bytes that choose type and options change with the contract; the texts
//! do not.

use crate::contract::{reference, schema, type_number};
use crate::fields::{FROM_JSON, FROM_TEXT, TO_JSON, numbers};

const MESSAGES: &str = include_str!("../seeds/messages.txt");
const TEXTS: &str = include_str!("../seeds/texts.txt");

/// A fuzzer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `json_to_wire`
    JsonToWire,
    /// `wire_to_json`
    WireToJson,
    /// `round_trip`
    RoundTrip,
    /// `fields`
    Fields,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::JsonToWire,
        Self::WireToJson,
        Self::RoundTrip,
        Self::Fields,
    ];

    /// The name of its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonToWire => "json_to_wire",
            Self::WireToJson => "wire_to_json",
            Self::RoundTrip => "round_trip",
            Self::Fields => "fields",
        }
    }
}

/// A line of the seeds: the type's number, and the message in both forms, as
/// far as it has both.
struct Seed {
    number: u8,
    json: Vec<u8>,
    wire: Option<Vec<u8>>,
}

/// The first inputs of this fuzzer.
#[must_use]
pub fn corpus(target: Target) -> Vec<Vec<u8>> {
    let seeds: Vec<Seed> = MESSAGES.lines().filter_map(message).collect();
    let input = |number: u8, options: u8, rest: &[u8]| [&[number, options], rest].concat();
    match target {
        Target::JsonToWire => seeds
            .iter()
            .enumerate()
            .map(|(index, seed)| input(seed.number, index as u8 & 3, &seed.json))
            .collect(),
        Target::WireToJson | Target::RoundTrip => wires(&seeds)
            .enumerate()
            .map(|(index, (number, wire))| input(number, index as u8 & 31, &wire))
            .collect(),
        Target::Fields => TEXTS
            .lines()
            .filter_map(text)
            .chain(seeds.iter().flat_map(of_fields))
            .collect(),
    }
}

/// Every message in wire format, and every two of one type, one behind the
/// other, which is a message that has to be merged.
fn wires(seeds: &[Seed]) -> impl Iterator<Item = (u8, Vec<u8>)> {
    let known = |seed: &Seed| Some((seed.number, seed.wire.clone()?));
    let pairs = seeds.windows(2).filter_map(|pair| {
        let [first, second] = pair else { return None };
        let both = [first.wire.clone()?, second.wire.clone()?].concat();
        (first.number == second.number).then_some((first.number, both))
    });
    seeds.iter().filter_map(known).chain(pairs)
}

/// Reads a line of the messages.
fn message(line: &str) -> Option<Seed> {
    let (name, json) = line.split_once(' ')?;
    let options = portolan_transcode_oracle::ReadOptions {
        keep_unknown: true,
        ..Default::default()
    };
    let mut wire = Vec::new();
    let read = reference().json_to_wire(
        schema().message_by_name(name)?,
        json.as_bytes(),
        &mut wire,
        &options,
    );
    Some(Seed {
        number: type_number(name)?,
        json: json.as_bytes().to_vec(),
        wire: read.is_ok().then_some(wire),
    })
}

/// Reads a line of the texts.
fn text(line: &str) -> Option<Vec<u8>> {
    let (name, rest) = line.split_once(' ')?;
    let (path, text) = rest.split_once(' ')?;
    let numbers = numbers(schema().message_by_name(name)?, path)?;
    let length = u8::try_from(numbers.len()).ok()?.checked_sub(1)?;
    let head = [type_number(name)?, 0, FROM_TEXT, length];
    Some([&head, &numbers[..], text.as_bytes()].concat())
}

/// The first field of a message, from its JSON, and to JSON.
fn of_fields(seed: &Seed) -> Vec<Vec<u8>> {
    let head = |what| [seed.number, 0, what, 0];
    let value = serde_json::from_slice::<serde_json::Value>(&seed.json);
    let first = value
        .ok()
        .and_then(|value| value.as_object()?.values().next().cloned());
    let from = first.map(|value| [&head(FROM_JSON)[..], value.to_string().as_bytes()].concat());
    let to = seed
        .wire
        .as_ref()
        .map(|wire| [&head(TO_JSON)[..], wire].concat());
    from.into_iter().chain(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_seed() {
        for line in MESSAGES.lines() {
            assert!(message(line).is_some(), "{line}");
        }
        for line in TEXTS.lines() {
            assert!(text(line).is_some(), "{line}");
        }
    }

    #[test]
    fn every_seed_passes() {
        for target in Target::ALL {
            let run = match target {
                Target::JsonToWire => crate::json_to_wire,
                Target::WireToJson => crate::wire_to_json,
                Target::RoundTrip => crate::round_trip,
                Target::Fields => crate::fields,
            };
            let inputs = corpus(target);
            assert!(inputs.len() > 20, "{target:?} has {}", inputs.len());
            for input in inputs {
                run(&input);
            }
        }
    }
}
