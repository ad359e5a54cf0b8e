//! The wire format read where it lies: records whose text is borrowed.
//!
//! For the parts of descriptors that a large contract has by the hundred
//! thousand. What there is little of is left to prost, and so is every record
//! that is not of the plainest form, and the word on what is malformed.

use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, skip_field,
};
use prost::{DecodeError, Message};

/// The records of one encoded message, in their order.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a>(&'a [u8]);

/// One field of a message as it is on the wire.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) tag: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Delimited(&'a [u8]),
    /// A number of fixed width or a group: no descriptor has one.
    Other(WireType),
}

impl<'a> Records<'a> {
    #[inline]
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next record; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Record<'a>>, DecodeError> {
        match *self.0 {
            [] => Ok(None),
            // Key and number of a byte each.
            [key @ 0x08..0x80, number @ ..0x80, ref rest @ ..] if key & 7 == 0 => {
                self.0 = rest;
                Ok(Some(Record {
                    tag: u32::from(key >> 3),
                    value: Value::Varint(u64::from(number)),
                }))
            }
            // Key and length of a byte each.
            [key @ 0x08..0x80, length @ ..0x80, ref rest @ ..]
                if key & 7 == 2 && usize::from(length) <= rest.len() =>
            {
                let (content, rest) = rest.split_at(usize::from(length));
                self.0 = rest;
                Ok(Some(Record {
                    tag: u32::from(key >> 3),
                    value: Value::Delimited(content),
                }))
            }
            _ => self.any().map(Some),
        }
    }

    /// How many records with this tag there are still, up to what is malformed.
    pub(crate) fn with_tag(mut self, tag: u32) -> usize {
        let mut count = 0;
        while let Ok(Some(record)) = self.next() {
            count += usize::from(record.tag == tag);
        }
        count
    }

    /// The next record, of any form.
    #[inline(never)]
    fn any(&mut self) -> Result<Record<'a>, DecodeError> {
        let rest = &mut self.0;
        let (tag, wire_type) = decode_key(rest)?;
        let mut value = *rest;
        skip_field(wire_type, tag, rest, DecodeContext::default())?;
        value = &value[..value.len() - rest.len()];
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut value)?),
            WireType::LengthDelimited => {
                decode_varint(&mut value)?;
                Value::Delimited(value)
            }
            other => Value::Other(other),
        };
        Ok(Record { tag, value })
    }
}

impl<'a> Record<'a> {
    /// An `int32` or an enum, of which the lower half counts.
    #[inline]
    pub(crate) fn int32(self) -> Result<i32, DecodeError> {
        self.varint().map(|number| number as i32)
    }

    /// A `bool`.
    #[inline]
    pub(crate) fn bool(self) -> Result<bool, DecodeError> {
        self.varint().map(|number| number != 0)
    }

    /// The records of a message.
    #[inline]
    pub(crate) fn records(self) -> Result<Records<'a>, DecodeError> {
        self.content().map(Records)
    }

    /// A `string`.
    #[inline]
    pub(crate) fn text(self) -> Result<&'a str, DecodeError> {
        let content = self.content()?;
        std::str::from_utf8(content).or_else(|_| {
            // Bytes and text have the same form, and prost the error for these.
            String::decode(&*content.to_vec().encode_to_vec()).map(|_| "")
        })
    }

    /// A message of a type that prost decodes.
    pub(crate) fn message<M: Message + Default>(self) -> Result<M, DecodeError> {
        M::decode(self.content()?)
    }

    /// A message of a type that prost decodes, merged into what came before.
    pub(crate) fn merge_into<M: Message + Default>(
        self,
        known: &mut Option<M>,
    ) -> Result<(), DecodeError> {
        known.get_or_insert_default().merge(self.content()?)
    }

    #[inline]
    fn varint(self) -> Result<u64, DecodeError> {
        let actual = match self.value {
            Value::Varint(number) => return Ok(number),
            Value::Delimited(_) => WireType::LengthDelimited,
            Value::Other(actual) => actual,
        };
        check_wire_type(WireType::Varint, actual).map(|()| 0)
    }

    /// The bytes of a `bytes`, a `string` or a message.
    #[inline]
    pub(crate) fn content(self) -> Result<&'a [u8], DecodeError> {
        let actual = match self.value {
            Value::Delimited(content) => return Ok(content),
            Value::Varint(_) => WireType::Varint,
            Value::Other(actual) => actual,
        };
        check_wire_type(WireType::LengthDelimited, actual).map(|()| &[][..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(bytes: &[u8]) -> Record<'_> {
        let mut records = Records::of(bytes);
        let record = records.next().ok().flatten();
        assert!(matches!(records.next(), Ok(None)));
        record.expect("one record")
    }

    fn is_malformed(bytes: &[u8]) -> bool {
        let mut records = Records::of(bytes);
        loop {
            match records.next() {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    #[test]
    fn every_form_of_a_record_is_read() {
        for bytes in [&b"\x08\x05"[..], b"\x88\x00\x05", b"\x08\x85\x00"] {
            let record = only(bytes);
            assert_eq!((record.tag, record.int32()), (1, Ok(5)));
            assert_eq!(record.bool(), Ok(true));
        }
        for bytes in [&b"\x12\x02ab"[..], b"\x92\x00\x02ab", b"\x12\x82\x80\x00ab"] {
            let record = only(bytes);
            assert_eq!((record.tag, record.text()), (2, Ok("ab")));
        }
        let long = "x".repeat(300);
        let bytes = [b"\x8a\x01\xac\x02", long.as_bytes()].concat();
        assert_eq!(only(&bytes).tag, 17);
        assert_eq!(only(&bytes).text(), Ok(&*long));
        let negative = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(only(negative).int32(), Ok(-1));
        // A group, a fixed32 and a fixed64 are stepped over whole.
        for bytes in [&b"\x0b\x12\x02ab\x0c"[..], b"\x0dabcd", b"\x09abcdefgh"] {
            assert_eq!(only(bytes).tag, 1);
        }
        let two = Records::of(b"\x12\x00\x08\x01\x12\x00");
        assert_eq!((two.with_tag(2), two.with_tag(3)), (2, 0));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for bytes in [
            &b"\x08"[..],
            b"\x08\x80",
            b"\x12\x03ab",
            b"\x12\xff\xff\xff\xff\x0f",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ab",
            b"\x00\x00",
            b"\x0f\x00",
            b"\x0b\x08\x01",
            b"\x0c",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        ] {
            assert!(is_malformed(bytes), "{bytes:?}");
        }
        assert!(only(b"\x12\x02\xc3\x28").text().is_err());
        assert!(only(b"\x12\x01a").int32().is_err());
        assert!(only(b"\x0dabcd").bool().is_err());
        for bytes in [&b"\x08\x05"[..], b"\x0dabcd"] {
            assert!(only(bytes).text().is_err());
            assert!(only(bytes).records().is_err());
        }
    }
}
