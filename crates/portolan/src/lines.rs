//! Files with a memory in JSON on each line: the lines, in bounded memory, and
//! what one of them says. Where they come from and go to is for the commands.

use std::io::{self, BufRead};
use std::sync::Arc;

use portolan_memory::FILE_DESCRIPTOR_SET;
use portolan_memory::proto;
use portolan_schema::{MessageId, Schema};
use portolan_transcode::{ReadOptions, Transcoder, WriteOptions};
use prost::Message;

/// The longest line that is read. A vector takes some twelve characters for
/// each of its four-byte components, so this is enough for the largest message
/// that servers take by default, four times over.
pub(crate) const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Reads lines, without their ends, up to a length.
pub(crate) struct Lines<R> {
    reader: R,
    longest: usize,
    number: u64,
    line: Vec<u8>,
}

/// A line with its number, from 1.
pub(crate) type Line<'a> = (u64, Result<&'a [u8], TooLong>);

/// A line that is longer than it may be; the next ones can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is longer than {0} bytes")]
pub(crate) struct TooLong(usize);

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::with_longest(reader, LONGEST_LINE)
    }

    fn with_longest(reader: R, longest: usize) -> Self {
        Self {
            reader,
            longest,
            number: 0,
            line: Vec::new(),
        }
    }

    /// The next line; `None` at the end. A last line
    /// without a line end is one too.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0;
        let mut begun = false;
        loop {
            let chunk = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                if begun {
                    break;
                }
                return Ok(None);
            }
            begun = true;
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            length += part.len();
            if length <= self.longest {
                self.line.extend_from_slice(part);
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        let line = if length > self.longest {
            Err(TooLong(self.longest))
        } else {
            Ok(self.line.as_slice())
        };
        Ok(Some((self.number, line)))
    }
}

/// Memories as JSON: what `StoreMemory` takes, and what it answers.
pub(crate) struct MemoryJson {
    transcoder: Transcoder,
    memory: MessageId,
}

impl MemoryJson {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let schema = Arc::new(Schema::from_descriptor_sets([FILE_DESCRIPTOR_SET])?);
        let name = "somafractalmemory.v1.Memory";
        let memory = schema
            .message_by_name(name)
            .ok_or_else(|| anyhow::anyhow!("{name} is not in the contract"))?;
        Ok(Self {
            transcoder: Transcoder::new(schema),
            memory,
        })
    }

    /// Reads a `StoreMemoryRequest`, or a `Memory`, whose fields of the same
    /// names are the same.
    pub(crate) fn read(&self, line: &[u8]) -> anyhow::Result<proto::Memory> {
        let mut wire = Vec::with_capacity(line.len() / 2);
        self.transcoder
            .json_to_wire(self.memory, line, &mut wire, &ReadOptions::default())?;
        Ok(proto::Memory::decode(wire.as_slice())?)
    }

    /// Appends a line.
    pub(crate) fn write(&self, memory: &proto::Memory, out: &mut Vec<u8>) -> anyhow::Result<()> {
        self.transcoder.wire_to_json(
            self.memory,
            &memory.encode_to_vec(),
            out,
            &WriteOptions::default(),
        )?;
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &str, buffer: usize, longest: usize) -> Vec<(u64, Result<String, TooLong>)> {
        let mut lines =
            Lines::with_longest(BufReader::with_capacity(buffer, text.as_bytes()), longest);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((
                number,
                line.map(|line| String::from_utf8(line.to_vec()).unwrap()),
            ));
        }
        all
    }

    #[test]
    fn lines_are_told_apart_whatever_the_buffer() {
        for buffer in 1..8 {
            let ok = |number, line: &str| (number, Ok(line.to_owned()));
            assert_eq!(lines("", buffer, 9), []);
            assert_eq!(lines("\n", buffer, 9), [ok(1, "")]);
            assert_eq!(lines("a", buffer, 9), [ok(1, "a")]);
            assert_eq!(lines("a\n", buffer, 9), [ok(1, "a")]);
            assert_eq!(
                lines("ab\r\n\ncd", buffer, 9),
                [ok(1, "ab"), ok(2, ""), ok(3, "cd")]
            );
        }
    }

    #[test]
    fn a_long_line_does_not_spoil_the_next() {
        for buffer in 1..8 {
            let found = lines("123\n1234\n12345\n12\n1234", buffer, 3);
            let expected = [
                (1, Ok("123".into())),
                (2, Err(TooLong(3))),
                (3, Err(TooLong(3))),
                (4, Ok("12".into())),
                (5, Err(TooLong(3))),
            ];
            assert_eq!(found, expected, "{buffer}");
        }
    }

    #[test]
    fn stored_and_exported_forms_are_read() {
        let json = MemoryJson::new().unwrap();
        let memory = json
            .read(br#"{"content":"a","metadata":{"k":"v"},"vector":[1,2.5]}"#)
            .unwrap();
        assert_eq!(
            (memory.content.as_str(), memory.vector.as_slice()),
            ("a", &[1.0, 2.5][..])
        );
        let memory = json
            .read(br#"{"id":"x","content":"a","createdAt":"2026-01-01T00:00:00.000000Z"}"#)
            .unwrap();
        let mut line = Vec::new();
        json.write(&memory, &mut line).unwrap();
        assert_eq!(
            line,
            b"{\"id\":\"x\",\"content\":\"a\",\"createdAt\":\"2026-01-01T00:00:00.000000Z\"}\n"
        );
        assert!(json.read(br#"{"content":1}"#).is_err());
        assert!(json.read(br#"{"colour":"red"}"#).is_err());
    }
}
