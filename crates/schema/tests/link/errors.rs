//! Contracts that do not link.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

use crate::{link, refusal};

fn field(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: (!type_name.is_empty()).then(|| type_name.to_owned()),
        ..FieldDescriptorProto::default()
    }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: fields,
        ..DescriptorProto::default()
    }
}

fn file(messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("a.proto".to_owned()),
        package: Some("p".to_owned()),
        message_type: messages,
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn of_fields(fields: Vec<FieldDescriptorProto>) -> String {
    refusal(file(vec![message("M", fields)]))
}

#[test]
fn bytes_that_are_no_descriptor_set() {
    let error = link(&[b"\x0a\xff"]).unwrap_err().to_string();
    assert_eq!(error, "the bytes are not a protobuf FileDescriptorSet");
}

#[test]
fn names_defined_twice() {
    assert_eq!(
        refusal(file(vec![message("M", vec![]), message("M", vec![])])),
        "`p.M` is defined in a.proto and again in a.proto"
    );
    let mut second = file(vec![]);
    second.name = Some("b.proto".to_owned());
    second.enum_type = vec![EnumDescriptorProto {
        name: Some("M".to_owned()),
        ..EnumDescriptorProto::default()
    }];
    let sets = [file(vec![message("M", vec![])]), second]
        .map(|file| prost_types::FileDescriptorSet { file: vec![file] }.encode_to_vec());
    let error = link(&[&sets[0], &sets[1]]).unwrap_err().to_string();
    assert_eq!(error, "`p.M` is defined in a.proto and again in b.proto");
}

#[test]
fn the_file_that_defined_a_name_first() {
    let named = |file_name: &str, names: &[&str]| FileDescriptorProto {
        name: Some(file_name.to_owned()),
        message_type: vec![DescriptorProto {
            nested_type: names.iter().map(|name| message(name, vec![])).collect(),
            ..message(file_name, vec![])
        }],
        service: vec![ServiceDescriptorProto {
            name: Some(format!("{file_name}Service")),
            ..ServiceDescriptorProto::default()
        }],
        package: Some("p".to_owned()),
        ..FileDescriptorProto::default()
    };
    let enumeration = |name: &str| FileDescriptorProto {
        name: Some("last".to_owned()),
        package: Some("p".to_owned()),
        enum_type: vec![EnumDescriptorProto {
            name: Some(name.to_owned()),
            ..EnumDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    for (again, first) in [
        ("a", "a"),
        ("b.X", "b"),
        ("b.Z", "b"),
        ("c.Z", "c"),
        ("bService", "b"),
    ] {
        let files = vec![
            named("a", &["X"]),
            named("empty", &[]),
            named("b", &["X", "Y", "Z"]),
            named("c", &["Z"]),
            enumeration(again),
        ];
        let set = prost_types::FileDescriptorSet { file: files };
        assert_eq!(
            link(&[&set.encode_to_vec()]).unwrap_err().to_string(),
            format!("`p.{again}` is defined in {first} and again in last")
        );
    }
}

#[test]
fn messages_nested_too_deeply() {
    let nested = |depth: usize| {
        (0..depth).fold(message("M", vec![]), |inner, _| DescriptorProto {
            nested_type: vec![inner],
            ..message("M", vec![])
        })
    };
    let set = |depth| prost_types::FileDescriptorSet {
        file: vec![file(vec![nested(depth)])],
    };
    assert!(link(&[&set(100).encode_to_vec()]).is_ok());
    let too_deep = format!("a.proto: `p{}` is nested too deeply", ".M".repeat(102));
    assert_eq!(refusal(file(vec![nested(101)])), too_deep);
    assert_eq!(refusal(file(vec![nested(1000)])), too_deep);
}

#[test]
fn types_that_are_not_there() {
    assert_eq!(
        of_fields(vec![field("x", 1, Type::Message, ".p.Nope")]),
        "a.proto: `p.M.x` needs the type `p.Nope`, which no file in the set defines; include its imports"
    );
    assert_eq!(
        of_fields(vec![field("x", 1, Type::Enum, ".p.M")]),
        "a.proto: `p.M.x` is an enum of a type that is not one"
    );
    let mut extension = file(vec![]);
    extension.extension = vec![FieldDescriptorProto {
        extendee: Some(".p.Nope".to_owned()),
        ..field("x", 100, Type::Int32, "")
    }];
    assert_eq!(
        refusal(extension),
        "a.proto: `p.x` needs the type `p.Nope`, which no file in the set defines; include its imports"
    );
    let mut service = file(vec![message("M", vec![])]);
    service.service = vec![ServiceDescriptorProto {
        name: Some("S".to_owned()),
        method: vec![MethodDescriptorProto {
            name: Some("Do".to_owned()),
            input_type: Some(".p.M".to_owned()),
            output_type: Some(".p.Nope".to_owned()),
            ..MethodDescriptorProto::default()
        }],
        ..ServiceDescriptorProto::default()
    }];
    assert_eq!(
        refusal(service),
        "a.proto: `p.S.Do` needs the type `p.Nope`, which no file in the set defines; include its imports"
    );
}

#[test]
fn numbers_that_cannot_be() {
    for number in [0, -1, 536_870_912, i32::MIN, i32::MAX] {
        assert_eq!(
            of_fields(vec![field("x", number, Type::Int32, "")]),
            "a.proto: `p.M.x` has a number outside 1 to 536870911"
        );
    }
    let twice = vec![
        field("x", 1, Type::Int32, ""),
        field("y", 1, Type::Int32, ""),
    ];
    assert_eq!(
        of_fields(twice),
        "a.proto: `p.M.y` has the number of another field"
    );
    let in_order = |numbers: &[i32]| {
        let field = |number: &i32| field(&format!("f{number}"), *number, Type::Int32, "");
        file(vec![message("M", numbers.iter().map(field).collect())])
    };
    assert_eq!(
        refusal(in_order(&[7, 3, 9, 7, 3])),
        "a.proto: `p.M.f7` has the number of another field"
    );
    let set = prost_types::FileDescriptorSet {
        file: vec![in_order(&[7, 3, 9, 1])],
    };
    assert!(link(&[&set.encode_to_vec()]).is_ok());
    let extension = |name: &str, number| FieldDescriptorProto {
        extendee: Some(".p.M".to_owned()),
        ..field(name, number, Type::Int32, "")
    };
    let mut clash = file(vec![message("M", vec![field("x", 1, Type::Int32, "")])]);
    clash.extension = vec![extension("e", 1)];
    assert_eq!(
        refusal(clash),
        "a.proto: `p.e` has the number of another field"
    );
    let mut clash = file(vec![message("M", vec![])]);
    clash.extension = vec![extension("e", 7), extension("f", 7)];
    assert_eq!(
        refusal(clash),
        "a.proto: `p.f` has the number of another field"
    );
}

#[test]
fn elements_that_contradict_themselves() {
    let mut unknown = field("x", 1, Type::Int32, "");
    unknown.r#type = Some(99);
    assert_eq!(
        of_fields(vec![unknown]),
        "a.proto: `p.M.x` has no known type"
    );
    for position in [0, 5, -1] {
        let stray = FieldDescriptorProto {
            oneof_index: Some(position),
            ..field("x", 1, Type::Int32, "")
        };
        assert_eq!(
            of_fields(vec![stray]),
            "a.proto: `p.M` has a field in an unknown oneof"
        );
    }
    let mut fine = message(
        "M",
        vec![FieldDescriptorProto {
            oneof_index: Some(0),
            ..field("x", 1, Type::Int32, "")
        }],
    );
    fine.oneof_decl = vec![OneofDescriptorProto {
        name: Some("o".to_owned()),
        ..OneofDescriptorProto::default()
    }];
    let set = prost_types::FileDescriptorSet {
        file: vec![file(vec![fine])],
    };
    assert!(link(&[&set.encode_to_vec()]).is_ok());
    // A map whose entry is none.
    let entry = |fields| DescriptorProto {
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..message("E", fields)
    };
    let key = || field("key", 1, Type::String, "");
    let value = || field("value", 2, Type::Int32, "");
    for fields in [
        vec![],
        vec![key()],
        vec![value()],
        vec![field("key", 1, Type::Double, ""), value()],
        vec![field("key", 1, Type::Bytes, ""), value()],
        vec![field("key", 1, Type::Message, ".p.E"), value()],
        vec![
            key(),
            FieldDescriptorProto {
                label: Some(Label::Repeated.into()),
                ..value()
            },
        ],
    ] {
        assert_eq!(
            refusal(file(vec![entry(fields)])),
            "a.proto: `p.E` is a map entry without a key that can be one and a single value"
        );
    }
    let set = prost_types::FileDescriptorSet {
        file: vec![file(vec![entry(vec![key(), value()])])],
    };
    assert!(link(&[&set.encode_to_vec()]).is_ok());
}

#[test]
fn defaults_that_are_no_values() {
    for (kind, type_name, default) in [
        (Type::Int32, "", "2147483648"),
        (Type::Bool, "", "1"),
        (Type::Bytes, "", "\\"),
        (Type::Message, ".p.M", "x"),
    ] {
        let mut bad = field("f", 1, kind, type_name);
        bad.default_value = Some(default.to_owned());
        assert_eq!(
            of_fields(vec![bad]),
            "a.proto: `p.M.f` has a default that is not a value of its type"
        );
    }
}
