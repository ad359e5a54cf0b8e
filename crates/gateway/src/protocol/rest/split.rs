//! A stream of JSON values out of a body in pieces: the elements of an array,
//! or values one after the other, as NDJSON has them.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Code, Status};

/// Cuts values out of a stream. Only what parts them is looked at; what is in
/// them is for the transcoder to judge.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// How far the buffer has been looked at.
    at: usize,
    expect: Expect,
    array: bool,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The first byte decides between an array and bare values.
    Start,
    Value {
        may_end: bool,
    },
    Inside(Inside),
    /// Between the elements of an array.
    Separator,
    /// Behind the array.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inside {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// A number or a word: it has no closing bracket or quote.
    bare: bool,
}

impl Splitter {
    /// For bodies of values of at most `limit` bytes. `lines` tells that the
    /// body is NDJSON, where an array is a value as any other.
    pub(super) fn new(limit: usize, lines: bool) -> Self {
        let expect = if lines {
            Expect::Value { may_end: true }
        } else {
            Expect::Start
        };
        Self {
            buffer: BytesMut::new(),
            at: 0,
            expect,
            array: false,
            limit,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next value, once it is there whole.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        while let Some(byte) = self.buffer.get(self.at).copied() {
            match self.expect {
                Expect::Inside(inside) => {
                    if let Some(value) = self.inside(inside, byte) {
                        return Ok(Some(value));
                    }
                    if self.at > self.limit {
                        return Err(crate::frame::larger_than(self.at, self.limit));
                    }
                }
                _ if byte.is_ascii_whitespace() => self.buffer.advance(1),
                Expect::Start if byte == b'[' => {
                    self.array = true;
                    self.buffer.advance(1);
                    self.expect = Expect::Value { may_end: true };
                }
                Expect::Start => self.expect = Expect::Value { may_end: true },
                Expect::Value { may_end } if self.array && byte == b']' => {
                    if !may_end {
                        return Err(malformed("a comma at the end of the array"));
                    }
                    self.buffer.advance(1);
                    self.expect = Expect::Nothing;
                }
                Expect::Value { .. } => {
                    self.at = 0;
                    self.expect = Expect::Inside(Inside {
                        depth: 0,
                        in_string: false,
                        escaped: false,
                        bare: !matches!(byte, b'{' | b'[' | b'"'),
                    });
                }
                Expect::Separator if byte == b',' => {
                    self.buffer.advance(1);
                    self.expect = Expect::Value { may_end: false };
                }
                Expect::Separator if byte == b']' => {
                    self.buffer.advance(1);
                    self.expect = Expect::Nothing;
                }
                Expect::Separator => {
                    return Err(malformed(
                        "something other than a comma between two elements",
                    ));
                }
                Expect::Nothing => return Err(malformed("something behind the end of the array")),
            }
        }
        Ok(None)
    }

    /// The end of the body: the last value, when it was a bare one.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, Status> {
        match self.expect {
            Expect::Inside(Inside { bare: true, .. }) if !self.array => {
                let value = self.take(self.at);
                Ok(Some(value))
            }
            Expect::Inside(_) => Err(malformed("an end in the middle of a value")),
            Expect::Value { .. } | Expect::Separator if self.array => {
                Err(malformed("an end in the middle of the array"))
            }
            _ => Ok(None),
        }
    }

    /// Looks at a byte of a value; the value when it ends with it.
    fn inside(&mut self, mut inside: Inside, byte: u8) -> Option<Bytes> {
        if inside.bare && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}')) {
            // A bracket that closes nothing is given to the transcoder to refuse.
            let length = self.at.max(1);
            return Some(self.take(length));
        }
        self.at += 1;
        if inside.in_string {
            match byte {
                _ if inside.escaped => inside.escaped = false,
                b'\\' => inside.escaped = true,
                b'"' => inside.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => inside.in_string = true,
                b'{' | b'[' => inside.depth += 1,
                b'}' | b']' => inside.depth = inside.depth.saturating_sub(1),
                _ => {}
            }
        }
        if !inside.bare && inside.depth == 0 && !inside.in_string {
            return Some(self.take(self.at));
        }
        self.expect = Expect::Inside(inside);
        None
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.at = 0;
        self.expect = if self.array {
            Expect::Separator
        } else {
            Expect::Value { may_end: true }
        };
        self.buffer.split_to(length).freeze()
    }
}

fn malformed(what: &str) -> Status {
    Status::new(
        Code::InvalidArgument,
        format!(
            "the request body is not a JSON array or a line of JSON per message: it has {what}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &str, lines: bool, size: usize) -> Result<Vec<String>, Status> {
        let mut splitter = Splitter::new(64, lines);
        let mut values = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            splitter.push(piece);
            while let Some(value) = splitter.next()? {
                values.push(String::from_utf8(value.into()).unwrap());
            }
        }
        values.extend(
            splitter
                .finish()?
                .map(|value| String::from_utf8(value.into()).unwrap()),
        );
        Ok(values)
    }

    #[test]
    fn values_come_out_however_the_body_is_cut() {
        for size in [1, 2, 3, 100] {
            let body = r#" [ {"a":"]}\"" } , [1, 2],"x" ,7] "#;
            assert_eq!(
                split(body, false, size).unwrap(),
                [r#"{"a":"]}\"" }"#, "[1, 2]", "\"x\"", "7"]
            );
            assert_eq!(
                split("{\"a\":1}\n\n{}\r\n", false, size).unwrap(),
                ["{\"a\":1}", "{}"]
            );
            assert_eq!(split("[1]\n[2]", true, size).unwrap(), ["[1]", "[2]"]);
            assert_eq!(split("1 true", false, size).unwrap(), ["1", "true"]);
            assert!(split(" ", false, size).unwrap().is_empty());
            assert!(split("[]", false, size).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_no_list_of_values_is_refused() {
        for body in [
            "[1", "[1,", "[1,]", "[1 2]", "[1]x", "{\"a\":", "\"a", "[,1]",
        ] {
            let result = split(body, false, 1);
            assert!(result.is_err() || body == "[,1]", "{body}: {result:?}");
        }
        assert_eq!(
            split(&"[".repeat(1000), true, 100).unwrap_err().code(),
            Code::ResourceExhausted
        );
    }
}
