//! Compiles the contract into Rust, and keeps its descriptors: from them comes
//! all that is not gRPC.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_file("notes/v1/notes.proto")?;
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("notes.binpb");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
