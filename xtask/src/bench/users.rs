//! `cargo xtask bench users`: prepares what the benchmark of the users' service
//! needs, and runs it. What it measures is in `benchmarks/users`.

use anyhow::Result;

use super::go_peers::GoPeers;
use super::{build_apart, cargo};
use crate::apt;
use crate::process::{self, Toolchain};
use crate::repository::Repository;
use crate::setup;

const PACKAGE: &str = "benchmark-users";

/// Runs the benchmark of the users' service with these arguments.
pub(crate) fn run(repository: &Repository, arguments: &[&str]) -> Result<()> {
    apt::provide(&Toolchain::H2LOAD, "nghttp2-client")?;
    let peers = repository.root().join("benchmarks/users/peers");
    let python = setup::peers(repository, "users", &peers.join("requirements.txt"))?;
    let programs = GoPeers {
        benchmark: "users",
        module: &peers,
        programs: &["grpc-go"],
        plugins: &["go", "go-grpc"],
        contracts: &[("proto", "user/v1/user.proto")],
        package: "peers/gen/userv1",
    };
    let programs = programs.build(repository, &python)?;
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
