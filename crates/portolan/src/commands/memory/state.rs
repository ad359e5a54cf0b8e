//! How far an import has come: a small file beside the input, so that the same
//! command goes on where the last one stopped. It is written after each chunk
//! that the server has acknowledged, and removed at the end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::files;

/// How much of the input tells it from another one of the same size.
const HEAD: u64 = 1 << 20;
/// How many failures are kept for the summary; the others are counted only.
pub(super) const FAILURES: usize = 10;

/// The whole story of an import, over all its runs.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(super) struct State {
    /// Names the import to the server.
    pub(super) import: String,
    pub(super) order: Order,
    /// Lines of a chunk.
    pub(super) chunk_lines: u64,
    /// Chunks that the server has acknowledged.
    pub(super) chunks: u64,
    pub(super) stored: u64,
    pub(super) failed: u64,
    pub(super) failures: Vec<Failure>,
    /// Seconds of work.
    pub(super) seconds: f64,
}

/// What is to be imported, and where to. A run that goes on has to be told the
/// same.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) server: String,
    pub(super) namespace: String,
    pub(super) input: Input,
    /// Larger memories are not sent. A batch counts those that are, so with
    /// another limit the server would pass over the wrong ones.
    pub(super) max_message_size: usize,
}

/// Tells an input from another; standard input cannot be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Input {
    bytes: u64,
    head: String,
}

/// A line that was not stored.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) line: u64,
    pub(super) message: String,
}

impl Input {
    /// Looks at a file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        Ok(Self {
            bytes,
            head: format!("{:016x}", fnv1a(&head)),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// FNV-1a: enough to notice an accident, and the same for ever.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl State {
    /// Where the state of an input's import is.
    pub(super) fn path(input: &Path) -> PathBuf {
        let mut name = OsString::from(input.as_os_str());
        name.push(".import.json");
        name.into()
    }

    /// An import that begins.
    pub(super) fn new(order: Order, chunk_lines: u64) -> Self {
        Self {
            import: Uuid::now_v7().to_string(),
            order,
            chunk_lines,
            chunks: 0,
            stored: 0,
            failed: 0,
            failures: Vec::new(),
            seconds: 0.0,
        }
    }

    /// The state that an earlier run left, if any.
    pub(super) fn load(path: &Path) -> anyhow::Result<Option<Self>> {
        match fs::read(path) {
            Ok(json) => serde_json::from_slice(&json).map(Some).with_context(|| {
                format!("cannot read {}; begin anew with --restart", path.display())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Makes sure that this is the same import: anything else would store some
    /// memories twice and others not at all.
    pub(super) fn must_match(&self, order: &Order) -> anyhow::Result<()> {
        let begun = &self.order;
        let difference = if begun.input != order.input {
            "of other contents".to_owned()
        } else if begun.server != order.server {
            format!("to {}", begun.server)
        } else if begun.namespace != order.namespace {
            format!("to namespace {}", begun.namespace)
        } else if begun.max_message_size != order.max_message_size {
            format!("with --max-message-size {}", begun.max_message_size)
        } else {
            return Ok(());
        };
        bail!(
            "an import {difference} was begun and not finished; finish it or begin anew with --restart"
        )
    }

    /// Writes the state so that a crash leaves the old one or the new one.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        files::write(path, &json).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Notes a line that was not stored.
    pub(super) fn fail(&mut self, line: u64, message: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(Failure { line, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_and_is_held_against_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        fs::write(&file, "one\ntwo\n").unwrap();
        let path = State::path(&file);
        assert_eq!(path, folder.path().join("a.jsonl.import.json"));
        assert_eq!(State::load(&path).unwrap(), None);

        let input = Input::of(&file).unwrap();
        let order = Order {
            server: "http://a:80".into(),
            namespace: "default".into(),
            input,
            max_message_size: 4096,
        };
        let mut state = State::new(order.clone(), 5000);
        (0..12).for_each(|line| state.fail(line, "bad".into()));
        state.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap().unwrap(), state);
        assert_eq!((state.failed, state.failures.len()), (12, FAILURES));
        assert!(state.must_match(&order).is_ok());
        fs::write(&file, "one\ntwO\n").unwrap();
        let (mut server, mut namespace) = (order.clone(), order.clone());
        let (mut contents, mut size) = (order.clone(), order);
        server.server = "http://b:80".into();
        namespace.namespace = "x".into();
        contents.input = Input::of(&file).unwrap();
        size.max_message_size = 4097;
        for (other, expected) in [
            (server, "to http://a:80"),
            (namespace, "to namespace default"),
            (contents, "of other contents"),
            (size, "with --max-message-size 4096"),
        ] {
            let error = state.must_match(&other).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "an import {expected} was begun and not finished; \
                     finish it or begin anew with --restart"
                )
            );
        }

        fs::write(&path, "{").unwrap();
        assert!(
            State::load(&path)
                .unwrap_err()
                .to_string()
                .ends_with("begin anew with --restart")
        );
    }
}
