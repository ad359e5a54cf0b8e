//! The wire format (protobuf.dev, "Encoding"): varints, tags, records.

mod group_ends;

use portolan_schema::Kind;

pub(crate) use self::group_ends::GroupEnds;
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

/// Maps a signed number to an unsigned one with small magnitudes first.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The other way.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// The varint at `at`, and what is behind it; `None` when it does not end
/// within the bytes, or not within ten.
#[inline(always)]
pub(crate) fn varint_at(wire: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *wire.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    let second = *wire.get(at + 1)?;
    if second < 0x80 {
        return Some((u64::from(first & 0x7f) | u64::from(second) << 7, at + 2));
    }
    match long_varint_at(wire, at) {
        (_, 0) => None,
        found => Some(found),
    }
}

/// Of more than two bytes, most likely. Nothing is behind it when there is none:
/// a pair comes back in registers, an optional pair in memory.
#[inline(never)]
fn long_varint_at(wire: &[u8], at: usize) -> (u64, usize) {
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let rest = &wire[at..];
    if let Some(word) = rest.first_chunk() {
        let word = u64::from_le_bytes(*word);
        let last = !word & TOPS;
        if last != 0 {
            // All bits up to the end of the last byte, seven of each byte, and
            // then pairs, fours and eights of bytes moved together.
            let bits = last.trailing_zeros() + 1;
            let sevens = word & (u64::MAX >> (64 - bits)) & !TOPS;
            let pairs = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
            let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
            let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
            return (value, at + bits as usize / 8);
        }
    }
    let mut value = 0;
    for (index, byte) in rest.iter().take(10).enumerate() {
        // Bits beyond the 64th are dropped, as every implementation does.
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return (value, at + index + 1);
        }
    }
    (0, 0)
}

/// The four bytes at `at`.
#[inline(always)]
pub(crate) fn fixed32_at(wire: &[u8], at: usize) -> Option<(u32, usize)> {
    let bytes = wire.get(at..)?.first_chunk()?;
    Some((u32::from_le_bytes(*bytes), at + 4))
}

/// The eight bytes at `at`.
#[inline(always)]
pub(crate) fn fixed64_at(wire: &[u8], at: usize) -> Option<(u64, usize)> {
    let bytes = wire.get(at..)?.first_chunk()?;
    Some((u64::from_le_bytes(*bytes), at + 8))
}

