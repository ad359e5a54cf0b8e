//! Compiles the contract of the service into a descriptor set, which every
//! gateway that reads one is given.

use std::{env, error::Error, fs, path::PathBuf};

/// Where the contracts lie: the service's own, the messages', and those of
/// HTTP rules.
const PROTO: [&str; 3] = ["proto", "../samples/proto", "../../proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for folder in PROTO {
        println!("cargo:rerun-if-changed={folder}");
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut compiler = protox::Compiler::new(PROTO)?;
    compiler.include_imports(true).open_file("harbour.proto")?;
    fs::write(
        folder.join("harbour.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}
