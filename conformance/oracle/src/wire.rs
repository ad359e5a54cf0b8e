//! The wire format (protobuf.dev, "Encoding"): varints, tags, records.

use portolan_schema::Kind;

use crate::{Error, Problem};

/// The wire type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Start = 3,
    End = 4,
    Fixed32 = 5,
}

impl Type {
    /// The wire type of one value of this kind.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Self::Fixed64,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Self::Fixed32,
            Kind::String | Kind::Bytes | Kind::Message(_) => Self::Bytes,
            Kind::Delimited(_) => Self::Start,
            _ => Self::Varint,
        }
    }

    fn from_bits(bits: u64) -> Option<Self> {
        Some(match bits {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Bytes,
            3 => Self::Start,
            4 => Self::End,
            5 => Self::Fixed32,
            _ => return None,
        })
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The encoded tag of a field.
pub(crate) fn tag(number: u32, wire_type: Type) -> Box<[u8]> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, u64::from(number) << 3 | wire_type as u64);
    bytes.into()
}

/// The number of the group that an item of a message set is, and those of the
/// two fields in it (descriptor.proto, `message_set_wire_format`).
pub(crate) const ITEM: u32 = 1;
pub(crate) const ITEM_TYPE: u32 = 2;
pub(crate) const ITEM_MESSAGE: u32 = 3;

/// What stands in front of the message of an item, its length excepted.
pub(crate) fn item_start(number: u32) -> Box<[u8]> {
    let mut bytes = tag(ITEM, Type::Start).into_vec();
    bytes.extend_from_slice(&tag(ITEM_TYPE, Type::Varint));
    put_varint(&mut bytes, u64::from(number));
    bytes.extend_from_slice(&tag(ITEM_MESSAGE, Type::Bytes));
    bytes.into()
}

/// Starts a length-prefixed value whose length is not known yet.
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Ends what [`open`] started: writes the length in front, and moves the value
/// when the length needs more than the one byte kept for it.
pub(crate) fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let mut prefix = [0; 10];
    let mut count = 0;
    let mut rest = length;
    while rest >= 0x80 {
        prefix[count] = rest as u8 | 0x80;
        rest >>= 7;
        count += 1;
    }
    prefix[count] = rest as u8;
    count += 1;
    let end = out.len();
    out.resize(end + count - 1, 0);
    out.copy_within(start..end, start - 1 + count);
    out[start - 1..start - 1 + count].copy_from_slice(&prefix[..count]);
}

/// Maps a signed number to an unsigned one with small magnitudes first.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The other way.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// One record: a field number and its value, still encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) number: u32,
    pub(crate) wire_type: Type,
    /// The value of a varint or fixed record.
    pub(crate) scalar: u64,
    /// The payload of a length-prefixed record, or what stands between the
    /// tags of a group.
    pub(crate) bytes: &'a [u8],
    /// Where the record begins, in the whole input.
    pub(crate) offset: usize,
}

impl Record<'_> {
    /// Where the payload begins: good enough for an error, since it takes the
    /// tag and the length to be as short as they can be.
    pub(crate) fn payload_offset(&self) -> usize {
        let varint_length = |value: u64| (64 - (value | 1).leading_zeros() as usize).div_ceil(7);
        let tag = varint_length(u64::from(self.number) << 3);
        match self.wire_type {
            Type::Bytes => self.offset + tag + varint_length(self.bytes.len() as u64),
            _ => self.offset + tag,
        }
    }
}

/// Walks over records.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the whole input, for errors.
    base: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next record; a group is taken whole.
    pub(crate) fn next(&mut self, depth: u32) -> Result<Option<Record<'a>>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let record = self.record(depth)?;
        if record.wire_type == Type::End {
            return Err(self.error("an end-group tag without its start"));
        }
        Ok(Some(record))
    }

    fn record(&mut self, depth: u32) -> Result<Record<'a>, Error> {
        let offset = self.offset();
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3)
            .ok()
            .filter(|number| (1..=536_870_911).contains(number))
            .ok_or_else(|| {
                Error::new(
                    Problem::Wire("a field number outside 1 to 536870911"),
                    offset,
                )
            })?;
        let wire_type = Type::from_bits(tag & 7)
            .ok_or_else(|| Error::new(Problem::Wire("an unknown wire type"), offset))?;
        let mut record = Record {
            number,
            wire_type,
            scalar: 0,
            bytes: &[],
            offset,
        };
        match wire_type {
            Type::Varint => record.scalar = self.varint()?,
            Type::Fixed64 => record.scalar = self.fixed64()?,
            Type::Fixed32 => record.scalar = u64::from(self.fixed32()?),
            Type::Bytes => record.bytes = self.bytes()?,
            Type::Start => record.bytes = self.group(number, depth)?,
            Type::End => {}
        }
        Ok(record)
    }

    fn group(&mut self, number: u32, depth: u32) -> Result<&'a [u8], Error> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.error("groups are nested too deeply"));
        };
        let start = self.at;
        loop {
            let before = self.at;
            if self.is_empty() {
                return Err(self.truncated());
            }
            let record = self.record(depth)?;
            if record.wire_type == Type::End {
                if record.number != number {
                    return Err(self.error("an end-group tag of another group"));
                }
                return Ok(&self.bytes[start..before]);
            }
        }
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Error> {
        let rest = &self.bytes[self.at..];
        if let [byte, ..] = rest
            && *byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(*byte));
        }
        let mut value = 0;
        for (index, byte) in rest.iter().take(10).enumerate() {
            // Bits beyond the 64th are dropped, as every implementation does.
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        if rest.len() < 10 {
            Err(self.truncated())
        } else {
            Err(self.error("a varint of more than 10 bytes"))
        }
    }

    pub(crate) fn fixed64(&mut self) -> Result<u64, Error> {
        let (bytes, _) = self.bytes[self.at..]
            .split_first_chunk::<8>()
            .ok_or_else(|| self.truncated())?;
        self.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    pub(crate) fn fixed32(&mut self) -> Result<u32, Error> {
        let (bytes, _) = self.bytes[self.at..]
            .split_first_chunk::<4>()
            .ok_or_else(|| self.truncated())?;
        self.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = self.varint()?;
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| self.truncated())?;
        self.at += length;
        Ok(&rest[..length])
    }

    fn truncated(&self) -> Error {
        Error::new(Problem::Truncated, self.offset())
    }

    fn error(&self, problem: &'static str) -> Error {
        Error::new(Problem::Wire(problem), self.offset())
    }
}
