//! The repository's own tasks: set-up, tests and benchmarks, as plain
//! `cargo xtask …` with nothing else to install.
//!
//! Here is only the command line; each task is a file of its own.

mod apt;
mod bench;
mod conformance;
mod deploy;
mod fuzz;
mod go;
mod openapi;
mod portable;
mod process;
mod repository;
mod server;
mod setup;
mod steps;
mod suite;

use std::process::ExitCode;

use repository::Repository;
use steps::Steps;
use suite::Suite;

const HELP: &str = "\
Tasks of the Portolan repository.

Usage: cargo xtask <TASK>

Tasks:
  test [SUITE…]      set up, then run every test; or only the named suites of
                     rust, python, node, browser, go, curl, tools,
                     deploy, openapi, conformance, fuzz
  setup              make the Python venv, the Node packages, the browser and the
                     Go modules that the client suites need, and PostgreSQL for
                     Rust's own tests, under target/
  bench memory       measure the memory service
  bench users        measure the users' service beside plain tonic, grpc-go and
                     grpcio
  bench gateway      measure the gateway beside Envoy, grpc-gateway and vanguard-go
  bench transcode    measure the transcoder; with --instructions only count its
                     instructions and hold them against the baseline
  conformance connect
                     run the Connect conformance suite on the gateway, in process
                     and in front of the suite's own gRPC servers
  conformance interop
                     run grpc-go's interop client against its interop server,
                     through the gateway
  conformance protobuf
                     run the protobuf conformance suite on the transcoder
  conformance differential
                     compare the transcoder with the protobuf of Python and of
                     JavaScript on random messages
  conformance openapi
                     call what the served OpenAPI document describes with
                     schemathesis, for longer than the tests do
  conformance rules  call every google.api.http rule of googleapis through the
                     gateway; with --time only measure how fast a rule is found
  fuzz [TARGET…] [--seconds N]
                     run the fuzzers, a minute each, or only the named ones of
                     json_to_wire, wire_to_json, round_trip, fields
  help               show this

Example:
  cargo xtask test python go";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repository = Repository::here();
    let mut steps = Steps::new();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["setup"] => {
            setup::all(&repository, &mut steps);
        }
        ["test", names @ ..] => match Suite::named(names) {
            Ok(suites) => suite::test(&repository, &suites, &mut steps),
            Err(error) => return wrong_use(&error),
        },
        ["bench", "memory", rest @ ..] => {
            steps.run("bench memory", || bench::memory::run(&repository, rest));
        }
        ["bench", "users", rest @ ..] => {
            steps.run("bench users", || bench::users::run(&repository, rest));
        }
        ["bench", "gateway", rest @ ..] => {
            steps.run("bench gateway", || bench::gateway::run(&repository, rest));
        }
        ["bench", "transcode", rest @ ..] => {
            steps.run("bench transcode", || {
                bench::transcode::run(&repository, rest)
            });
        }
        ["conformance", "connect"] => conformance::connect::run_suite(&repository, &mut steps),
        ["conformance", "interop"] => conformance::interop::run_suite(&repository, &mut steps),
        ["conformance", "protobuf"] => conformance::protobuf::run_suite(&repository, &mut steps),
        ["conformance", "differential"] => {
            conformance::differential::run_suite(&repository, &mut steps);
        }
        ["conformance", "openapi"] => {
            if suite::build(&repository, &mut steps) {
                let effort = conformance::schemathesis::Effort::LONG;
                conformance::schemathesis::run_suite(&repository, effort, &mut steps);
            }
        }
        ["conformance", "rules"] => conformance::rules::run_suite(&repository, &mut steps),
        ["conformance", "rules", "--time"] => {
            conformance::rules::run_times(&repository, &mut steps);
        }
        ["fuzz", rest @ ..] => match fuzz::Plan::read(rest) {
            Ok(plan) => fuzz::run(&repository, &plan, &mut steps),
            Err(error) => return wrong_use(&error),
        },
        other => return wrong_use(&format!("unknown task `{}`", other.join(" "))),
    }
    steps.conclude()
}

/// Says what was wrong with the command line. Exit code 2, as for any other
/// wrong use.
fn wrong_use(what: &str) -> ExitCode {
    eprintln!("error: {what}; see `cargo xtask help`");
    ExitCode::from(2)
}
