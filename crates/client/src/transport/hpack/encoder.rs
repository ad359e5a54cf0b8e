//! Header blocks of requests, written. What is the same for many calls (the
//! path, the content type) is put into the server's table once and then costs a
//! byte; what differs is sent as it is and kept out of the table. Nothing is
//! ever evicted: when the table is full, the rest is sent as it is.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use portolan_rpc::{Deadline, deadline};

use super::TABLE_SIZE;
use super::tables::{OVERHEAD, STATIC};

/// The head of a request, but for what the connection adds.
pub(crate) struct Head<'a> {
    /// The method's path.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// Becomes `grpc-timeout`.
    pub(crate) deadline: Deadline,
    /// Becomes `grpc-previous-rpc-attempts` when there are any.
    pub(crate) previous_attempts: u32,
}

/// Where an entry is, counted from the first that was put into the table.
type Number = usize;

/// Writes header blocks, one after the other.
pub(crate) struct Encoder {
    https: bool,
    authority: HeaderValue,
    paths: HashMap<Box<str>, Number, RandomState>,
    /// Values that many calls have.
    common: Vec<(HeaderName, HeaderValue, Number)>,
    authority_at: Option<Number>,
    /// How many entries there are, and their size.
    entries: usize,
    size: usize,
    capacity: usize,
    /// A change of the table that the next block has to begin with.
    resized: bool,
}

/// Names whose values are mostly the same.
const COMMON: [HeaderName; 6] = [
    header::TE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-encoding"),
];

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("grpc-portolan/", env!("CARGO_PKG_VERSION")));

/// How a literal is marked, and how many bits its index has (RFC 7541 §6.2).
const KEPT: (u8, u32) = (0b0100_0000, 6);
const PASSING: (u8, u32) = (0, 4);
const SECRET: (u8, u32) = (0b0001_0000, 4);

impl Encoder {
    pub(crate) fn new(https: bool, authority: HeaderValue) -> Self {
        Self {
            https,
            authority,
            paths: HashMap::default(),
            common: Vec::new(),
            authority_at: None,
            entries: 0,
            size: 0,
            capacity: TABLE_SIZE,
            resized: false,
        }
    }

    /// Takes the server's choice for its table. A smaller one begins empty.
    pub(crate) fn resize(&mut self, capacity: usize) {
        let capacity = capacity.min(TABLE_SIZE);
        if capacity < self.capacity {
            self.paths.clear();
            self.common.clear();
            self.authority_at = None;
            (self.entries, self.size) = (0, 0);
            self.resized = true;
        }
        // A larger one than before need not be used.
        self.capacity = self.capacity.min(capacity);
    }

    /// Appends the block of a request.
    pub(crate) fn encode(&mut self, head: &Head<'_>, out: &mut Vec<u8>) {
        if self.resized {
            self.resized = false;
            integer(out, 0b0010_0000, 5, 0);
            integer(out, 0b0010_0000, 5, self.capacity);
        }
        // `:method: POST`, `:scheme`.
        out.push(0x83);
        out.push(if self.https { 0x87 } else { 0x86 });
        self.path(head.path, out);
        self.authority(out);
        self.header(&header::TE, &TRAILERS, out);
        let (mut typed, mut named) = (false, false);
        for (name, value) in head.headers {
            match name.as_str() {
                // The connection's own, and what HTTP/2 has no place for
                // (RFC 9113 §8.2.2).
                "te"
                | "host"
                | "connection"
                | "keep-alive"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
                | "grpc-timeout"
                | "grpc-previous-rpc-attempts" => continue,
                "content-type" => typed = true,
                "user-agent" => named = true,
                _ => {}
            }
            self.header(name, value, out);
        }
        if !typed {
            self.header(&header::CONTENT_TYPE, &GRPC, out);
        }
        if !named {
            self.header(&header::USER_AGENT, &AGENT, out);
        }
        if let Some(left) = head.deadline.remaining() {
            let left = deadline::to_grpc(left);
            literal(out, PASSING, "grpc-timeout", left.as_bytes());
        }
        if head.previous_attempts > 0 {
            let attempts = head.previous_attempts.to_string();
            literal(
                out,
                PASSING,
                "grpc-previous-rpc-attempts",
                attempts.as_bytes(),
            );
        }
    }

