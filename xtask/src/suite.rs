//! The test suites: Rust's own, one for each language whose real clients talk
//! to a real server, other people's judges of the transcoder and of the gateway,
//! and the fuzzers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::bench;
use crate::conformance::{self, schemathesis};
use crate::deploy;
use crate::fuzz;
use crate::go;
use crate::openapi;
use crate::portable;
use crate::process::{Toolchain, command, run_within};
use crate::repository::Repository;
use crate::server::Server;
use crate::setup;
use crate::steps::Steps;

/// How a client suite learns where its server listens.
const ADDRESS: &str = "PORTOLAN_ADDRESS";

/// How Rust's own tests learn where PostgreSQL's programs are.
const POSTGRES: &str = "PORTOLAN_POSTGRES";

/// How long a client suite may take: most need seconds, and one compiles what it
/// judges with at first.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// How long cargo may take, which has to compile everything first: many times
/// what a slow machine needs, and still an end.
const CARGO_LIMIT: Duration = Duration::from_secs(90 * 60);

/// What `cargo xtask test` can run; what needs a server comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Rust,
    Python,
    Node,
    Browser,
    Go,
    Curl,
    Tools,
    Deploy,
    Openapi,
    Conformance,
    Fuzz,
}

impl Suite {
    const ALL: [Self; 11] = [
        Self::Rust,
        Self::Python,
        Self::Node,
        Self::Browser,
        Self::Go,
        Self::Curl,
        Self::Tools,
        Self::Deploy,
        Self::Openapi,
        Self::Conformance,
        Self::Fuzz,
    ];

    /// The suites of these names, in their own order; all of them for none.
    pub(crate) fn named(names: &[&str]) -> Result<Vec<Self>, String> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        if let Some(unknown) = names
            .iter()
            .find(|name| Self::ALL.iter().all(|suite| suite.name() != **name))
        {
            return Err(format!("unknown suite `{unknown}`"));
        }
        let chosen = |suite: &Self| names.contains(&suite.name());
        Ok(Self::ALL.into_iter().filter(chosen).collect())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Node => "node",
            Self::Browser => "browser",
            Self::Go => "go",
            Self::Curl => "curl",
            Self::Tools => "tools",
            Self::Deploy => "deploy",
            Self::Openapi => "openapi",
            Self::Conformance => "conformance",
            Self::Fuzz => "fuzz",
        }
    }

    /// Whether these are clients of a server.
    fn has_clients(self) -> bool {
        !matches!(
            self,
            Self::Rust | Self::Openapi | Self::Conformance | Self::Fuzz
        )
    }

    /// Whether these are the clients of other languages, which a gateway has to
    /// serve as well as a server.
    fn is_of_languages(self) -> bool {
        matches!(self, Self::Python | Self::Node | Self::Go)
    }

    /// What the suite's server is started with besides an address and a folder.
    fn server_arguments(self) -> &'static [&'static str] {
        match self {
            // One checks what the README promises about the demo, and in the others
            // its people are expected.
            Self::Curl | Self::Python | Self::Tools => &["--demo"],
            // A page of one origin is let in, and one of another is not.
            Self::Browser => &["--cors-origin", "http://localhost:*"],
            _ => &[],
        }
    }
}

/// Sets up what the chosen suites need and runs them. One that fails does not
/// keep the next from running.
pub(crate) fn test(repository: &Repository, suites: &[Suite], steps: &mut Steps) {
    let chosen = |suite| suites.contains(&suite);
    let clients = suites.iter().any(|suite| suite.has_clients());
    // The Python environment carries the compiler that the others use.
    if clients && !setup::python(repository, steps) {
        return;
    }
    if chosen(Suite::Node) && !setup::node(repository, steps) {
        return;
    }
    if chosen(Suite::Browser) && !setup::browser(repository, steps) {
        return;
    }
    if chosen(Suite::Go) && !go::set_up(repository, steps) {
        return;
    }
    if chosen(Suite::Tools) && !steps.run("set up tools", || go::TOOLS.set_up(repository)) {
        return;
    }
    if chosen(Suite::Deploy) && !deploy::set_up(repository, steps) {
        return;
    }
    if chosen(Suite::Curl) && !steps.run("find curl", || Toolchain::CURL.check()) {
        return;
    }
    if chosen(Suite::Rust) {
        setup::postgres(repository, steps);
        steps.run("rust tests", || rust_tests(repository));
        steps.run("another processor", || portable::check(repository));
        steps.run("instructions", || {
            bench::transcode::instructions(repository)
        });
    }
    if chosen(Suite::Conformance) {
        conformance::protobuf::run_suite(repository, steps);
        conformance::connect::run_suite(repository, steps);
        conformance::interop::run_suite(repository, steps);
        conformance::differential::run_suite(repository, steps);
        conformance::rules::run_suite(repository, steps);
    }
    if chosen(Suite::Fuzz) {
        fuzz::run(repository, &fuzz::Plan::all(fuzz::SHORT), steps);
    }
    if !clients && !chosen(Suite::Openapi) {
        return;
    }
    if !build(repository, steps) {
        return;
    }
    if chosen(Suite::Openapi) {
        openapi::run_suite(repository, steps);
        schemathesis::run_suite(repository, schemathesis::Effort::SHORT, steps);
    }
    for suite in suites.iter().copied().filter(|suite| suite.has_clients()) {
        steps.run(&format!("{} clients", suite.name()), || {
            let server = Server::start(repository, suite.name(), suite.server_arguments())?;
            let passed = run_clients(repository, suite, server.address());
            // A suite's failure is the news; the server's is, when it is alone.
            let stopped = server.stop();
            passed.and(stopped)
        });
        if suite.is_of_languages() {
            steps.run(
                &format!("{} clients, through a gateway", suite.name()),
                || through_a_gateway(repository, suite),
            );
        }
    }
}

