//! Contenders of other languages: a program of ours in that language that waits
//! for its turns and measures itself, so that they are interleaved with those in
//! this process.
//!
//! One line in, one line out; the commands are listed in `peers/converter.cc`.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Measured;
use crate::contract;
use crate::sample::{Sample, Way};

/// A program that has read the contract.
#[derive(Clone)]
pub(crate) struct Program {
    process: Rc<RefCell<Process>>,
    /// What it says it is.
    pub(crate) version: String,
    folder: PathBuf,
}

impl Program {
    /// Starts a program that takes a descriptor set as its next argument, and
    /// `mode` after it. What it reads and writes is below `folder`.
    pub(crate) fn start(command: &mut Command, mode: Option<&str>, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let descriptors = folder.join("samples.binpb");
        fs::write(&descriptors, contract::DESCRIPTORS)?;
        let mut child = command
            .arg(&descriptors)
            .args(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        let input = child.stdin.take().expect("stdin is piped above");
        let output = child.stdout.take().expect("stdout is piped above");
        let mut process = Process {
            child,
            input: Some(input),
            output: BufReader::new(output),
        };
        Ok(Self {
            version: process.line()?,
            process: Rc::new(RefCell::new(process)),
            folder: folder.to_owned(),
        })
    }

    /// The program as a contender with one sample.
    pub(crate) fn prepare(&self, sample: &Sample) -> Result<Box<dyn Measured>> {
        let (json, wire) = (
            self.file(sample.name, "json"),
            self.file(sample.name, "wire"),
        );
        fs::write(&json, &sample.json)?;
        fs::write(&wire, &sample.wire)?;
        let (json, wire) = (json.display().to_string(), wire.display().to_string());
        self.ask(&["sample", sample.name, &sample.message, &json, &wire])?;
        Ok(Box::new(There {
            program: self.clone(),
            sample: sample.name,
        }))
    }

    fn file(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(name).with_extension(extension)
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let mut process = self.process.borrow_mut();
        let input = process.input.as_mut().context("the program was stopped")?;
        writeln!(input, "{}", words.join("\t"))?;
        input.flush()?;
        let answer = process.line()?;
        if let Some(error) = answer.strip_prefix("error: ") {
            bail!("{}: {error}", self.version);
        }
        Ok(answer)
    }
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line)?;
        ensure!(length > 0, "a peer ended; its error is above");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

struct There {
    program: Program,
    sample: &'static str,
}

impl Measured for There {
    fn output(&mut self, way: Way) -> Result<Vec<u8>> {
        let file = self.program.file(self.sample, "out");
        let shown = file.display().to_string();
        self.program
            .ask(&["output", self.sample, way.name(), &shown])?;
        Ok(fs::read(file)?)
    }

    fn time(&mut self, way: Way, times: u64) -> Result<Duration> {
        let times = times.to_string();
        let nanoseconds = self
            .program
            .ask(&["time", self.sample, way.name(), &times])?;
        Ok(Duration::from_nanos(nanoseconds.parse()?))
    }

    fn repeat(&mut self, way: Way, times: u64) -> Result<()> {
        self.time(way, times).map(drop)
    }

    fn allocations(&mut self, way: Way) -> Result<Option<u64>> {
        let count = self
            .program
            .ask(&["allocations", self.sample, way.name()])?;
        Ok(if count == "-" {
            None
        } else {
            Some(count.parse()?)
        })
    }
}
