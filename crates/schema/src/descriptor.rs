//! The parts of `google/protobuf/descriptor.proto` that linking needs, as they
//! are on the wire; files, messages and fields are in `file`.
//!
//! Written here rather than taken from a library so that the editions'
//! features and the `google.api.http` option are ordinary fields: a generic
//! decoder drops extensions that it was not generated with.

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneofDescriptor {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<OneofOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EnumDescriptor {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) value: Vec<EnumValueDescriptor>,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<EnumOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EnumValueDescriptor {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) number: Option<i32>,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<EnumValueOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceDescriptor {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) method: Vec<MethodDescriptor>,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<ServiceOptions>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MethodDescriptor {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) input_type: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) output_type: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub(crate) options: Option<MethodOptions>,
    #[prost(bool, optional, tag = "5")]
    pub(crate) client_streaming: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(crate) server_streaming: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FileOptions {
    #[prost(message, optional, tag = "50")]
    pub(crate) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MessageOptions {
    #[prost(bool, optional, tag = "1")]
    pub(crate) message_set_wire_format: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) deprecated: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(crate) map_entry: Option<bool>,
    #[prost(message, optional, tag = "12")]
    pub(crate) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldOptions {
    #[prost(bool, optional, tag = "2")]
    pub(crate) packed: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    pub(crate) deprecated: Option<bool>,
    #[prost(message, optional, tag = "21")]
    pub(crate) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneofOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EnumOptions {
    #[prost(bool, optional, tag = "3")]
    pub(crate) deprecated: Option<bool>,
    #[prost(message, optional, tag = "7")]
    pub(crate) features: Option<FeatureSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EnumValueOptions {
    #[prost(bool, optional, tag = "1")]
    pub(crate) deprecated: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceOptions {
    #[prost(bool, optional, tag = "33")]
    pub(crate) deprecated: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MethodOptions {
    #[prost(bool, optional, tag = "33")]
    pub(crate) deprecated: Option<bool>,
    #[prost(int32, optional, tag = "34")]
    pub(crate) idempotency_level: Option<i32>,
    /// The extension `google.api.http`.
    #[prost(message, optional, tag = "72295728")]
    pub(crate) http: Option<HttpRule>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FeatureSet {
    #[prost(int32, optional, tag = "1")]
    pub(crate) field_presence: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) enum_type: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    pub(crate) repeated_field_encoding: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) utf8_validation: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub(crate) message_encoding: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SourceCodeInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) location: Vec<Location>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Location {
    #[prost(int32, repeated, tag = "1")]
    pub(crate) path: Vec<i32>,
    /// First line and column, then last, from 0.
    #[prost(int32, repeated, tag = "2")]
    pub(crate) span: Vec<i32>,
    #[prost(string, optional, tag = "3")]
    pub(crate) leading_comments: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) trailing_comments: Option<String>,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpRule {
    #[prost(oneof = "HttpPattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(crate) pattern: Option<HttpPattern>,
    #[prost(string, tag = "7")]
    pub(crate) body: String,
    #[prost(string, tag = "12")]
    pub(crate) response_body: String,
    #[prost(message, repeated, tag = "11")]
    pub(crate) additional_bindings: Vec<HttpRule>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum HttpPattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomHttpPattern),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CustomHttpPattern {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(string, tag = "2")]
    pub(crate) path: String,
}
