//! Bytes that are the same for everybody, kept compressed and with a tag that
//! tells one version from another.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::Body;
use crate::compression::{gunzip, gzip};
use crate::metadata::vary;
use crate::protocol::bare;

/// Something to be sent.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    content_type: &'static str,
    /// What else stands in the head of a response.
    headers: &'static [(&'static str, &'static str)],
    policy: Option<HeaderValue>,
    compressed: Bytes,
    length: usize,
    tag: HeaderValue,
}

impl Asset {
    pub(super) fn new(content_type: &'static str, plain: &[u8]) -> Self {
        Self::compressed(content_type, gzip(plain).into(), plain.len())
    }

    /// From what is compressed by gzip already and has this length without.
    pub(super) fn compressed(content_type: &'static str, compressed: Bytes, length: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        compressed.hash(&mut hasher);
        // The encodings share it, so it is a weak one (RFC 9110 §8.8.1).
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        Self {
            content_type,
            headers: &[],
            policy: None,
            compressed,
            length,
            tag: HeaderValue::try_from(tag)
                .expect("hexadecimal digits in quotes are visible ASCII"),
        }
    }

    #[cfg(feature = "docs")]
    pub(super) fn with_headers(
        mut self,
        headers: &'static [(&'static str, &'static str)],
        policy: Option<HeaderValue>,
    ) -> Self {
        self.headers = headers;
        self.policy = policy;
        self
    }

    pub(super) fn response(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = if self.is_known(request) {
            bare(StatusCode::NOT_MODIFIED)
        } else {
            self.whole(request)
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
        // It is asked for each time, and sent only when it changed.
        let no_cache = HeaderValue::from_static("no-cache");
        headers.insert(header::CACHE_CONTROL, no_cache);
        vary(headers, header::ACCEPT_ENCODING);
        for (name, value) in self.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }

    fn whole(&self, request: &HeaderMap) -> Response<Body> {
        let zipped = takes_gzip(request);
        let bytes = if zipped {
            self.compressed.clone()
        } else {
            // It was compressed by us, from so many bytes.
            match gunzip(&self.compressed, self.length) {
                Ok(plain) => plain.into(),
                Err(_) => return bare(StatusCode::INTERNAL_SERVER_ERROR),
            }
        };
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(self.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        if zipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    /// Whether the client has it already (RFC 9110 §13.1.2).
    fn is_known(&self, request: &HeaderMap) -> bool {
        let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let tag = self.tag.to_str().map(weak).unwrap_or_default();
        request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| known.trim() == "*" || weak(known) == tag)
    }
}

/// Whether a client reads gzip, whatever it would like better: there is no other
/// form at hand (RFC 9110 §12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let mut any = false;
    let values = request.get_all(header::ACCEPT_ENCODING).iter();
    let items = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for item in items {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let taken = !parts.any(|parameter| {
            let weight = parameter.strip_prefix("q=").map(str::parse::<f32>);
            weight == Some(Ok(0.0))
        });
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return taken;
        }
        any |= name == "*" && taken;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_whom_can_read_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.1", true),
            ("*", true),
            ("*;q=0.5, gzip;q=0", false),
            ("*;q=0", false),
            ("br", false),
            ("identity", false),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_static(accepted);
            headers.insert(header::ACCEPT_ENCODING, value);
            assert_eq!(takes_gzip(&headers), takes, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
