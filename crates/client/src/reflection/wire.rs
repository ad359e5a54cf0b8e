//! The messages of `grpc.reflection.v1`, which are those of `v1alpha` too, and
//! as much of a descriptor as is looked at.

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(oneof = "Question", tags = "3, 4, 7")]
    pub(super) question: Option<Question>,
}

#[derive(Clone, PartialEq, Eq, Hash, Oneof)]
pub(super) enum Question {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(oneof = "Answer", tags = "4, 6, 7")]
    pub(super) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Fault(Fault),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Files {
    /// Each an encoded `google.protobuf.FileDescriptorProto`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Services {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<Name>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Name {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Fault {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// The part of a `FileDescriptorProto` that says what it is; the rest is passed
/// on as it came, since typed descriptors would lose its options.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileHead {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) imports: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub(super) services: Vec<DeclaredService>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DeclaredService {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

impl FileHead {
    /// Whether the file declares a service of this full name.
    pub(super) fn declares(&self, service: &str) -> bool {
        let name = if self.package.is_empty() {
            Some(service)
        } else {
            service
                .strip_prefix(self.package.as_str())
                .and_then(|rest| rest.strip_prefix('.'))
        };
        name.is_some_and(|name| self.services.iter().any(|service| service.name == name))
    }
}
