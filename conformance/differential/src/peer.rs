//! Another implementation, behind a small program in its own language that
//! answers line by line; see `python/driver.py` for what is said.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cases::{Cases, Form};

/// What a peer makes of a message, or why it does not take it.
pub(crate) type Answer = Result<Vec<u8>, String>;

/// Which implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Python,
    JavaScript,
}

/// A peer that can be asked.
pub(crate) struct Peer {
    which: Name,
    /// The interpreter and the driver.
    command: [OsString; 2],
}

impl Peer {
    /// The peers that a command line names: `--python INTERPRETER DRIVER` and
    /// `--javascript INTERPRETER DRIVER`.
    pub(crate) fn from_arguments(mut words: impl Iterator<Item = OsString>) -> Result<Vec<Self>> {
        let mut peers = Vec::new();
        while let Some(flag) = words.next() {
            let which = match flag.to_str() {
                Some("--python") => Name::Python,
                Some("--javascript") => Name::JavaScript,
                _ => bail!("unknown argument {}", flag.display()),
            };
            let (Some(interpreter), Some(driver)) = (words.next(), words.next()) else {
                bail!("{} needs an interpreter and a driver", flag.display());
            };
            let command = [interpreter, driver];
            peers.push(Self { which, command });
        }
        if peers.is_empty() {
            bail!("no peer is named; run `cargo xtask conformance differential`");
        }
        Ok(peers)
    }

    pub(crate) fn which(&self) -> Name {
        self.which
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.which {
            Name::Python => "python",
            Name::JavaScript => "javascript",
        }
    }

    /// Its answers to all questions.
    pub(crate) fn ask(&self, cases: &Cases) -> Result<Vec<Answer>> {
        let [interpreter, driver] = &self.command;
        let mut child = Command::new(interpreter)
            .arg(driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", interpreter.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{} has no pipes", self.name());
        };
        let answers = thread::scope(|scope| {
            let asking = scope.spawn(|| write_questions(BufWriter::new(input), cases));
            let answers = self.read_answers(BufReader::new(output), cases);
            // Why it did not listen to the end is in the answers, or missing.
            let asked = asking.join();
            if answers.is_ok() && !matches!(asked, Ok(Ok(()))) {
                bail!("{} stopped listening", self.name());
            }
            answers
        });
        child.wait()?;
        answers
    }

    fn read_answers(
        &self,
        output: BufReader<impl std::io::Read>,
        cases: &Cases,
    ) -> Result<Vec<Answer>> {
        let mut lines = output.lines();
        let mut next = || -> Result<Answer> {
            let line = lines.next();
            let line = line.with_context(|| format!("{} ended early", self.name()))??;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("ok", text) => Ok(Ok(STANDARD.decode(text)?)),
                ("no", text) => Ok(Err(text.to_owned())),
                _ => bail!("{} said {line:?}", self.name()),
            }
        };
        let mut answers = Vec::new();
        let mut world = usize::MAX;
        for case in &cases.all {
            if case.world != world {
                world = case.world;
                if let Err(error) = next()? {
                    let name = &cases.worlds[world].name;
                    bail!("{} does not take the contract {name}: {error}", self.name());
                }
            }
            answers.push(next()?);
        }
        Ok(answers)
    }
}

/// Writes all questions, one a line.
fn write_questions(mut input: impl Write, cases: &Cases) -> Result<()> {
    let mut world = usize::MAX;
    for case in &cases.all {
        if case.world != world {
            world = case.world;
            let descriptors = STANDARD.encode(&cases.worlds[world].descriptors);
            writeln!(input, "S {descriptors}")?;
        }
        let (what, bytes) = match &case.form {
            Form::Wire(wire) => ("W", wire),
            Form::Json(json) => ("J", json),
        };
        writeln!(input, "{what} {} {}", case.message, STANDARD.encode(bytes))?;
    }
    input.flush()?;
    Ok(())
}
