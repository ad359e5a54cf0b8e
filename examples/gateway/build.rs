//! Compiles the contracts into Rust and keeps their descriptors.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files([
            "greeter.proto",
            "files.proto",
            "products.proto",
            "myapp/v1/users.proto",
        ])?;
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("contracts.binpb");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
