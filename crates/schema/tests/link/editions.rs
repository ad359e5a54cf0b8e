//! A file of edition 2023, encoded by hand, since its features are younger than
//! the libraries that encode descriptors.

use portolan_schema::{Cardinality, Kind, Message, Schema};

use crate::link;

fn varint(number: u32, value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut value in [number << 3, value] {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    bytes
}

fn bytes(number: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    let payload = parts.concat();
    let mut bytes = varint(number, payload.len() as u32);
    // The tag's wire type: length-prefixed.
    bytes[0] |= 2;
    bytes.extend(payload);
    bytes
}

fn text(number: u32, text: &str) -> Vec<u8> {
    bytes(number, &[text.as_bytes().to_vec()])
}

/// A field; `kind` and `label` are those of `FieldDescriptorProto`, `features`
/// a `FeatureSet`.
fn field(
    name: &str,
    number: u32,
    kind: u32,
    label: u32,
    type_name: &str,
    features: &[Vec<u8>],
) -> Vec<u8> {
    let mut parts = vec![
        text(1, name),
        varint(3, number),
        varint(4, label),
        varint(5, kind),
    ];
    if !type_name.is_empty() {
        parts.push(text(6, type_name));
    }
    if !features.is_empty() {
        parts.push(bytes(8, &[bytes(21, features)]));
    }
    bytes(2, &parts)
}

/// `presence`, `enum_type` and so on are fields 1 to 5 of `FeatureSet`.
const EDITION_2023: u32 = 1000;
const EDITION_2024: u32 = 1001;

fn schema(edition: u32, file_features: &[Vec<u8>]) -> Schema {
    const OPTIONAL: u32 = 1;
    const REPEATED: u32 = 3;
    let entry = bytes(
        3,
        &[
            text(1, "ByEntry"),
            field("key", 1, 9, OPTIONAL, "", &[]),
            field("value", 2, 11, OPTIONAL, ".e.M", &[]),
            bytes(7, &[varint(7, 1)]),
        ],
    );
    let closed = bytes(
        5,
        &[
            text(1, "Closed"),
            bytes(2, &[text(1, "A"), varint(2, 0)]),
            bytes(3, &[bytes(7, &[varint(2, 2)])]),
        ],
    );
    let open = bytes(
        5,
        &[text(1, "Open"), bytes(2, &[text(1, "B"), varint(2, 0)])],
    );
    let message = bytes(
        4,
        &[
            text(1, "M"),
            field("plain", 1, 9, OPTIONAL, "", &[]),
            field("implicit", 2, 5, OPTIONAL, "", &[varint(1, 2)]),
            field("required", 3, 5, OPTIONAL, "", &[varint(1, 3)]),
            field("numbers", 4, 5, REPEATED, "", &[]),
            field("expanded", 5, 5, REPEATED, "", &[varint(3, 2)]),
            field("lax", 6, 9, OPTIONAL, "", &[varint(4, 3)]),
            field("inner", 7, 11, OPTIONAL, ".e.M", &[]),
            field("delimited", 8, 11, OPTIONAL, ".e.M", &[varint(5, 2)]),
            field("by", 9, 11, REPEATED, ".e.M.ByEntry", &[]),
            entry,
            bytes(5, &[varint(1, 100), varint(2, 200)]),
        ],
    );
    let extension = bytes(
        7,
        &[
            text(1, "more"),
            text(2, ".e.M"),
            varint(3, 100),
            varint(4, OPTIONAL),
            varint(5, 5),
        ],
    );
    let mut file = vec![text(1, "e.proto"), text(2, "e"), message, closed, open];
    file.push(extension);
    if !file_features.is_empty() {
        file.push(bytes(8, &[bytes(50, file_features)]));
    }
    file.push(text(12, "editions"));
    file.push(varint(14, edition));
    link(&[&bytes(1, &file)]).unwrap()
}

fn message(schema: &Schema) -> &Message {
    schema.message(schema.message_by_name("e.M").unwrap())
}

#[test]
fn defaults_of_2023_and_choices_of_fields() {
    defaults_and_choices(EDITION_2023);
}

#[test]
fn the_edition_2024_has_the_defaults_of_2023() {
    defaults_and_choices(EDITION_2024);
}

fn defaults_and_choices(edition: u32) {
    let schema = schema(edition, &[]);
    let cardinalities: Vec<_> = message(&schema)
        .fields()
        .iter()
        .map(portolan_schema::Field::cardinality)
        .collect();
    assert_eq!(
        cardinalities,
        [
            Cardinality::Optional,
            Cardinality::Implicit,
            Cardinality::Required,
            Cardinality::Packed,
            Cardinality::Repeated,
            Cardinality::Optional,
            Cardinality::Optional,
            Cardinality::Optional,
            Cardinality::Map,
        ]
    );
    let field = |name: &str| message(&schema).field(name).unwrap();
    assert!(field("plain").must_be_utf8() && !field("lax").must_be_utf8());
    assert!(matches!(field("inner").kind(), Kind::Message(_)));
    assert!(matches!(field("delimited").kind(), Kind::Delimited(_)));
    let closed: Vec<_> = schema
        .enums()
        .iter()
        .map(|found| (found.name(), found.is_closed()))
        .collect();
    assert_eq!(closed, [("e.Closed", true), ("e.Open", false)]);
}

#[test]
fn choices_of_the_file() {
    let schema = schema(
        EDITION_2023,
        &[
            varint(1, 2),
            varint(2, 2),
            varint(3, 2),
            varint(4, 3),
            varint(5, 2),
        ],
    );
    let field = |name: &str| message(&schema).field(name).unwrap();
    assert_eq!(field("plain").cardinality(), Cardinality::Implicit);
    assert_eq!(
        message(&schema).extensions()[0].cardinality(),
        Cardinality::Optional
    );
    assert_eq!(field("numbers").cardinality(), Cardinality::Repeated);
    assert!(!field("plain").must_be_utf8());
    assert!(matches!(field("inner").kind(), Kind::Delimited(_)));
    assert!(schema.enums().iter().all(portolan_schema::Enum::is_closed));
    // Neither a map's entry nor its value is ever delimited.
    assert!(matches!(field("by").kind(), Kind::Message(_)));
    let entry = schema.message(field("by").kind().message().unwrap());
    assert!(matches!(
        entry.field("value").unwrap().kind(),
        Kind::Message(_)
    ));
}
