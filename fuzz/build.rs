//! Compiles the contract of the transcoder's tests, so that the fuzzers need
//! no compiler, instrumented as everything in them is.

use std::error::Error;
use std::path::Path;

/// Every kind of field there is, spread over these files.
const FILES: [&str; 4] = ["kinds.proto", "legacy.proto", "old.proto", "plain.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/transcode/tests/protos");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut compiler = protox::Compiler::new([&folder])?;
    compiler.include_imports(true).open_files(FILES)?;
    let output = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(
        Path::new(&output).join("contract.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}
