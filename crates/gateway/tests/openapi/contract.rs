//! The contracts of the tests, compiled.

use std::path::Path;
use std::sync::Arc;

use portolan_gateway::{OpenApi, OpenApiOptions};
use portolan_schema::Schema;
use serde_json::Value;

/// The encoded descriptors of these files and all that they import.
pub(crate) fn descriptors(files: &[&str]) -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [here.join("tests/protos"), here.join("../../proto")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files).unwrap();
    compiler.encode_file_descriptor_set()
}

pub(crate) fn schema(files: &[&str]) -> Arc<Schema> {
    Arc::new(Schema::from_descriptor_sets([&*descriptors(files)]).unwrap())
}

/// The document as any reader of JSON has it.
pub(crate) fn document(schema: &Schema, options: &OpenApiOptions) -> Value {
    serde_json::from_str(&OpenApi::of(schema, options).to_json()).unwrap()
}

/// A contract in the words of its file.
pub(crate) fn written(source: &str) -> Schema {
    let file = protox::file::File::from_source("test.proto", source).unwrap();
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Only(file));
    resolver.add(protox::file::GoogleFileResolver::new());
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    resolver.add(protox::file::IncludeFileResolver::new(proto));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("test.proto").unwrap();
    Schema::from_descriptor_sets([&*compiler.encode_file_descriptor_set()]).unwrap()
}

struct Only(protox::file::File);

impl protox::file::FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name == "test.proto" {
            Ok(self.0.clone())
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}