    fn path(&mut self, path: &str, out: &mut Vec<u8>) {
        if let Some(number) = self.paths.get(path) {
            return self.indexed(*number, out);
        }
        match self.keep(5, path.len()) {
            Some(number) => {
                self.paths.insert(path.into(), number);
                literal(out, KEPT, ":path", path.as_bytes());
            }
            None => literal(out, PASSING, ":path", path.as_bytes()),
        }
    }

    fn authority(&mut self, out: &mut Vec<u8>) {
        if let Some(number) = self.authority_at {
            return self.indexed(number, out);
        }
        self.authority_at = self.keep(10, self.authority.len());
        let how = if self.authority_at.is_some() {
            KEPT
        } else {
            PASSING
        };
        literal(out, how, ":authority", self.authority.as_bytes());
    }

    fn header(&mut self, name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
        if value.is_sensitive() || *name == header::AUTHORIZATION {
            return literal(out, SECRET, name.as_str(), value.as_bytes());
        }
        if !COMMON.contains(name) {
            return literal(out, PASSING, name.as_str(), value.as_bytes());
        }
        let known = self
            .common
            .iter()
            .find(|(known, same, _)| known == name && same == value);
        if let Some((_, _, number)) = known {
            return self.indexed(*number, out);
        }
        // Clients of many kinds may call: a few of them fit.
        let room = self.common.len() < 16;
        match room
            .then(|| self.keep(name.as_str().len(), value.len()))
            .flatten()
        {
            Some(number) => {
                self.common.push((name.clone(), value.clone(), number));
                literal(out, KEPT, name.as_str(), value.as_bytes());
            }
            None => literal(out, PASSING, name.as_str(), value.as_bytes()),
        }
    }

    /// Room for an entry in the server's table, if there is any.
    fn keep(&mut self, name: usize, value: usize) -> Option<Number> {
        let size = self.size + name + value + OVERHEAD;
        if size > self.capacity {
            return None;
        }
        self.size = size;
        self.entries += 1;
        Some(self.entries)
    }

    fn indexed(&self, number: Number, out: &mut Vec<u8>) {
        // The newest entry has the first index behind the static table.
        integer(
            out,
            0b1000_0000,
            7,
            STATIC.len() + 1 + self.entries - number,
        );
    }
}

