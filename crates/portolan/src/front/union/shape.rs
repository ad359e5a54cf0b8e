//! What of a declaration two contracts must agree in: all that decides how it is
//! written on the wire and in JSON, and nothing else.
//!
//! The same `.proto` file comes in other bytes from other servers: those of C++
//! and Python leave `json_name` out, comments are mostly gone, and options such
//! as `go_package` have changed over the years.

use prost::Message;
use prost::bytes::Bytes;

/// A declaration, without what does not matter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// `proto2` and its kin differ in what an absent option means.
    pub(super) dialect: Dialect,
    pub(super) body: Body,
}

/// The language of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dialect {
    pub(super) syntax: String,
    pub(super) edition: Option<i32>,
    pub(super) features: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Message(MessageBody),
    Enum(EnumBody),
    Service(ServiceBody),
    Extension(FieldBody),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<FieldBody>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<MessageBody>,
    #[prost(message, repeated, tag = "4")]
    enum_type: Vec<EnumBody>,
    #[prost(message, repeated, tag = "6")]
    extension: Vec<FieldBody>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageChoices>,
    #[prost(message, repeated, tag = "8")]
    oneof_decl: Vec<Oneof>,
}

#[derive(Clone, PartialEq, Message)]
struct MessageChoices {
    #[prost(bool, tag = "1")]
    message_set_wire_format: bool,
    #[prost(bool, tag = "7")]
    map_entry: bool,
    #[prost(bytes = "bytes", optional, tag = "12")]
    features: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Oneof {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FieldBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    extendee: String,
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(int32, tag = "4")]
    label: i32,
    #[prost(int32, tag = "5")]
    r#type: i32,
    #[prost(string, tag = "6")]
    type_name: String,
    #[prost(string, optional, tag = "7")]
    default_value: Option<String>,
    #[prost(message, optional, tag = "8")]
    options: Option<FieldChoices>,
    #[prost(int32, optional, tag = "9")]
    oneof_index: Option<i32>,
    #[prost(string, optional, tag = "10")]
    json_name: Option<String>,
    #[prost(bool, tag = "17")]
    proto3_optional: bool,
}

#[derive(Clone, PartialEq, Message)]
struct FieldChoices {
    #[prost(bool, optional, tag = "2")]
    packed: Option<bool>,
    #[prost(bytes = "bytes", optional, tag = "21")]
    features: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EnumBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<EnumValue>,
    #[prost(message, optional, tag = "3")]
    options: Option<EnumChoices>,
}

#[derive(Clone, PartialEq, Message)]
struct EnumValue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    number: i32,
}

#[derive(Clone, PartialEq, Message)]
struct EnumChoices {
    #[prost(bytes = "bytes", optional, tag = "7")]
    features: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServiceBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<MethodBody>,
}

#[derive(Clone, PartialEq, Message)]
struct MethodBody {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    input_type: String,
    #[prost(string, tag = "3")]
    output_type: String,
    #[prost(message, optional, tag = "4")]
    options: Option<MethodChoices>,
    #[prost(bool, tag = "5")]
    client_streaming: bool,
    #[prost(bool, tag = "6")]
    server_streaming: bool,
}

#[derive(Clone, PartialEq, Message)]
struct MethodChoices {
    /// `google.api.http`.
    #[prost(bytes = "bytes", optional, tag = "72295728")]
    http: Option<Bytes>,
}

impl Body {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Message(message) => &message.name,
            Self::Enum(enumeration) => &enumeration.name,
            Self::Service(service) => &service.name,
            Self::Extension(field) => &field.name,
        }
    }

    /// The types that it refers to, as they are written.
    pub(super) fn references(&self) -> Vec<&str> {
        let mut found = Vec::new();
        match self {
            Self::Message(message) => message.collect(&mut found),
            Self::Enum(_) => {}
            Self::Service(service) => {
                for method in &service.method {
                    found.extend([method.input_type.as_str(), &method.output_type]);
                }
            }
            Self::Extension(field) => field.collect(&mut found),
        }
        found.retain(|name| !name.is_empty());
        found
    }

    /// Takes out what may be said or left out and means the same.
    pub(super) fn normalized(mut self) -> Self {
        match &mut self {
            Self::Message(message) => message.normalize(),
            Self::Enum(enumeration) => enumeration.normalize(),
            Self::Service(service) => {
                for method in &mut service.method {
                    say_nothing_briefly(&mut method.options);
                }
            }
            Self::Extension(field) => field.normalize(),
        }
        self
    }
}

impl MessageBody {
    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        let fields = self.field.iter().chain(&self.extension);
        fields.for_each(|field| field.collect(found));
        for nested in &self.nested_type {
            nested.collect(found);
        }
    }

    fn normalize(&mut self) {
        say_nothing_briefly(&mut self.options);
        let fields = self.field.iter_mut().chain(&mut self.extension);
        fields.for_each(FieldBody::normalize);
        self.nested_type.iter_mut().for_each(Self::normalize);
        self.enum_type.iter_mut().for_each(EnumBody::normalize);
    }
}

impl EnumBody {
    fn normalize(&mut self) {
        say_nothing_briefly(&mut self.options);
    }
}

impl FieldBody {
    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        found.extend([self.type_name.as_str(), &self.extendee]);
    }

    fn normalize(&mut self) {
        say_nothing_briefly(&mut self.options);
        // An extension has its name in brackets, whatever this says.
        let implied = !self.extendee.is_empty()
            || self.json_name.as_deref() == Some(&*json_name_of(&self.name));
        if implied {
            self.json_name = None;
        }
    }
}

fn say_nothing_briefly<M: Message + Default + PartialEq>(options: &mut Option<M>) {
    if options.as_ref() == Some(&M::default()) {
        *options = None;
    }
}

/// The name in JSON of a field that says none (protobuf.dev, "ProtoJSON").
fn json_name_of(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            json.push(character.to_ascii_uppercase());
        } else {
            json.push(character);
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json_name: Option<&str>) -> FieldBody {
        FieldBody {
            name: "a_field_1".into(),
            json_name: json_name.map(str::to_owned),
            ..FieldBody::default()
        }
    }

    #[test]
    fn a_json_name_that_is_implied_need_not_be_said() {
        let body = |name| Body::Extension(field(name)).normalized();
        assert_eq!(body(Some("aField1")), body(None));
        assert_ne!(body(Some("a_field_1")), body(None));
    }

    #[test]
    fn options_that_decide_nothing_do_not_count() {
        let with = |options| {
            let field = FieldBody {
                options,
                ..field(None)
            };
            Body::Extension(field).normalized()
        };
        assert_eq!(with(Some(FieldChoices::default())), with(None));
        let packed = FieldChoices {
            packed: Some(false),
            ..FieldChoices::default()
        };
        assert_ne!(with(Some(packed)), with(None));
    }
}
