//! `cargo xtask bench gateway`: prepares what the benchmark of the gateway
//! needs, and runs it. What it measures is in `benchmarks/gateway`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{build_apart, cargo};
use crate::apt;
use crate::go;
use crate::process::{self, Toolchain, command, run_quietly};
use crate::repository::Repository;
use crate::setup::{self, Stamp};

const PACKAGE: &str = "benchmark-gateway";

/// The Go programs, and what generates code for them.
const GO_PROGRAMS: [&str; 2] = ["grpc-gateway", "vanguard"];
const GO_PLUGINS: [&str; 3] = ["go", "go-grpc", "grpc-gateway"];
/// Their module, and in it the generated package.
const GO_MODULE: &str = "peers";
const GO_PACKAGE: &str = "peers/gen/benchmarkv1";

/// The contracts of the service, and the folders that they lie in.
const CONTRACTS: [(&str, &str); 2] = [
    ("benchmarks/samples/proto", "samples.proto"),
    ("benchmarks/gateway/proto", "harbour.proto"),
];

/// Runs the benchmark of the gateway with these arguments.
pub(crate) fn run(repository: &Repository, arguments: &[&str]) -> Result<()> {
    apt::provide(&Toolchain::WRK, "wrk")?;
    apt::provide(&Toolchain::H2LOAD, "nghttp2-client")?;
    let peers = repository.root().join("benchmarks/gateway/peers");
    let python = setup::peers(repository, "gateway", &peers.join("requirements.txt"))?;
    let programs = go(repository, &peers, &python)?;
    build_apart(repository, &["portolan", PACKAGE])?;
    process::run(
        cargo(repository)
            .args(["run", "--quiet", "--release", "--locked"])
            .args(["--package", PACKAGE, "--", "--envoy"])
            .arg(python.with_file_name("envoy"))
            .arg("--go")
            .arg(programs)
            .args(arguments),
    )
}

/// The folder with the Go programs, built unless they are there.
fn go(repository: &Repository, peers: &Path, python: &Path) -> Result<PathBuf> {
    Toolchain::GO.check()?;
    let folder = repository.clients().join("benchmarks/gateway-go");
    let programs = folder.with_extension("bin");
    let mut sources = vec![peers.join("go.mod"), peers.join("go.sum")];
    sources.extend(GO_PROGRAMS.map(|name| peers.join(name).join("main.go")));
    sources.extend(CONTRACTS.map(|(folder, file)| repository.root().join(folder).join(file)));
    let stamp = Stamp::new(repository, "benchmark-gateway-go", &sources)?;
    let are_there = GO_PROGRAMS.iter().all(|name| programs.join(name).exists());
    if stamp.holds() && are_there {
        return Ok(programs);
    }
    println!("building the Go gateways");
    setup::mirror(peers, &folder)?;
    fs::create_dir_all(&programs)?;
    run_quietly(
        go::run_in(repository, &folder)
            .args(["install", "tool"])
            .env("GOBIN", &programs),
    )?;
    generate(repository, python, &programs, &folder)?;
    let mut build = go::run_in(repository, &folder);
    build.arg("build").arg("-o").arg(&programs);
    run_quietly(build.args(GO_PROGRAMS.map(|name| format!("./{name}"))))?;
    stamp.set()?;
    Ok(programs)
}

/// The code for messages, client and gateway.
fn generate(repository: &Repository, python: &Path, plugins: &Path, folder: &Path) -> Result<()> {
    let mut protoc = command(python);
    protoc
        .args(["-m", "grpc_tools.protoc"])
        .arg(format!("-I{}", repository.proto().display()));
    for (folder, _) in CONTRACTS {
        protoc.arg(format!("-I{}", repository.root().join(folder).display()));
    }
    for name in GO_PLUGINS {
        let program = plugins.join(format!("protoc-gen-{name}"));
        protoc
            .arg(format!("--plugin=protoc-gen-{name}={}", program.display()))
            .arg(format!("--{name}_out={}", folder.display()))
            .arg(format!("--{name}_opt=module={GO_MODULE}"));
        for (_, file) in CONTRACTS {
            protoc.arg(format!("--{name}_opt=M{file}={GO_PACKAGE}"));
        }
    }
    run_quietly(protoc.args(CONTRACTS.map(|(_, file)| file)))
}
