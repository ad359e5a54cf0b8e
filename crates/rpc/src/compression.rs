//! Compression of messages and bodies: gzip.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::HeaderName;

use crate::frame::larger_than;
use crate::{Code, Status};

/// Bodies below this many bytes are not worth compressing.
pub const WORTHWHILE: usize = 1024;

/// How bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Encoding {
    /// The encoding that a header names; identity when it is not there.
    ///
    /// UNIMPLEMENTED, with what is spoken here, for any other.
    pub fn named(headers: &HeaderMap, header: &HeaderName) -> Result<Self, Status> {
        match headers.get(header).map(http::HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(other) => Err(Status::new(
                Code::Unimplemented,
                format!(
                    "the encoding `{}` is not spoken here; use gzip or identity",
                    String::from_utf8_lossy(other)
                ),
            )),
        }
    }

    /// The best encoding that a header such as `accept-encoding` allows
    /// (RFC 9110 §12.5.3).
    pub fn accepted(headers: &HeaderMap, header: &HeaderName) -> Self {
        let accepts_gzip = headers
            .get_all(header)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| {
                let mut parts = item.split(';').map(str::trim);
                let coding = parts.next().unwrap_or_default();
                let refused = parts.any(|parameter| {
                    parameter
                        .strip_prefix("q=")
                        .and_then(|weight| weight.parse::<f32>().ok())
                        == Some(0.0)
                });
                coding.eq_ignore_ascii_case("gzip") && !refused
            });
        if accepts_gzip {
            Self::Gzip
        } else {
            Self::Identity
        }
    }
}

/// Compresses with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Writing to memory does not fail.
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .unwrap_or_default()
}

/// Decompresses gzip, up to `limit` bytes. Nothing is nothing: senders leave
/// what is empty as it is.
pub fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    let mut plain = Vec::new();
    if bytes.is_empty() {
        return Ok(plain);
    }
    let mut reader = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    reader
        .read_to_end(&mut plain)
        .map_err(|_| Status::new(Code::InvalidArgument, "the message is not valid gzip"))?;
    if plain.len() > limit {
        return Err(larger_than(plain.len(), limit));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT_ENCODING;

    use super::*;

    #[test]
    fn gzip_comes_back_up_to_the_limit() {
        let compressed = gzip(&[7; 5000]);
        assert_eq!(gunzip(&compressed, 5000).unwrap(), [7; 5000]);
        assert_eq!(
            gunzip(&compressed, 4999).unwrap_err().code(),
            Code::ResourceExhausted
        );
        assert_eq!(
            gunzip(b"not gzip", 10).unwrap_err().code(),
            Code::InvalidArgument
        );
    }

    #[test]
    fn weights_are_heeded() {
        for (value, encoding) in [
            ("gzip", Encoding::Gzip),
            ("br, GZIP;q=0.5", Encoding::Gzip),
            ("gzip;q=0", Encoding::Identity),
            ("br", Encoding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(
                Encoding::accepted(&headers, &ACCEPT_ENCODING),
                encoding,
                "{value}"
            );
        }
    }
}
