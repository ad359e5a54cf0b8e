//! A file of a descriptor set, with its declarations left encoded: what is not
//! looked into passes as it came, options that nobody here knows included.

use std::collections::HashSet;

use prost::bytes::Bytes;
use prost::{DecodeError, Message};

use super::shape::{Body, Dialect, Shape};

/// `google.protobuf.FileDescriptorSet`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Set {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<File>,
}

/// `google.protobuf.FileDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, optional, tag = "2")]
    pub(super) package: Option<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub(super) message_type: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(super) enum_type: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub(super) service: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(super) extension: Vec<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    options: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(super) source_code_info: Option<Bytes>,
    #[prost(int32, repeated, packed = "false", tag = "10")]
    pub(super) public_dependency: Vec<i32>,
    #[prost(int32, repeated, packed = "false", tag = "11")]
    pub(super) weak_dependency: Vec<i32>,
    #[prost(string, optional, tag = "12")]
    syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
    #[prost(string, repeated, tag = "15")]
    option_dependency: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct FileChoices {
    #[prost(bytes = "bytes", optional, tag = "50")]
    features: Option<Bytes>,
}

/// Something at the top of a file that has a name.
#[derive(Debug)]
pub(super) struct Declaration {
    /// With the package.
    pub(super) name: String,
    pub(super) shape: Shape,
    /// In the declarations of its kind, the position in the file.
    pub(super) position: usize,
}

impl Declaration {
    pub(super) fn is_service(&self) -> bool {
        matches!(self.shape.body, Body::Service(_))
    }
}

/// The files of a set; one that comes again, by its name, is passed over.
pub(super) fn read(set: &[u8]) -> Result<Vec<File>, DecodeError> {
    let mut files = Set::decode(set)?.file;
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.name.clone()));
    Ok(files)
}

impl File {
    /// What it declares.
    pub(super) fn declarations(&self) -> Result<Vec<Declaration>, DecodeError> {
        let choices = self.options.clone().unwrap_or_default();
        let dialect = Dialect {
            syntax: match self.syntax.as_deref() {
                None | Some("") => "proto2".to_owned(),
                Some(syntax) => syntax.to_owned(),
            },
            edition: self.edition,
            features: FileChoices::decode(choices)?.features,
        };
        let mut found = Vec::new();
        let mut add = |position, body: Body| {
            let body = body.normalized();
            found.push(Declaration {
                name: match self.package.as_deref() {
                    None | Some("") => body.name().to_owned(),
                    Some(package) => format!("{package}.{}", body.name()),
                },
                shape: Shape {
                    dialect: dialect.clone(),
                    body,
                },
                position,
            });
        };
        for (position, bytes) in self.message_type.iter().enumerate() {
            add(position, Body::Message(Message::decode(bytes.clone())?));
        }
        for (position, bytes) in self.enum_type.iter().enumerate() {
            add(position, Body::Enum(Message::decode(bytes.clone())?));
        }
        for (position, bytes) in self.service.iter().enumerate() {
            add(position, Body::Service(Message::decode(bytes.clone())?));
        }
        for (position, bytes) in self.extension.iter().enumerate() {
            add(position, Body::Extension(Message::decode(bytes.clone())?));
        }
        Ok(found)
    }

    /// Takes out what is not among these declarations of it, and the comments,
    /// which are found by position.
    pub(super) fn keep<'a>(&mut self, kept: impl IntoIterator<Item = &'a Declaration>) {
        let before = self.clone();
        let lists = [
            &mut self.message_type,
            &mut self.enum_type,
            &mut self.service,
            &mut self.extension,
        ];
        for list in lists {
            list.clear();
        }
        for declaration in kept {
            let at = declaration.position;
            let (list, from) = match declaration.shape.body {
                Body::Message(_) => (&mut self.message_type, &before.message_type),
                Body::Enum(_) => (&mut self.enum_type, &before.enum_type),
                Body::Service(_) => (&mut self.service, &before.service),
                Body::Extension(_) => (&mut self.extension, &before.extension),
            };
            list.extend(from.get(at).cloned());
        }
        self.source_code_info = None;
    }
}
