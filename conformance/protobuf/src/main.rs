//! The testee of the protobuf conformance suite: answers the runner's requests
//! with the transcoder, on standard input and output, until the input ends.
//!
//! Every message changes its form on the way, even where the runner asks for
//! the one it came in: binary to binary goes by way of JSON, JSON to JSON by
//! way of binary. So each test tries both directions.
//!
//! `protocol` has the messages and the framing, `testee` the answers.

mod protocol;
mod testee;

use std::io::{BufReader, BufWriter, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};

use testee::Testee;

/// Where the descriptor set of the test messages is. The runner starts the
/// testee without arguments, so it comes as an environment variable.
const DESCRIPTORS: &str = "CONFORMANCE_DESCRIPTORS";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let path = std::env::var_os(DESCRIPTORS).with_context(|| {
        format!("{DESCRIPTORS} is not set; run `cargo xtask conformance protobuf`")
    })?;
    let descriptors =
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let testee = Testee::new(&descriptors).context("the test messages do not link")?;
    let mut input = BufReader::new(stdin().lock());
    let mut output = BufWriter::new(stdout().lock());
    while let Some(request) = protocol::read(&mut input)? {
        protocol::write(&mut output, &testee.answer(request))?;
    }
    Ok(())
}
