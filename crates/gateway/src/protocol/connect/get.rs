//! The query of a unary GET (Connect, "Unary-Get-Request").

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::compression::{Encoding, not_spoken};
use crate::protocol::base64url;
use crate::protocol::codec::Codec;
use crate::{Code, Status};

/// The decoded value of a parameter.
fn parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| percent_decode_str(&value.replace('+', " ")).collect())
}

/// Whether the query is Connect's: a message and its encoding.
pub(super) fn is_connect(query: &str) -> bool {
    parameter(query, "message").is_some() && parameter(query, "encoding").is_some()
}

pub(super) fn codec(query: &str) -> Option<Codec> {
    let name = parameter(query, "encoding")?;
    Codec::named(std::str::from_utf8(&name).ok()?)
}

/// The message, decoded and decompressed.
pub(super) fn message(query: &str, limit: usize) -> Result<Bytes, Status> {
    let invalid = |message: &str| Status::new(Code::InvalidArgument, message);
    if parameter(query, "connect").is_some_and(|version| version != b"v1") {
        return Err(invalid("the query parameter `connect` must be v1"));
    }
    let mut message = parameter(query, "message").unwrap_or_default();
    if parameter(query, "base64").is_some_and(|value| value == b"1") {
        message = base64url::decode(&message)
            .ok_or_else(|| invalid("the query parameter `message` is not URL-safe base64"))?;
    }
    let compression = parameter(query, "compression").unwrap_or_default();
    let encoding = match compression.as_slice() {
        b"" => Encoding::Identity,
        name => Encoding::from_name(name).ok_or_else(|| not_spoken(name))?,
    };
    encoding.decompress(message.into(), limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let query = "connect=v1&encoding=json&message=%7B%22id%22%3A%22a+b%22%7D";
        assert!(is_connect(query));
        assert_eq!(codec(query), Some(Codec::Json));
        assert_eq!(message(query, 100).unwrap(), &b"{\"id\":\"a b\"}"[..]);
        assert_eq!(
            message("message=CgFh&base64=1", 100).unwrap(),
            &b"\x0a\x01a"[..]
        );
        assert_eq!(
            message("message=abc", 2).unwrap_err().code(),
            Code::ResourceExhausted
        );
        assert_eq!(
            message("message=*&base64=1", 9).unwrap_err().code(),
            Code::InvalidArgument
        );
        assert_eq!(
            message("message=a&compression=zz", 9).unwrap_err().code(),
            Code::Unimplemented
        );
        assert_eq!(
            message("message=a&connect=v2", 9).unwrap_err().code(),
            Code::InvalidArgument
        );
        assert!(!is_connect("q=1"));
    }
}