/// The payload of a length-prefixed record whose length is at `at`: where it
/// begins and ends.
#[inline(always)]
pub(crate) fn payload_at(wire: &[u8], at: usize) -> Option<(usize, usize)> {
    let (length, start) = varint_at(wire, at)?;
    if length > (wire.len() - start) as u64 {
        return None;
    }
    Some((start, start + length as usize))
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
    /// Where `bytes` begin, in the whole input.
    pub(crate) payload: usize,
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
        self.next_noting(depth, None)
    }

    /// The same; where groups end is known from there, and noted.
    pub(crate) fn next_noting(
        &mut self,
        depth: u32,
        ends: Option<&GroupEnds>,
    ) -> Result<Option<Record<'a>>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let record = self.record(depth, ends)?;
        if record.wire_type == Type::End {
            return Err(self.error("an end-group tag without its start"));
        }
        Ok(Some(record))
    }

    /// All bytes of the record that was the last one.
    pub(crate) fn whole(&self, last: &Record<'_>) -> &'a [u8] {
        let start = last.offset.checked_sub(self.base);
        start
            .and_then(|start| self.bytes.get(start..self.at))
            .unwrap_or_default()
    }

    fn record(&mut self, depth: u32, ends: Option<&GroupEnds>) -> Result<Record<'a>, Error> {
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
            payload: self.offset(),
        };
        match wire_type {
            Type::Varint => record.scalar = self.varint()?,
            Type::Fixed64 => record.scalar = self.fixed64()?,
            Type::Fixed32 => record.scalar = u64::from(self.fixed32()?),
            Type::Bytes => (record.bytes, record.payload) = self.bytes()?,
            Type::Start => record.bytes = self.group(number, depth, ends)?,
            Type::End => {}
        }
        Ok(record)
    }

    fn group(
        &mut self,
        number: u32,
        depth: u32,
        ends: Option<&GroupEnds>,
    ) -> Result<&'a [u8], Error> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.error("groups are nested too deeply"));
        };
        let start = self.at;
        if let Some(end) = ends.and_then(|ends| ends.find(self.base + start)) {
            let end = end - self.base;
            self.at = end;
            self.varint()?;
            return Ok(&self.bytes[start..end]);
        }
        let mut has_groups = false;
        loop {
            let before = self.at;
            if self.is_empty() {
                return Err(self.truncated());
            }
            let record = self.record(depth, ends)?;
            has_groups |= record.wire_type == Type::Start;
            if record.wire_type == Type::End {
                if record.number != number {
                    return Err(self.error("an end-group tag of another group"));
                }
                // What has no groups in it is walked by its own level only.
                if let Some(ends) = ends.filter(|_| has_groups) {
                    ends.note(self.base + start, self.base + before);
                }
                return Ok(&self.bytes[start..before]);
            }
        }
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Error> {
        if let Some((value, next)) = varint_at(self.bytes, self.at) {
            self.at = next;
            return Ok(value);
        }
        if self.bytes.len() - self.at < 10 {
            Err(self.truncated())
        } else {
            Err(self.error("a varint of more than 10 bytes"))
        }
    }

    pub(crate) fn fixed64(&mut self) -> Result<u64, Error> {
        let (value, next) = fixed64_at(self.bytes, self.at).ok_or_else(|| self.truncated())?;
        self.at = next;
        Ok(value)
    }

    pub(crate) fn fixed32(&mut self) -> Result<u32, Error> {
        let (value, next) = fixed32_at(self.bytes, self.at).ok_or_else(|| self.truncated())?;
        self.at = next;
        Ok(value)
    }

    /// A payload, and where it begins in the whole input.
    fn bytes(&mut self) -> Result<(&'a [u8], usize), Error> {
        let length = self.varint()?;
        let start = self.offset();
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| self.truncated())?;
        self.at += length;
        Ok((&rest[..length], start))
    }

    fn truncated(&self) -> Error {
        Error::new(Problem::Truncated, self.offset())
    }

    fn error(&self, problem: &'static str) -> Error {
        Error::new(Problem::Wire(problem), self.offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length_are_read() {
        for bits in 0..=64 {
            let all = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
            for value in [all, all ^ all >> 1, all & 0x5555_5555_5555_5555] {
                for more in 0..20 {
                    let mut bytes = vec![0xff];
                    put_varint(&mut bytes, value);
                    let end = bytes.len();
                    bytes.resize(end + more, 0xff);
                    assert_eq!(varint_at(&bytes, 1), Some((value, end)));
                }
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                bytes.pop();
                assert_eq!(varint_at(&bytes, 0), None);
            }
        }
        // Longer than it needs to be; and than it may be.
        let long = [
            0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 9,
        ];
        assert_eq!(varint_at(&long, 0), Some((1, 10)));
        assert_eq!(varint_at(&[0x80; 11], 0), None);
    }

    #[test]
    fn zigzag_is_its_own_way_back() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }

    #[test]
    fn bad_bytes_are_refused() {
        for bytes in [
            &b"\x08"[..],
            b"\x0a\x05ab",
            b"\x09\x01",
            b"\x0b",
            b"\x0c",
            b"\x00\x00",
            b"\x0f",
            b"\x0b\x14",
        ] {
            assert!(Cursor::new(bytes, 0).next(10).is_err(), "{bytes:?}");
        }
        assert!(Cursor::new(&[0x0b; 64], 0).next(10).is_err());
    }
}
