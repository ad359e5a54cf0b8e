//! Compression of messages and bodies: which encodings there are, and bytes in
//! and out of them. Which one an answer gets is said in [`accept`].
//!
//! gRPC names gzip, deflate and snappy ("Compression"), Connect gzip, br and
//! zstd, HTTP all but snappy (RFC 9110 §8.4.1, RFC 7932, RFC 8878). All of them
//! are read wherever they come, since none is harder to read than to refuse.

pub mod accept;
mod coding;

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::{Code, Status};

/// Bodies below this many bytes are not worth compressing.
pub const WORTHWHILE: usize = 1024;

/// The encodings that are spoken here, as a header lists them.
pub const SPOKEN: &str = "gzip, br, zstd, deflate, snappy";

/// How bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP and gRPC call deflate.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// Snappy's framing format.
    Snappy,
}

impl Encoding {
    /// The encoding of a name, in any case (RFC 9110 §8.4.1); `None` when it is
    /// not spoken here.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("gzip") || is("x-gzip") {
            return Some(Self::Gzip);
        }
        [
            Self::Identity,
            Self::Deflate,
            Self::Brotli,
            Self::Zstd,
            Self::Snappy,
        ]
        .into_iter()
        .find(|encoding| is(encoding.name()))
    }

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }

    /// The registered name as the value of a header.
    #[must_use]
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The encoding that a header names; identity when it is not there.
    ///
    /// # Errors
    /// UNIMPLEMENTED, with what is spoken here, for any other.
    pub fn named(headers: &HeaderMap, header: &HeaderName) -> Result<Self, Status> {
        match headers.get(header).map(HeaderValue::as_bytes) {
            None | Some(b"") => Ok(Self::Identity),
            Some(name) => Self::from_name(name).ok_or_else(|| not_spoken(name)),
        }
    }

    /// The best encoding that a header such as `accept-encoding` allows; see
    /// [`accept::weighed`].
    #[must_use]
    pub fn accepted(headers: &HeaderMap, header: &HeaderName) -> Self {
        accept::weighed(headers, header)
    }

    /// Encodes bytes. Identity gives them back without a copy.
    #[must_use]
    pub fn compress(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(bytes),
            Self::Gzip => coding::gzip(bytes).into(),
            Self::Deflate => coding::deflate(bytes).into(),
            Self::Brotli => coding::brotli(bytes).into(),
            Self::Zstd => coding::zstd(bytes).into(),
            Self::Snappy => coding::snappy(bytes).into(),
        }
    }

    /// Decodes bytes, up to `limit` of them. Nothing is nothing: senders leave
    /// what is empty as it is.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED as soon as there are more, INVALID_ARGUMENT when they
    /// are not of this encoding.
    pub fn decompress(self, bytes: Bytes, limit: usize) -> Result<Bytes, Status> {
        let plain = match self {
            Self::Identity if bytes.len() > limit => {
                return Err(crate::frame::too_large(bytes.len(), limit));
            }
            Self::Identity => return Ok(bytes),
            _ if bytes.is_empty() => return Ok(bytes),
            Self::Gzip => coding::gunzip(&bytes, limit),
            Self::Deflate => coding::inflate(&bytes, limit),
            Self::Brotli => coding::unbrotli(&bytes, limit),
            Self::Zstd => coding::unzstd(&bytes, limit),
            Self::Snappy => coding::unsnappy(&bytes, limit),
        };
        plain.map(Bytes::from)
    }
}

/// The status for an encoding that is not spoken here.
#[must_use]
pub fn not_spoken(name: &[u8]) -> Status {
    let name = String::from_utf8_lossy(name);
    Status::new(
        Code::Unimplemented,
        format!("the encoding `{name}` is not spoken here; use one of {SPOKEN} or identity"),
    )
}

/// Compresses with gzip.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    coding::gzip(bytes)
}

/// Decompresses gzip, up to `limit` bytes. Nothing is nothing.
///
/// # Errors
/// As [`Encoding::decompress`].
pub fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    coding::gunzip(bytes, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 6] = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Deflate,
        Encoding::Brotli,
        Encoding::Zstd,
        Encoding::Snappy,
    ];

    #[test]
    fn bytes_come_back_up_to_the_limit() {
        let text: Vec<u8> = (0..70_000_u32).map(|n| (n % 251) as u8).collect();
        for encoding in ALL {
            let sent = Bytes::from(encoding.compress(&text).into_owned());
            let read = |limit| encoding.decompress(sent.clone(), limit);
            assert_eq!(read(70_000).unwrap(), text, "{encoding:?}");
            let status = read(69_999).unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}");
            assert!(
                status.message().contains("the limit of 69999 bytes"),
                "{status}"
            );
            assert!(encoding.decompress(Bytes::new(), 0).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_torn_or_no_such_thing_is_refused() {
        for encoding in ALL.into_iter().skip(1) {
            let mut bytes = encoding.compress(&[7; 5000]).into_owned();
            bytes.truncate(bytes.len() - 2);
            for bytes in [bytes, b"not compressed at all".to_vec(), vec![0; 40]] {
                let status = encoding.decompress(bytes.into(), 1 << 20).unwrap_err();
                assert_eq!(status.code(), Code::InvalidArgument, "{encoding:?}");
                assert_eq!(
                    status.message(),
                    format!("the message is not valid {}", encoding.name())
                );
            }
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        for encoding in ALL {
            assert_eq!(
                Encoding::from_name(encoding.name().as_bytes()),
                Some(encoding)
            );
            let is_listed = SPOKEN.split(", ").any(|name| name == encoding.name());
            assert_eq!(is_listed, encoding != Encoding::Identity);
        }
        assert_eq!(Encoding::from_name(b"X-GZip"), Some(Encoding::Gzip));
        assert_eq!(Encoding::from_name(b"lz4"), None);
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("grpc-encoding");
        assert_eq!(
            Encoding::named(&headers, &name).unwrap(),
            Encoding::Identity
        );
        headers.insert(&name, HeaderValue::from_static("lz4"));
        let status = Encoding::named(&headers, &name).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}
