//! Header blocks of a server, read. Entries of the dynamic table are kept as
//! what they become, so that a header that comes again costs a clone.

use std::collections::VecDeque;
use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, StatusCode};

use super::tables::{OVERHEAD, STATIC};
use super::{Malformed, TABLE_SIZE, huffman};

/// A line of a header block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Status(StatusCode),
    Header(HeaderName, HeaderValue),
    /// What a response cannot have: another pseudo-header, a bad name or value.
    Malformed,
}

#[derive(Clone, Debug)]
struct Entry {
    name: Name,
    field: Field,
    size: usize,
}

/// A name, to be had without its value.
#[derive(Clone, Debug)]
enum Name {
    Status,
    Header(HeaderName),
    Malformed,
}

static KNOWN: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entry =
        |(name, value): &(&str, &str)| Entry::new(Name::of(name.as_bytes()), 0, value.as_bytes());
    STATIC.iter().map(entry).collect()
});

/// Reads header blocks, one after the other.
pub(crate) struct Decoder {
    /// The newest first.
    dynamic: VecDeque<Entry>,
    size: usize,
    /// What the server has chosen, up to what it was allowed.
    capacity: usize,
    scratch: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            dynamic: VecDeque::new(),
            size: 0,
            capacity: TABLE_SIZE,
            scratch: Vec::new(),
        }
    }

    /// Reads a whole block, and says how large all fields are together, each with
    /// the overhead of an entry. Those beyond `limit` are passed over, and only
    /// kept for later blocks as the table wants it.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        limit: usize,
        mut each: impl FnMut(&Field),
    ) -> Result<usize, Malformed> {
        let mut rest = block;
        let mut size = 0_usize;
        let mut take = |entry: &Entry| {
            size = size.saturating_add(entry.size);
            if size <= limit {
                each(&entry.field);
            }
        };
        let mut first = true;
        while let Some(&byte) = rest.first() {
            if byte & 0b1000_0000 != 0 {
                let index = integer(&mut rest, 7)?;
                take(self.entry(index)?);
            } else if byte & 0b1110_0000 == 0b0010_0000 {
                // Sizes change between blocks only (RFC 7541 §4.2).
                let capacity = integer(&mut rest, 5)?;
                if !first || capacity > TABLE_SIZE {
                    return Err(Malformed);
                }
                self.capacity = capacity;
                self.evict(0);
                continue;
            } else {
                let kept = byte & 0b0100_0000 != 0;
                let index = integer(&mut rest, if kept { 6 } else { 4 })?;
                let (name, length) = if index == 0 {
                    let name = string(&mut rest, &mut self.scratch)?;
                    (Name::of(name), name.len())
                } else {
                    let entry = self.entry(index)?;
                    (entry.name.clone(), entry.name.len())
                };
                let value = string(&mut rest, &mut self.scratch)?;
                let entry = Entry::new(name, length, value);
                take(&entry);
                if kept {
                    self.keep(entry);
                }
            }
            first = false;
        }
        Ok(size)
    }

    fn entry(&self, index: usize) -> Result<&Entry, Malformed> {
        let at = index.checked_sub(1).ok_or(Malformed)?;
        match at.checked_sub(STATIC.len()) {
            None => KNOWN.get(at),
            Some(at) => self.dynamic.get(at),
        }
        .ok_or(Malformed)
    }

    fn keep(&mut self, entry: Entry) {
        self.evict(entry.size);
        // One that is larger than the table only empties it (RFC 7541 §4.4).
        if entry.size <= self.capacity {
            self.size += entry.size;
            self.dynamic.push_front(entry);
        }
    }

    /// Makes room for an entry of this size.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.capacity
            && let Some(oldest) = self.dynamic.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

impl Entry {
    fn new(name: Name, length: usize, value: &[u8]) -> Self {
        let field = match &name {
            Name::Status => match StatusCode::from_bytes(value) {
                Ok(status) => Field::Status(status),
                Err(_) => Field::Malformed,
            },
            Name::Header(name) => match HeaderValue::from_bytes(value) {
                Ok(value) => Field::Header(name.clone(), value),
                Err(_) => Field::Malformed,
            },
            Name::Malformed => Field::Malformed,
        };
        let length = length.max(name.len());
        Self {
            name,
            field,
            size: length + value.len() + OVERHEAD,
        }
    }
}

