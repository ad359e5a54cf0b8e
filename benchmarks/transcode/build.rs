//! Compiles the contract of the samples: its descriptors for those who read
//! them at run time, and the generated code of those who do not.

use std::{env, error::Error, fs, path::PathBuf};

const PROTO: &str = "../samples/proto";
const CONTRACT: &str = "samples.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let folder = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).open_file(CONTRACT)?;
    let descriptors = folder.join("samples.binpb");
    fs::write(&descriptors, compiler.encode_file_descriptor_set())?;
    #[cfg(feature = "peers")]
    generate(&compiler, &descriptors, &folder)?;
    Ok(())
}

/// Each generator with its defaults, as its users have it; of buffa without the
/// borrowing views, which know no way from JSON.
#[cfg(feature = "peers")]
fn generate(
    compiler: &protox::Compiler,
    descriptors: &std::path::Path,
    folder: &std::path::Path,
) -> Result<(), Box<dyn Error>> {
    prost_build::Config::new()
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::pbjson_types")
        .compile_fds(compiler.file_descriptor_set())?;
    pbjson_build::Builder::new()
        .register_descriptors(&fs::read(descriptors)?)?
        .build(&[".portolan.benchmark.v1"])?;
    let buffa = folder.join("buffa");
    fs::create_dir_all(&buffa)?;
    buffa_build::Config::new()
        .descriptor_set(descriptors)
        .files(&[CONTRACT])
        .out_dir(buffa)
        .generate_json(true)
        .generate_views(false)
        .compile()?;
    Ok(())
}
