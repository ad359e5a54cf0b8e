//! The unfinished file of an export. It grows by whole pieces: when a run is
//! interrupted, the next one cuts off what is torn and goes on after the last
//! memory that is whole.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::files;
use crate::lines::{Lines, MemoryJson};

/// A piece has this many memories at most …
const MEMORIES: u64 = 1000;
/// … and ends with the one that brings it to this many bytes.
const BYTES: usize = 8 << 20;
/// zstd's own default.
const LEVEL: i32 = 3;

/// A file that grows piece by piece and gets its name at the end.
pub(super) struct Part {
    file: File,
    unfinished: PathBuf,
    finished: PathBuf,
    compressed: bool,
    piece: Vec<u8>,
    memories: u64,
    /// What was there when it was opened.
    pub(super) earlier: Earlier,
}

/// What an earlier run has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) memories: u64,
    /// The id of the last one.
    pub(super) last: Option<String>,
}

impl Part {
    /// Opens the unfinished file for `path`, or makes it. It is compressed when
    /// the name ends with `.zst`.
    pub(super) fn open(path: &Path, json: &MemoryJson) -> anyhow::Result<Self> {
        let mut part = OsString::from(path.as_os_str());
        part.push(".part");
        let part = PathBuf::from(part);
        let compressed = path.extension().is_some_and(|extension| extension == "zst");
        let open = || -> anyhow::Result<Self> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&part)?;
            let (whole, earlier) = if compressed {
                frames(&file, json)?
            } else {
                lines(&file, json)?
            };
            file.set_len(whole)?;
            file.seek(SeekFrom::Start(whole))?;
            Ok(Self {
                file,
                unfinished: part.clone(),
                finished: path.to_owned(),
                compressed,
                piece: Vec::new(),
                memories: 0,
                earlier,
            })
        };
        open().with_context(|| format!("cannot use {}", part.display()))
    }

    /// Adds a line, which `write` appends.
    pub(super) fn add(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        write(&mut self.piece)?;
        self.memories += 1;
        if self.memories >= MEMORIES || self.piece.len() >= BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was added. A piece is one frame, so that it is whole or not
    /// there.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let mut write = || -> io::Result<()> {
            if self.compressed {
                let frame = zstd::bulk::compress(&self.piece, LEVEL)?;
                self.file.write_all(&frame)
            } else {
                self.file.write_all(&self.piece)
            }
        };
        write().with_context(|| format!("cannot write {}", self.unfinished.display()))?;
        self.piece.clear();
        self.memories = 0;
        Ok(())
    }

    /// Gives the file its name, once all of it is on the disk.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        let mut finish = || -> io::Result<()> {
            if self.compressed && self.file.stream_position()? == 0 {
                // No memories: still a file that zstd can read.
                self.file.write_all(&zstd::bulk::compress(&[], LEVEL)?)?;
            }
            self.file.sync_all()?;
            files::rename(&self.unfinished, &self.finished)
        };
        finish().with_context(|| format!("cannot write {}", self.finished.display()))
    }

    /// Where the unfinished file is.
    pub(super) fn unfinished(&self) -> &Path {
        &self.unfinished
    }
}

/// How many bytes of plain lines are whole, and what they are.
fn lines(file: &File, json: &MemoryJson) -> anyhow::Result<(u64, Earlier)> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut whole = 0;
    let mut earlier = Earlier::default();
    let mut last = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        // We wrote these lines, so their length is bounded by a message's.
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        whole += length as u64;
        earlier.memories += 1;
        std::mem::swap(&mut last, &mut line);
    }
    earlier.last = id(&last, json)?;
    Ok((whole, earlier))
}

/// How many bytes of zstd frames are whole, and what is in them.
fn frames(file: &File, json: &MemoryJson) -> anyhow::Result<(u64, Earlier)> {
    let mut reader = Consumed {
        inner: BufReader::with_capacity(1 << 16, file),
        bytes: 0,
    };
    let mut whole = 0;
    let mut earlier = Earlier::default();
    let mut last = Vec::new();
    while !reader.fill_buf()?.is_empty() {
        let decoder = zstd::Decoder::with_buffer(&mut reader)?.single_frame();
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, decoder));
        let (mut memories, mut last_here) = (0, Vec::new());
        let torn = loop {
            match lines.next() {
                Ok(Some((_, Ok(line)))) => {
                    memories += 1;
                    last_here.clear();
                    last_here.extend_from_slice(line);
                }
                Ok(None) => break false,
                Ok(Some((_, Err(_)))) | Err(_) => break true,
            }
        };
        drop(lines);
        if torn {
            break;
        }
        whole = reader.bytes;
        earlier.memories += memories;
        if memories > 0 {
            last = last_here;
        }
    }
    earlier.last = id(&last, json)?;
    Ok((whole, earlier))
}

