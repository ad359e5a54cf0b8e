//! Valid input with random bytes changed: nothing panics, and where both we and
//! prost-reflect take it, both take it for the same.
//!
//! What prost-reflect is known to do against the specification stands in
//! [`deviates`].

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost_reflect::prost::Message as _;
use prost_reflect::prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encoded_len_varint, skip_field,
};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::contract::{read_with, reflected, write, write_with};
use crate::differential::{TYPES, from_json, parsed, same, to_json};
use crate::random::Random;
use crate::unknown::{READ as TAKE, WRITE as KEEP};
use portolan_transcode::ReadOptions;

/// Changes, removes, adds or copies up to three bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random, alphabet: &[u8]) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let byte = if alphabet.is_empty() {
            random.bits() as u8
        } else {
            alphabet[random.below(alphabet.len())]
        };
        match random.below(5) {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            _ => {
                let end = (at + 1 + random.below(20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// Whether prost-reflect's output shows one of its known deviations:
///
/// - It writes numbers that a closed enum does not have; they are unknown
///   fields (protobuf.dev, "Enum Behavior").
/// - It takes a record of any wire type as a map entry; see also
///   [`maps_have_entries`].
/// - It writes what is not finite as null in a wrapper.
fn deviates(json: &Value) -> bool {
    const CLOSED: [&str; 5] = [
        "closed",
        "manyClosed",
        "packedClosed",
        "closedMap",
        "either",
    ];
    match json {
        Value::Array(values) => values.iter().any(deviates),
        Value::Object(members) => members.iter().any(|(name, value)| {
            matches!(name.as_str(), "" | "0" | "false")
                || (matches!(name.as_str(), "doubleWrapper" | "floatWrapper") && value.is_null())
                || (CLOSED.contains(&name.as_str()) && value.to_string().contains("\"number\""))
                || deviates(value)
        }),
        _ => false,
    }
}

/// Whether every record of a map is an entry by its wire type.
fn maps_have_entries(descriptor: &MessageDescriptor, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Ok((number, wire_type)) = decode_key(&mut bytes) else {
            return false;
        };
        let rest = bytes;
        if skip_field(wire_type, number, &mut bytes, DecodeContext::default()).is_err() {
            return false;
        }
        let payload = &rest[..rest.len() - bytes.len()];
        let (field, extension) = (
            descriptor.get_field(number),
            descriptor.get_extension(number),
        );
        let is_map = field.as_ref().is_some_and(FieldDescriptor::is_map);
        if is_map && wire_type != WireType::LengthDelimited {
            return false;
        }
        let kind = field
            .map(|field| field.kind())
            .or_else(|| extension.map(|extension| extension.kind()));
        let Some(Kind::Message(inner)) = kind else {
            continue;
        };
        let inner_bytes = match wire_type {
            WireType::LengthDelimited => {
                let mut payload = payload;
                if decode_varint(&mut payload).is_err() {
                    return false;
                }
                payload
            }
            WireType::StartGroup => {
                let end_tag = encoded_len_varint(u64::from(number) << 3);
                &payload[..payload.len() - end_tag]
            }
            _ => continue,
        };
        if !maps_have_entries(&inner, inner_bytes) {
            return false;
        }
    }
    true
}

/// Leaves out a `NullValue` with another number than its one: in JSON it is a
/// null all the same, which reads as the zero that is as good as absent.
fn without_null(json: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(members) => {
                members.retain(|name, value| name != "nullValue" || !value.is_null());
                members.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut value = parsed(json);
    strip(&mut value);
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_json(seed: u64) {
        let mut random = Random(seed);
        let name = TYPES[random.below(TYPES.len())];
        let json = to_json(&random.message(&reflected(name), 3), &SerializeOptions::new()).unwrap();
        for _ in 0..20 {
            let mut json = json.clone().into_bytes();
            mutate(&mut json, &mut random, b"{}[]\",:\\0123456789.eE+-untrfalse_Z \n\xff");
            let _ = read_with(name, &json, &ReadOptions { ignore_unknown: true, ..ReadOptions::default() });
            let ours = read_with(name, &json, &ReadOptions::default());
            let theirs = from_json(name, &json);
            if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
                let ours = DynamicMessage::decode(reflected(name), &**ours).unwrap();
                let text = String::from_utf8_lossy(&json);
                prop_assert!(same(&ours, theirs), "{}\n{}\nours   {}\ntheirs {}", name, text, ours, theirs);
            }
        }
    }

    #[test]
    fn changed_wire(seed: u64) {
        let mut random = Random(seed);
        let name = TYPES[random.below(TYPES.len())];
        let bytes = random.message(&reflected(name), 3).encode_to_vec();
        for _ in 0..20 {
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut random, b"");
            let ours = write(name, &bytes);
            let theirs = DynamicMessage::decode(reflected(name), &*bytes);
            if let (Ok(ours), Ok(theirs)) = (&ours, &theirs)
                && let Ok(theirs) = to_json(theirs, &SerializeOptions::new())
            {
                // A negative zero is no default, though prost-reflect leaves
                // it out as one.
                if ours.contains(":-0,") || ours.contains(":-0}") {
                    continue;
                }
                let value = parsed(&theirs);
                if deviates(&value) || !maps_have_entries(&reflected(name), &bytes) {
                    continue;
                }
                prop_assert!(
                    parsed(ours) == value,
                    "{} {:x?}\nours   {}\ntheirs {}", name, bytes, ours, theirs
                );
            }
        }
    }

    // Whatever bytes we take, what we write of them we read, and nothing that
    // JSON showed is lost on the way back, unknown fields among it.
    #[test]
    fn what_is_kept_comes_back(seed: u64) {
        let mut random = Random(seed);
        let name = TYPES[random.below(TYPES.len())];
        let bytes = random.message(&reflected(name), 3).encode_to_vec();
        for _ in 0..20 {
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut random, b"");
            let Ok(json) = write_with(name, &bytes, &KEEP) else {
                continue;
            };
            let back = read_with(name, json.as_bytes(), &TAKE);
            prop_assert!(back.is_ok(), "{} {:x?}\n{}\n{}", name, bytes, json, back.unwrap_err());
            let again = write_with(name, &back.unwrap(), &KEEP);
            let same = again.as_ref().is_ok_and(|again| *again == json || without_null(again) == without_null(&json));
            prop_assert!(same, "{} {:x?}\nfirst {}\nagain {:?}", name, bytes, json, again);
        }
    }
}
