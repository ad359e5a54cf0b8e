//! The same message in other bytes (protobuf.dev, "Encoding"): fields in any
//! order, packed lists in pieces, messages in parts that are to be merged,
//! values that a later one overrides, varints longer than they need be, fields
//! that nobody knows.

use prost_reflect::prost::bytes::Buf as _;
use prost_reflect::prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use crate::Random;

/// A number that no contract here has.
const UNKNOWN: u32 = 18_000;

/// A record of a message: its field, and it whole.
#[derive(Clone)]
struct Record<'a> {
    number: u32,
    wire_type: WireType,
    whole: &'a [u8],
    /// Without the tags and the length.
    payload: &'a [u8],
}

/// Other bytes for the message in `wire`, which must be one.
#[must_use]
pub fn rewrite(random: &mut Random, descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    // What belongs together keeps its order: the records of a field, and of the
    // members of a oneof.
    let mut piles: Vec<(u32, Vec<Vec<u8>>)> = Vec::new();
    for record in records(wire) {
        let field = descriptor.get_field(record.number);
        let pile = field
            .as_ref()
            .and_then(FieldDescriptor::containing_oneof)
            .and_then(|oneof| oneof.fields().map(|field| field.number()).min())
            .unwrap_or(record.number);
        let pieces = match &field {
            Some(field) => rewrite_field(random, field, &record),
            None => vec![record.whole.to_vec()],
        };
        match piles.iter_mut().find(|(number, _)| *number == pile) {
            Some((_, pieces_before)) => pieces_before.extend(pieces),
            None => piles.push((pile, pieces)),
        }
    }
    // Whether an entry of a map may have other fields than its two is a matter of
    // taste: some implementations take such an entry for an unknown field.
    if random.chance(4) && !descriptor.is_map_entry() {
        let mut unknown = Vec::new();
        encode_key(UNKNOWN, WireType::Varint, &mut unknown);
        encode_varint(random.bits(), &mut unknown);
        piles.push((UNKNOWN, vec![unknown]));
    }
    let mut out = Vec::new();
    let mut piles: Vec<_> = piles
        .into_iter()
        .map(|(_, pile)| pile.into_iter())
        .collect();
    while !piles.is_empty() {
        let index = random.below(piles.len());
        match piles[index].next() {
            Some(piece) => out.extend(piece),
            None => drop(piles.swap_remove(index)),
        }
    }
    out
}

/// The message without one of its records, which may be a required one.
#[must_use]
pub fn without_one(random: &mut Random, wire: &[u8]) -> Vec<u8> {
    let all: Vec<Record<'_>> = records(wire).collect();
    let left_out = random.below(all.len().max(1));
    all.iter()
        .enumerate()
        .filter(|(index, _)| *index != left_out)
        .flat_map(|(_, record)| record.whole)
        .copied()
        .collect()
}

/// The same message with the entries of its maps in order: a map has none, and
/// a seed should always make the same bytes.
#[must_use]
pub fn in_order(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    let mut out: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    for record in records(wire) {
        let field = descriptor.get_field(record.number);
        let kind = match &field {
            Some(field) => Some(field.kind()),
            None => descriptor
                .get_extension(record.number)
                .map(|field| field.kind()),
        };
        let whole = match kind {
            Some(Kind::Message(inner)) => {
                let payload = in_order(&inner, record.payload);
                wrapped(record.number, record.wire_type, &payload)
            }
            _ => record.whole.to_vec(),
        };
        let is_map = field.is_some_and(|field| field.is_map());
        out.push((record.number, is_map, whole));
    }
    // An encoder writes the entries of a map together.
    for entries in out.chunk_by_mut(|left, right| left.1 && left.0 == right.0) {
        entries.sort();
    }
    out.into_iter().flat_map(|(_, _, whole)| whole).collect()
}

