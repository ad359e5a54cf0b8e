//! The default value that a contract gives a field: `[default = …]` of proto2
//! and the editions, which descriptors carry as text.

use crate::{Enum, Kind};

/// What a field means when it is not there.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// Of a signed integer.
    Int(i64),
    /// Of an unsigned integer.
    Uint(u64),
    /// Of a `double`.
    Double(f64),
    /// Of a `float`.
    Float(f32),
    /// Of a `bool`.
    Bool(bool),
    /// Of a `string`.
    String(Box<str>),
    /// Of a `bytes`.
    Bytes(Box<[u8]>),
    /// Of an enum: the number of the value.
    Enum(i32),
}

impl DefaultValue {
    /// Reads the text that a descriptor has for it; `None` when it is no value
    /// of this kind. `enumeration` is the enum of an enum kind.
    pub(crate) fn parse(text: &str, kind: Kind, enumeration: Option<&Enum>) -> Option<Self> {
        Some(match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                Self::Int(i64::from(text.parse::<i32>().ok()?))
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::Int(text.parse().ok()?),
            Kind::Uint32 | Kind::Fixed32 => Self::Uint(u64::from(text.parse::<u32>().ok()?)),
            Kind::Uint64 | Kind::Fixed64 => Self::Uint(text.parse().ok()?),
            // Rust reads `inf`, `-inf` and `nan` as descriptors spell them.
            Kind::Double => Self::Double(text.parse().ok()?),
            Kind::Float => Self::Float(text.parse().ok()?),
            Kind::Bool => Self::Bool(text.parse().ok()?),
            Kind::String => Self::String(text.into()),
            Kind::Bytes => Self::Bytes(unescape(text)?.into()),
            Kind::Enum(_) => {
                let value = enumeration?
                    .values()
                    .iter()
                    .find(|value| value.name() == text)?;
                Self::Enum(value.number())
            }
            Kind::Message(_) | Kind::Delimited(_) => return None,
        })
    }
}

/// Undoes C's escapes, which descriptors write bytes with.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'v' => 0x0b,
            b'\\' | b'\'' | b'"' | b'?' => *escape,
            b'x' | b'X' => {
                let value = digits(&mut rest, 16, 2)?;
                u8::try_from(value).ok()?
            }
            b'0'..=b'7' => {
                let mut octal = &text.as_bytes()[text.len() - rest.len() - 1..];
                let value = digits(&mut octal, 8, 3)?;
                rest = octal;
                u8::try_from(value).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// Takes one to `most` digits off the front.
fn digits(rest: &mut &[u8], radix: u32, most: usize) -> Option<u32> {
    let mut value = None;
    for _ in 0..most {
        let Some(digit) = rest
            .first()
            .and_then(|byte| char::from(*byte).to_digit(radix))
        else {
            break;
        };
        *rest = &rest[1..];
        value = Some(value.unwrap_or(0) * radix + digit);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_its_kind() {
        for (text, kind, value) in [
            ("-7", Kind::Sint32, DefaultValue::Int(-7)),
            (
                "18446744073709551615",
                Kind::Fixed64,
                DefaultValue::Uint(u64::MAX),
            ),
            ("1.5e3", Kind::Double, DefaultValue::Double(1500.0)),
            ("-inf", Kind::Float, DefaultValue::Float(f32::NEG_INFINITY)),
            ("true", Kind::Bool, DefaultValue::Bool(true)),
            ("a\\n", Kind::String, DefaultValue::String("a\\n".into())),
            (
                "a\\n\\001\\3778\\x41\\\"é",
                Kind::Bytes,
                DefaultValue::Bytes(b"a\n\x01\xff8A\"\xc3\xa9"[..].into()),
            ),
        ] {
            assert_eq!(DefaultValue::parse(text, kind, None), Some(value), "{text}");
        }
        assert!(matches!(
            DefaultValue::parse("nan", Kind::Double, None),
            Some(DefaultValue::Double(value)) if value.is_nan()
        ));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (text, kind) in [
            ("2147483648", Kind::Int32),
            ("-1", Kind::Uint64),
            ("yes", Kind::Bool),
            ("x", Kind::Double),
            ("\\", Kind::Bytes),
            ("\\q", Kind::Bytes),
            ("\\x", Kind::Bytes),
            ("\\777", Kind::Bytes),
        ] {
            assert_eq!(DefaultValue::parse(text, kind, None), None, "{text}");
        }
    }
}
