//! Contracts that link, contracts that do not and the sentence that says why,
//! and descriptors that lie.

#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod config;
mod editions;
mod errors;
mod links;
mod mutation;
mod rules;

use portolan_schema::{Error, Schema};
use prost::Message as _;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// Files that exist only in a test.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(file, _)| file == name) {
            Some((file, text)) => File::from_source(file, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// What `google/api/annotations.proto` comes down to.
const ANNOTATIONS: &str = r#"
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
message HttpRule {
  string selector = 1;
  oneof pattern {
    string get = 2;
    string put = 3;
    string post = 4;
    string delete = 5;
    string patch = 6;
    CustomHttpPattern custom = 8;
  }
  string body = 7;
  string response_body = 12;
  repeated HttpRule additional_bindings = 11;
}
message CustomHttpPattern {
  string kind = 1;
  string path = 2;
}
"#;

/// The descriptor set of one file, `test.proto`, and its imports.
fn compile(text: &str) -> Vec<u8> {
    compile_with(text, true)
}

fn compile_with(text: &str, source_info: bool) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(vec![
        ("test.proto".to_owned(), text.to_owned()),
        (
            "google/api/annotations.proto".to_owned(),
            ANNOTATIONS.to_owned(),
        ),
    ]));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .include_source_info(source_info);
    compiler
        .open_file("test.proto")
        .unwrap_or_else(|error| panic!("{error:?}"));
    compiler.encode_file_descriptor_set()
}

fn link(sets: &[&[u8]]) -> Result<Schema, Error> {
    Schema::from_descriptor_sets(sets.iter().copied())
}

fn linked(text: &str) -> Schema {
    link(&[&compile(text)]).unwrap()
}

/// The error that linking a hand-made file ends in.
fn refusal(file: prost_types::FileDescriptorProto) -> String {
    let set = prost_types::FileDescriptorSet { file: vec![file] };
    link(&[&set.encode_to_vec()]).unwrap_err().to_string()
}