/// Builds the binary that clients talk to.
pub(crate) fn build(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("build the server", || {
        run_cargo(repository, &["build", "--locked", "--package", "portolan"])
    })
}

/// Runs a suite of clients against a server that they reach through a gateway.
fn through_a_gateway(repository: &Repository, suite: Suite) -> Result<()> {
    let name = format!("{}-behind", suite.name());
    let server = Server::start(repository, &name, suite.server_arguments())?;
    let name = format!("{}-gateway", suite.name());
    let gateway = Server::gateway(repository, &name, server.address())?;
    let passed = run_clients(repository, suite, gateway.address());
    let stopped = gateway.stop().and(server.stop());
    passed.and(stopped)
}

/// Rust's own tests, those over PostgreSQL among them.
fn rust_tests(repository: &Repository) -> Result<()> {
    let programs = setup::postgres_programs(repository)?;
    let mut cargo = cargo(repository);
    cargo
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .env(POSTGRES, programs);
    run_within(CARGO_LIMIT, &mut cargo)
}

fn run_cargo(repository: &Repository, arguments: &[&str]) -> Result<()> {
    run_within(CARGO_LIMIT, cargo(repository).args(arguments))
}

/// The cargo that runs us, so that one toolchain does everything.
fn cargo(repository: &Repository) -> std::process::Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = command(cargo);
    cargo.current_dir(repository.root());
    cargo
}

/// Runs one suite's own test runner against the server at this address.
fn run_clients(repository: &Repository, suite: Suite, address: &str) -> Result<()> {
    let mut runner = match suite {
        Suite::Rust | Suite::Openapi | Suite::Conformance | Suite::Fuzz => return Ok(()),
        Suite::Python | Suite::Curl => {
            let mut pytest = command(repository.venv("python"));
            pytest
                .args(["-B", "-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
                .arg(repository.suite(suite.name()))
                .current_dir(repository.root());
            pytest
        }
        Suite::Node | Suite::Browser => {
            let folder = repository.clients().join(suite.name());
            let mut node = command("node");
            node.args(["--test", "--test-reporter=spec"])
                .args(node_tests(&folder)?)
                .current_dir(folder);
            node
        }
        Suite::Go => {
            return go::CLIENTS
                .iter()
                .try_for_each(|module| module.test(repository, address, &[]));
        }
        Suite::Tools => return go::TOOLS.test(repository, address, &[]),
        Suite::Deploy => return deploy::test(repository, address),
    };
    run_within(LIMIT, told(&mut runner, repository, address))
}

/// Tells a runner of tests where the server is that it talks to, and what it
/// needs to start others.
pub(crate) fn told<'a>(
    runner: &'a mut Command,
    repository: &Repository,
    address: &str,
) -> &'a mut Command {
    runner
        .env(ADDRESS, address)
        .env("PORTOLAN_BINARY", repository.binary())
        .env("PORTOLAN_CLIENTS", repository.clients())
        .env("PORTOLAN_PROTO", repository.proto())
}

/// The test files by name: what a folder or a pattern means to `node --test`
/// differs between its versions.
fn node_tests(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join("suite"))? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_named_in_any_order_and_run_in_one() {
        assert_eq!(Suite::named(&[]).unwrap().len(), 11);
        assert_eq!(
            Suite::named(&["go", "rust"]).unwrap(),
            [Suite::Rust, Suite::Go]
        );
        assert_eq!(
            Suite::named(&["go", "cobol"]).unwrap_err(),
            "unknown suite `cobol`"
        );
    }
}
