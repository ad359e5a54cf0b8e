//! Reads what is to be imported: which line is in which chunk, what it says, and
//! what is wrong with it. Sending it is for [`super::import`].

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portolan_memory::proto::StoreMemoryRequest;
use prost::Message;
use tokio::sync::mpsc;

use crate::lines::{Lines, MemoryJson};

/// What the reader found.
pub(super) enum Found {
    Memory {
        line: u64,
        memory: StoreMemoryRequest,
    },
    Bad {
        line: u64,
        message: String,
    },
    ChunkEnd,
    /// The rest cannot be read.
    Broken {
        line: u64,
        error: io::Error,
    },
}

/// Reads the input to its end, on a thread of its own. A chunk is so many lines
/// whatever they hold, so that the next run finds the same chunks.
pub(super) fn read(
    reader: Box<dyn BufRead + Send>,
    skip: u64,
    chunk_lines: u64,
    largest: usize,
    json: &MemoryJson,
    found: &mpsc::Sender<Found>,
) {
    let mut lines = Lines::new(reader);
    let mut last = 0;
    loop {
        let next = match lines.next() {
            Ok(Some((line, _))) if line <= skip => {
                last = line;
                continue;
            }
            Ok(Some((line, text))) => {
                last = line;
                match text {
                    Ok(text) if text.iter().all(u8::is_ascii_whitespace) => None,
                    Ok(text) => Some(memory(json, line, text, largest)),
                    Err(error) => Some(Found::Bad {
                        line,
                        message: error.to_string(),
                    }),
                }
            }
            Ok(None) => return,
            Err(error) => {
                let _ = found.blocking_send(Found::Broken { line: last, error });
                return;
            }
        };
        if let Some(next) = next
            && found.blocking_send(next).is_err()
        {
            return;
        }
        if last.is_multiple_of(chunk_lines) && found.blocking_send(Found::ChunkEnd).is_err() {
            return;
        }
    }
}

fn memory(json: &MemoryJson, line: u64, text: &[u8], largest: usize) -> Found {
    let memory = match json.read(text) {
        Ok(memory) => memory,
        Err(error) => {
            return Found::Bad {
                line,
                message: format!("{error:#}"),
            };
        }
    };
    let memory = StoreMemoryRequest {
        content: memory.content,
        metadata: memory.metadata,
        vector: memory.vector,
    };
    match memory.encoded_len() {
        // One message over the server's limit would fail the whole chunk.
        bytes if bytes > largest => Found::Bad {
            line,
            message: format!("the memory has {bytes} bytes, more than the limit of {largest}"),
        },
        _ => Found::Memory { line, memory },
    }
}

/// Counts the bytes that are read.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
