//! `cargo xtask bench users`: prepares what the benchmark of the users' service
//! needs, and runs it. What it measures is in `benchmarks/users`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{build_apart, cargo};
use crate::apt;
use crate::go;
use crate::process::{self, Toolchain, command, run_quietly};
use crate::repository::Repository;
use crate::setup::{self, Stamp};

const PACKAGE: &str = "benchmark-users";

/// The Go program, and the package of its generated code.
const GO_PROGRAM: &str = "grpc-go";
const GO_PLUGINS: [&str; 2] = ["go", "go-grpc"];
const GO_PACKAGE: &str = "peers/gen/userv1";

const CONTRACT: &str = "user/v1/user.proto";

/// Runs the benchmark of the users' service with these arguments.
pub(crate) fn run(repository: &Repository, arguments: &[&str]) -> Result<()> {
    apt::provide(&Toolchain::H2LOAD, "nghttp2-client")?;
    let peers = repository.root().join("benchmarks/users/peers");
    let python = setup::peers(repository, "users", &peers.join("requirements.txt"))?;
    let programs = go(repository, &peers, &python)?;
    build_apart(repository, &["portolan", PACKAGE])?;
    process::run(
        cargo(repository)
            .args(["run", "--quiet", "--release", "--locked"])
            .args(["--package", PACKAGE, "--", "--python"])
            .arg(python)
            .arg("--go")
            .arg(programs)
            .args(arguments),
    )
}

/// The folder with the Go program, built unless it is there.
fn go(repository: &Repository, peers: &Path, python: &Path) -> Result<PathBuf> {
    Toolchain::GO.check()?;
    let folder = repository.clients().join("benchmarks/users-go");
    let programs = folder.with_extension("bin");
    let sources = [
        peers.join("go.mod"),
        peers.join("go.sum"),
        peers.join(GO_PROGRAM).join("main.go"),
        repository.proto().join(CONTRACT),
    ];
    let stamp = Stamp::new(repository, "benchmark-users-go", &sources)?;
    if stamp.holds() && programs.join(GO_PROGRAM).exists() {
        return Ok(programs);
    }
    println!("building the Go server");
    setup::mirror(peers, &folder)?;
    fs::create_dir_all(&programs)?;
    run_quietly(
        go::run_in(repository, &folder)
            .args(["install", "tool"])
            .env("GOBIN", &programs),
    )?;
    let mut protoc = command(python);
    protoc
        .args(["-m", "grpc_tools.protoc"])
        .arg(format!("-I{}", repository.proto().display()));
    for name in GO_PLUGINS {
        let program = programs.join(format!("protoc-gen-{name}"));
        protoc
            .arg(format!("--plugin=protoc-gen-{name}={}", program.display()))
            .arg(format!("--{name}_out={}", folder.display()))
            .arg(format!("--{name}_opt=module=peers"))
            .arg(format!("--{name}_opt=M{CONTRACT}={GO_PACKAGE}"));
    }
    run_quietly(protoc.arg(CONTRACT))?;
    let mut build = go::run_in(repository, &folder);
    build.arg("build").arg("-o").arg(&programs);
    run_quietly(build.arg(format!("./{GO_PROGRAM}")))?;
    stamp.set()?;
    Ok(programs)
}