fn id(line: &[u8], json: &MemoryJson) -> anyhow::Result<Option<String>> {
    if line.is_empty() {
        return Ok(None);
    }
    let memory = json
        .read(line)
        .context("it is no unfinished export; remove it to begin anew")?;
    Ok(Some(memory.id))
}

/// Counts what was taken out of a buffer.
struct Consumed<R> {
    inner: R,
    bytes: u64,
}

impl<R: BufRead> Read for Consumed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Consumed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bytes += count as u64;
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use portolan_memory::proto::Memory;

    use super::*;

    fn memory(index: u64) -> Memory {
        Memory {
            id: format!("id-{index:05}"),
            content: format!("text {index}"),
            ..Memory::default()
        }
    }

    fn write(path: &Path, from: u64, to: u64, json: &MemoryJson) -> Part {
        let mut part = Part::open(path, json).unwrap();
        for index in from..to {
            part.add(|out| json.write(&memory(index), out)).unwrap();
        }
        part
    }

    fn contents(path: &Path) -> String {
        let bytes = fs::read(path).unwrap();
        let bytes = if path.extension().unwrap() == "zst" {
            zstd::decode_all(bytes.as_slice()).unwrap()
        } else {
            bytes
        };
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_torn_file_goes_on_after_what_is_whole() {
        let json = MemoryJson::new().unwrap();
        for name in ["a.jsonl", "a.jsonl.zst"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            write(&path, 0, 2500, &json).flush().unwrap();
            let part = folder.path().join(format!("{name}.part"));
            let length = fs::metadata(&part).unwrap().len();
            // Every cut leaves whole memories.
            for cut in [1, 7, length / 3, length / 2, length - 1, length] {
                OpenOptions::new()
                    .write(true)
                    .open(&part)
                    .unwrap()
                    .set_len(length - cut)
                    .unwrap();
                let opened = Part::open(&path, &json).unwrap();
                let earlier = opened.earlier.clone();
                assert!(earlier.memories < 2500, "{name} {cut}");
                assert_eq!(earlier.last.is_some(), earlier.memories > 0);
                if let Some(last) = &earlier.last {
                    assert_eq!(*last, memory(earlier.memories - 1).id);
                }
                drop(opened);
                write(&path, earlier.memories, 2500, &json).flush().unwrap();
                let again = fs::metadata(&part).unwrap().len();
                assert!(again >= length || name.ends_with("zst"), "{name} {cut}");
                OpenOptions::new()
                    .write(true)
                    .open(&part)
                    .unwrap()
                    .set_len(again.min(length))
                    .unwrap();
            }
            let opened = Part::open(&path, &json).unwrap();
            let from = opened.earlier.memories;
            drop(opened);
            write(&path, from, 2500, &json).finish().unwrap();
            assert!(!part.exists());
            let expected: String = (0..2500)
                .map(|index| {
                    let mut line = Vec::new();
                    json.write(&memory(index), &mut line).unwrap();
                    String::from_utf8(line).unwrap()
                })
                .collect();
            assert!(contents(&path) == expected, "{name}");
        }
    }

    #[test]
    fn an_export_of_nothing_is_a_file() {
        let json = MemoryJson::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "a.jsonl.zst"] {
            let path = folder.path().join(name);
            Part::open(&path, &json).unwrap().finish().unwrap();
            assert_eq!(contents(&path), "");
        }
    }

    #[test]
    fn what_is_no_export_is_left_alone() {
        let json = MemoryJson::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let part = folder.path().join("a.jsonl.part");
        fs::write(&part, "dear diary\n").unwrap();
        let error = format!("{:#}", Part::open(&path, &json).map(|_| ()).unwrap_err());
        assert!(
            error.contains("it is no unfinished export; remove it to begin anew"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&part).unwrap(), "dear diary\n");
    }
}
