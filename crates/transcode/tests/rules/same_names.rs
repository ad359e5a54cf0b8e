//! Contracts in which two fields have one JSON name, which protoc lets through
//! where it is asked to.

use std::sync::Arc;

use portolan_schema::Schema;
use portolan_transcode::{ReadOptions, Transcoder};
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};

#[test]
fn the_first_field_has_the_name_with_and_without_spaces() {
    let field = |name: &str, number| FieldDescriptorProto {
        name: Some(name.to_owned()),
        json_name: Some("fooBar".to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::Int32.into()),
        ..FieldDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("same.proto".to_owned()),
        package: Some("same".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("M".to_owned()),
            field: vec![field("foo_bar", 1), field("fooBar", 2)],
            ..DescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    let set = FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let schema = Arc::new(Schema::from_descriptor_sets([&*set]).unwrap());
    let id = schema.message_by_name("same.M").unwrap();
    let transcoder = Transcoder::new(schema);
    for json in [
        r#"{"fooBar":1,"fooBar":2}"#,
        r#"{"fooBar":1, "fooBar":2}"#,
        r#"{"foo_bar":1,"fooBar":2}"#,
        r#"{ "foo_bar" : 1 , "fooBar" : 2 }"#,
    ] {
        let read = transcoder.json_to_wire(
            id,
            json.as_bytes(),
            &mut Vec::new(),
            &ReadOptions::default(),
        );
        assert!(
            read.unwrap_err().to_string().contains("there twice"),
            "{json}"
        );
    }
}