fn literal(out: &mut Vec<u8>, (mark, prefix): (u8, u32), name: &str, value: &[u8]) {
    match static_name(name) {
        Some(index) => integer(out, mark, prefix, index),
        None => {
            out.push(mark);
            integer(out, 0, 7, name.len());
            out.extend_from_slice(name.as_bytes());
        }
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// Names of the static table that requests have.
fn static_name(name: &str) -> Option<usize> {
    Some(match name {
        ":authority" => 1,
        ":path" => 4,
        "accept-encoding" => 16,
        "authorization" => 23,
        "content-type" => 31,
        "user-agent" => 58,
        _ => return None,
    })
}

/// An integer of which the first byte has `prefix` bits (RFC 7541 §5.1).
fn integer(out: &mut Vec<u8>, mark: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        out.push(mark | value as u8);
        return;
    }
    out.push(mark | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Decoder, Field};
    use super::*;

    /// The headers of a block; pseudo-headers come out as malformed, since a
    /// response has none of these.
    fn read(decoder: &mut Decoder, block: &[u8]) -> (usize, HeaderMap) {
        let (mut pseudo, mut headers) = (0, HeaderMap::new());
        let read = decoder.decode(block, 1 << 20, |field| match field {
            Field::Header(name, value) => drop(headers.append(name, value.clone())),
            _ => pseudo += 1,
        });
        read.unwrap();
        (pseudo, headers)
    }

    fn head<'a>(path: &'a str, headers: &'a HeaderMap) -> Head<'a> {
        Head {
            path,
            headers,
            deadline: Deadline::NEVER,
            previous_attempts: 0,
        }
    }

    fn encoder() -> Encoder {
        Encoder::new(false, HeaderValue::from_static("localhost:50051"))
    }

    #[test]
    fn what_is_the_same_is_sent_once() {
        let mut headers = HeaderMap::new();
        headers.insert("x-id", HeaderValue::from_static("1"));
        let (mut encoder, mut decoder) = (encoder(), Decoder::new());
        let mut sizes = Vec::new();
        for path in ["/a.A/B", "/a.A/C", "/a.A/B"] {
            let mut block = Vec::new();
            encoder.encode(&head(path, &headers), &mut block);
            let (pseudo, read) = read(&mut decoder, &block);
            assert_eq!(pseudo, 4);
            assert_eq!(read["te"], "trailers");
            assert_eq!(read["content-type"], "application/grpc");
            assert_eq!(read["x-id"], "1");
            assert!(
                read["user-agent"]
                    .to_str()
                    .unwrap()
                    .starts_with("grpc-portolan/")
            );
            assert_eq!(read.len(), 4);
            sizes.push(block.len());
        }
        assert_eq!(sizes[2], 7 + 8);
    }

    #[test]
    fn a_full_table_is_left_as_it_is() {
        let (mut encoder, mut decoder) = (encoder(), Decoder::new());
        let headers = HeaderMap::new();
        for round in 0..2 {
            for at in 0..200 {
                let path = format!("/some.package.Service/Method{at}");
                let mut block = Vec::new();
                encoder.encode(&head(&path, &headers), &mut block);
                let (pseudo, read) = read(&mut decoder, &block);
                assert_eq!((pseudo, read.len()), (4, 3), "{round} {at}");
            }
        }
        assert!(encoder.size <= TABLE_SIZE && encoder.paths.len() > 50);
    }

    #[test]
    fn a_table_may_shrink() {
        let (mut encoder, mut decoder) = (encoder(), Decoder::new());
        let headers = HeaderMap::new();
        for size in [4096, 10_000, 100, 0, 4096] {
            encoder.resize(size);
            for _ in 0..3 {
                let mut block = Vec::new();
                encoder.encode(&head("/a.A/B", &headers), &mut block);
                assert_eq!(read(&mut decoder, &block).1.len(), 3, "{size}");
            }
        }
    }

    #[test]
    fn secrets_stay_out_of_tables_and_hops_out_of_requests() {
        let mut headers = HeaderMap::new();
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        headers.insert("x-key", secret);
        let plain = HeaderValue::from_static;
        headers.insert("authorization", plain("Bearer x"));
        headers.insert("connection", plain("close"));
        headers.insert("host", plain("elsewhere"));
        headers.insert("grpc-timeout", plain("1S"));
        headers.insert("content-type", plain("application/grpc+proto"));
        let mut head = head("/a.A/B", &headers);
        head.deadline = Deadline::after(Duration::from_secs(3600));
        head.previous_attempts = 2;
        let mut block = Vec::new();
        encoder().encode(&head, &mut block);
        let read = read(&mut Decoder::new(), &block).1;
        assert!(block.windows(7).any(|part| part == b"\x10\x05x-key"));
        assert!(!read.contains_key("connection") && !read.contains_key("host"));
        assert_eq!(read["content-type"], "application/grpc+proto");
        assert_eq!(read["grpc-previous-rpc-attempts"], "2");
        assert_ne!(read["grpc-timeout"], "1S");
        assert_eq!(read["authorization"], "Bearer x");
    }
}
