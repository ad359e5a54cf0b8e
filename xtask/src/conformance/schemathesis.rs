//! schemathesis, which calls every operation of the served OpenAPI document with
//! what fits it and what does not, and looks at each answer: none may be a fault
//! of the server's, and each must be of a status, a content type and a form that
//! the document has.

use std::time::Duration;

use anyhow::Result;

use crate::process::{command, run_within};
use crate::repository::Repository;
use crate::server::Server;
use crate::setup;
use crate::steps::Steps;

/// What each answer is held against. That the server refuses everything the
/// document does not allow, and takes all that it does, is not among them: a
/// document cannot say that a user needs a name, and protobuf's JSON takes null
/// for any field.
const CHECKS: &str = "not_a_server_error,status_code_conformance,\
    content_type_conformance,response_headers_conformance,response_schema_conformance";

/// Its calls have no end, so no answer to them can be waited for.
const ENDLESS: &str = "(?i)/watchuserchanges$";

/// How much is tried.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Calls of each operation that are made up.
    examples: u32,
    limit: Duration,
}

impl Effort {
    /// Under a minute: for every change.
    pub(crate) const SHORT: Self = Self {
        examples: 5,
        limit: Duration::from_secs(10 * 60),
    };
    /// Some ten minutes.
    pub(crate) const LONG: Self = Self {
        examples: 200,
        limit: Duration::from_secs(90 * 60),
    };
}

/// Sets it up and runs it against the services that are built in. The binary has
/// to be there.
pub(crate) fn run_suite(repository: &Repository, effort: Effort, steps: &mut Steps) {
    steps.run("schemathesis", || run(repository, effort));
}

fn run(repository: &Repository, effort: Effort) -> Result<()> {
    let sources = repository.root().join("tests/openapi");
    let python = setup::peers(
        repository,
        "schemathesis",
        &sources.join("schemathesis.txt"),
    )?;
    let server = Server::start(repository, "schemathesis", &["--demo"])?;
    let mut judge = command(python.with_file_name("schemathesis"));
    judge
        .args(["--no-color", "run"])
        .arg(format!("http://{}/openapi.json", server.address()))
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--checks", CHECKS, "--exclude-path-regex", ENDLESS])
        .args(["--max-examples", &effort.examples.to_string()])
        // The same calls at every run.
        .arg("--generation-deterministic")
        .args(["--request-timeout", "30", "--warnings", "off"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &sources)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // What it remembers of its runs goes where it works.
        .current_dir(repository.clients());
    let passed = run_within(effort.limit, &mut judge);
    // It must have survived all that, and end as always.
    let stopped = server.stop();
    passed.and(stopped)
}
