//! `cargo xtask bench gateway`: prepares what the benchmark of the gateway
//! needs, and runs it. What it measures is in `benchmarks/gateway`.

use anyhow::Result;

use super::go_peers::GoPeers;
use super::{build_apart, cargo};
use crate::apt;
use crate::process::{self, Toolchain};
use crate::repository::Repository;
use crate::setup;

const PACKAGE: &str = "benchmark-gateway";

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
    let programs = GoPeers {
        benchmark: "gateway",
        module: &peers,
        programs: &["grpc-gateway", "vanguard"],
        plugins: &["go", "go-grpc", "grpc-gateway"],
        contracts: &CONTRACTS,
        package: "peers/gen/benchmarkv1",
    };
    let programs = programs.build(repository, &python)?;
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
