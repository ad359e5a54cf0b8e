//! Compiles the contracts of the directory into Rust and keeps their descriptor
//! set.

use std::{env, error::Error, fs, path::PathBuf};

/// The folder with every contract of the project.
const CONTRACTS: &str = "../../proto";

/// The contracts that this crate serves, the canonical one first: where two of
/// them want the same named route, it is the first one's. With them the details
/// of its statuses, so that they can be shown in JSON.
const FILES: [&str; 4] = [
    "user/v1/user.proto",
    "users/v1/user.proto",
    "user/user.proto",
    "google/rpc/error_details.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={CONTRACTS}");
    let mut compiler = protox::Compiler::new([CONTRACTS])?;
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        compiler.open_file(file)?;
    }
    // Encoded by the compiler itself: `google.api.http` is an extension, which
    // the typed descriptors of prost would drop.
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(
        folder.join("users.fds"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .build_transport(false)
        .btree_map(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
