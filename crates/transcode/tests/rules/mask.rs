//! Field masks made from what a JSON text sets.

use portolan_transcode::ReadOptions;

use crate::contract::{message, transcoder};

fn mask(name: &str, json: &str) -> Result<Vec<String>, String> {
    let mut wire = Vec::new();
    transcoder()
        .json_to_field_mask(
            message(name),
            json.as_bytes(),
            &mut wire,
            &ReadOptions::default(),
        )
        .map_err(|error| error.to_string())?;
    let mut paths = Vec::new();
    let mut rest = &wire[..];
    while let [10, length, tail @ ..] = rest {
        let (path, tail) = tail.split_at(usize::from(*length));
        paths.push(String::from_utf8(path.to_vec()).unwrap());
        rest = tail;
    }
    assert!(rest.is_empty(), "{wire:?}");
    Ok(paths)
}

#[test]
fn what_is_set_is_named_as_the_contract_spells_it() {
    let json = r#"{"int32Value":1,"string_value":"","inner":{"name":"x","child":{"id":7}}}"#;
    assert_eq!(
        mask("Scalars", json).unwrap(),
        [
            "int32_value",
            "string_value",
            "inner.name",
            "inner.child.id"
        ]
    );
    assert_eq!(mask("Scalars", "{}").unwrap(), [""; 0]);
}

#[test]
fn what_cannot_be_parted_is_named_whole() {
    assert_eq!(
        mask("Scalars", r#"{"inner":{},"int32Value":null}"#).unwrap(),
        ["inner", "int32_value"]
    );
    assert_eq!(mask("Scalars", r#"{"inner":null}"#).unwrap(), ["inner"]);
    assert_eq!(
        mask("Maps", r#"{"strings":{"a":"b"}}"#).unwrap(),
        ["strings"]
    );
    assert_eq!(
        mask("WellKnown", r#"{"struct":{"a":{"b":[1]}}}"#).unwrap(),
        ["struct"]
    );
}

#[test]
fn what_is_not_there_is_refused_with_its_path() {
    assert_eq!(
        mask("Scalars", r#"{"inner":{"nope":1}}"#).unwrap_err(),
        "$.inner: unknown field `nope` in rules.Inner at byte 17"
    );
    assert!(mask("Scalars", r#"{"inner":{"id":1}"#).is_err());
    assert!(mask("Scalars", "[]").is_err());
    let deep = r#"{"child":"#.repeat(1000) + "{}" + &"}".repeat(1000);
    assert!(mask("Inner", &deep).unwrap_err().contains("levels deep"));
}

#[test]
fn what_a_mask_cannot_speak_of_gives_none() {
    for (name, json) in [
        ("Scalars", "null"),
        ("google.protobuf.Struct", r#"{"foo":1}"#),
        ("google.protobuf.Value", "[1,{}]"),
        ("google.protobuf.Timestamp", r#""2020-01-01T00:00:00Z""#),
    ] {
        assert_eq!(mask(name, json).unwrap(), [""; 0], "{name} {json}");
    }
    // Whatever comes before the extension.
    let json = r#"{"id":1,"[rules.legacy.extra]":7}"#;
    let found = mask("legacy.Legacy", json);
    assert!(found.is_err() || found.unwrap().is_empty());
}

#[test]
fn a_mask_is_no_longer_than_64_kib() {
    assert!(
        mask("Scalars", r#"{"int32Value":1,"int32Value":2}"#)
            .unwrap_err()
            .contains("there twice")
    );
    let deep = r#"{"child":"#.repeat(90) + r#"{"id":1,"name":""}"# + &"}".repeat(90);
    let paths = mask_length(&deep);
    assert!(paths > 2 * 90 * 6 && paths < 64 * 1024, "{paths}");
}

fn mask_length(json: &str) -> usize {
    let mut wire = Vec::new();
    transcoder()
        .json_to_field_mask(
            message("Inner"),
            json.as_bytes(),
            &mut wire,
            &ReadOptions::default(),
        )
        .unwrap();
    wire.len()
}