/// The records of a field in other pieces.
fn rewrite_field(
    random: &mut Random,
    field: &FieldDescriptor,
    record: &Record<'_>,
) -> Vec<Vec<u8>> {
    let number = record.number;
    match (field.kind(), record.wire_type) {
        (Kind::Message(inner), WireType::LengthDelimited | WireType::StartGroup) => {
            let whole = rewrite(random, &inner, record.payload);
            let parts = if field.cardinality() == Cardinality::Repeated || !random.chance(3) {
                vec![whole]
            } else {
                parts(random, &whole)
            };
            let wrap = |part: Vec<u8>| wrapped(number, record.wire_type, &part);
            parts.into_iter().map(wrap).collect()
        }
        (kind, WireType::LengthDelimited) if field.is_list() && is_packable(&kind) => {
            unpacked(random, &kind, number, record.payload)
        }
        (kind, _) if field.is_list() && is_packable(&kind) => {
            let packed = wrapped(number, WireType::LengthDelimited, record.payload);
            vec![if random.chance(2) {
                packed
            } else {
                record.whole.to_vec()
            }]
        }
        (kind, WireType::Varint) => {
            let mut pieces = Vec::new();
            if random.chance(4) && !matches!(kind, Kind::Enum(_)) {
                // What the last one overrides.
                let mut before = Vec::new();
                encode_key(number, WireType::Varint, &mut before);
                encode_varint(1 + random.bits() % 2, &mut before);
                pieces.push(before);
            }
            let mut piece = Vec::new();
            encode_key(number, WireType::Varint, &mut piece);
            piece.extend(longer(random, record.payload));
            pieces.push(piece);
            pieces
        }
        _ => vec![record.whole.to_vec()],
    }
}

/// A message in two parts, each with some of its records, in their order.
fn parts(random: &mut Random, wire: &[u8]) -> Vec<Vec<u8>> {
    let all: Vec<Record<'_>> = records(wire).collect();
    let (first, second) = all.split_at(random.below(all.len() + 1));
    [first, second]
        .map(|part| {
            part.iter()
                .flat_map(|record| record.whole)
                .copied()
                .collect()
        })
        .into()
}

/// A packed list in pieces, packed or not.
fn unpacked(random: &mut Random, kind: &Kind, number: u32, mut packed: &[u8]) -> Vec<Vec<u8>> {
    let wire_type = kind.wire_type();
    let mut pieces = Vec::new();
    let mut run = Vec::new();
    while !packed.is_empty() {
        let length = match wire_type {
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            _ => 1 + packed.iter().take_while(|byte| **byte >= 0x80).count(),
        };
        let (value, rest) = packed.split_at(length);
        packed = rest;
        if random.chance(3) {
            if !run.is_empty() {
                let before = std::mem::take(&mut run);
                pieces.push(wrapped(number, WireType::LengthDelimited, &before));
            }
            pieces.push(wrapped(number, wire_type, value));
        } else {
            run.extend_from_slice(value);
        }
    }
    if !run.is_empty() || random.chance(8) {
        pieces.push(wrapped(number, WireType::LengthDelimited, &run));
    }
    pieces
}

/// The same varint, sometimes with more bytes than it needs.
fn longer(random: &mut Random, varint: &[u8]) -> Vec<u8> {
    let mut bytes = varint.to_vec();
    if random.chance(4) && bytes.len() < 9 {
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        bytes.push(0);
    }
    bytes
}

fn is_packable(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

/// A record of this payload.
fn wrapped(number: u32, wire_type: WireType, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, wire_type, &mut out);
    if wire_type == WireType::LengthDelimited {
        encode_varint(payload.len() as u64, &mut out);
    }
    out.extend_from_slice(payload);
    if wire_type == WireType::StartGroup {
        encode_key(number, WireType::EndGroup, &mut out);
    }
    out
}

/// The records of a message.
fn records(mut wire: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        if !wire.has_remaining() {
            return None;
        }
        let start = wire;
        let (number, wire_type) = decode_key(&mut wire).expect("an encoder wrote it");
        let value = wire;
        skip_field(wire_type, number, &mut wire, DecodeContext::default())
            .expect("an encoder wrote it");
        let mut payload = &value[..value.len() - wire.len()];
        if wire_type == WireType::LengthDelimited {
            decode_varint(&mut payload).expect("an encoder wrote it");
        } else if wire_type == WireType::StartGroup {
            let mut end = Vec::new();
            encode_key(number, WireType::EndGroup, &mut end);
            payload = &payload[..payload.len() - end.len()];
        }
        Some(Record {
            number,
            wire_type,
            whole: &start[..start.len() - wire.len()],
            payload,
        })
    })
}