impl Name {
    fn of(name: &[u8]) -> Self {
        if name == b":status" {
            return Self::Status;
        }
        // Names are in lower case (RFC 9113 §8.2.1).
        if name.iter().any(u8::is_ascii_uppercase) {
            return Self::Malformed;
        }
        HeaderName::from_bytes(name).map_or(Self::Malformed, Self::Header)
    }

    fn len(&self) -> usize {
        match self {
            Self::Status => ":status".len(),
            Self::Header(name) => name.as_str().len(),
            Self::Malformed => 0,
        }
    }
}

/// An integer of which the first byte has `prefix` bits (RFC 7541 §5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Malformed> {
    let (&first, mut tail) = rest.split_first().ok_or(Malformed)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        // Four more bytes are 28 bits, more than any block has bytes.
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, after) = tail.split_first().ok_or(Malformed)?;
            if shift == 28 {
                return Err(Malformed);
            }
            tail = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = tail;
    Ok(value)
}

/// A string, plain or Huffman-coded (RFC 7541 §5.2).
fn string<'s, 'b: 's>(
    rest: &mut &'b [u8],
    scratch: &'s mut Vec<u8>,
) -> Result<&'s [u8], Malformed> {
    let coded = rest.first().ok_or(Malformed)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, tail) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = tail;
    if !coded {
        return Ok(bytes);
    }
    scratch.clear();
    huffman::decode(bytes, scratch)?;
    Ok(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn read(decoder: &mut Decoder, hex: &str) -> Result<Vec<String>, Malformed> {
        let mut fields = Vec::new();
        decoder.decode(&bytes(hex), 10_000, |field| {
            fields.push(match field {
                Field::Status(status) => format!(":status: {}", status.as_str()),
                Field::Header(name, value) => format!("{name}: {}", value.to_str().unwrap()),
                Field::Malformed => "malformed".to_owned(),
            });
        })?;
        Ok(fields)
    }

    /// RFC 7541, appendix C.5 and C.6: three responses, plain and coded, but
    /// with a table that is large enough to keep all.
    #[test]
    fn examples_of_the_specification_are_read() {
        let plain = [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
             2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
             6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
        ];
        let coded = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
             2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
        ];
        let rest = [
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ];
        for blocks in [plain, coded] {
            let mut decoder = Decoder::new();
            for (block, status) in blocks.iter().zip([":status: 302", ":status: 307"]) {
                let fields = read(&mut decoder, block).unwrap();
                assert_eq!(fields[0], status);
                assert_eq!(fields[1..], rest);
            }
            assert_eq!(decoder.size, 222 + 42);
        }
    }

    #[test]
    fn entries_are_evicted_when_there_is_no_room() {
        let mut decoder = Decoder::new();
        // Two entries of 34 bytes, and a table of 67, then of 72.
        read(&mut decoder, "3f24 4001 6101 3140 0162 0132 bfbe").unwrap_err();
        let mut decoder = Decoder::new();
        let fields = read(&mut decoder, "3f29 4001 6101 3140 0162 0132 bfbe").unwrap();
        assert_eq!(fields, ["a: 1", "b: 2", "a: 1", "b: 2"]);
        let fields = read(&mut decoder, "4001 6301 33bf be").unwrap();
        assert_eq!(fields, ["c: 3", "b: 2", "c: 3"]);
        // One that is too large empties the table.
        let large = format!("4001 647f 00{}", "78".repeat(127));
        read(&mut decoder, &large).unwrap();
        assert!(decoder.dynamic.is_empty() && decoder.size == 0);
    }

    #[test]
    fn what_no_response_has_is_malformed_and_does_not_end_the_connection() {
        let mut decoder = Decoder::new();
        // :path, an upper-case name, a value with a line break, a status of 2.
        let fields = read(&mut decoder, "84 0001 4101 31 0001 6101 0a 0801 32");
        assert_eq!(fields.unwrap(), ["malformed"; 4]);
    }

    #[test]
    fn garbage_is_refused() {
        for hex in [
            "80",
            "be",
            "ff",
            "ffff ffff ffff",
            "40",
            "4001",
            "4001 6105 31",
            "0085 ffff ffff ff",
            "823f e11f",
            "3fe2 1f",
        ] {
            assert!(read(&mut Decoder::new(), hex).is_err(), "{hex}");
        }
        // One entry of the table again and again.
        let mut decoder = Decoder::new();
        let bomb = format!("4001 617f ff02 {}{}", "78".repeat(382), "be".repeat(30));
        assert!(read(&mut decoder, &bomb).is_err());
    }
}
