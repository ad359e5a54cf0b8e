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
