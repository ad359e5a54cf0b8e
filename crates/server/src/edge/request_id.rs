//! A name for every request, the same in the client's hands, in the logs and in
//! the service: the client's own when it gave a usable one.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header with the request's id, on every request that a service sees and
/// on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LONGEST: usize = 128;

/// The id of a request, which afterwards is its only one.
pub(crate) fn keep_or_make(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(given) = headers.get(REQUEST_ID)
        && is_usable(given)
    {
        let given = given.clone();
        // Drops further ones, if any.
        headers.insert(REQUEST_ID, given.clone());
        return given;
    }
    let mut text = Uuid::encode_buffer();
    let text = make().hyphenated().encode_lower(&mut text);
    let made =
        HeaderValue::from_str(text).expect("hexadecimal digits and hyphens are visible ASCII");
    headers.insert(REQUEST_ID, made.clone());
    made
}

/// A `UUIDv7`. Its random part names requests and guards nothing, so it need not
/// come from the system each time.
fn make() -> Uuid {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&fastrand::u64(..).to_ne_bytes());
    random[8..].copy_from_slice(&fastrand::u16(..).to_ne_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Names the request in its response.
pub(crate) fn put(headers: &mut HeaderMap, mut id: HeaderValue) {
    // Never the same again: HTTP/2 need not remember it (RFC 7541 §7.1.3).
    id.set_sensitive(true);
    headers.insert(REQUEST_ID, id);
}

/// Only what cannot break a line of a log is kept.
fn is_usable(id: &HeaderValue) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(given: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.append(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        headers.append(REQUEST_ID, HeaderValue::from_static("second"));
        let id = keep_or_make(&mut headers);
        assert_eq!(
            headers.get_all(REQUEST_ID).iter().collect::<Vec<_>>(),
            [&id]
        );
        id.as_bytes() == given
    }

    #[test]
    fn a_usable_id_is_kept() {
        assert!(kept(b"a"));
        assert!(kept(&[b'~'; LONGEST]));
    }

    #[test]
    fn an_unusable_id_is_replaced() {
        for given in [&b""[..], b"two words", b"\xc3\xa9", &[b'a'; LONGEST + 1]] {
            assert!(!kept(given), "{given:?}");
        }
    }

    #[test]
    fn a_request_without_an_id_gets_one() {
        let mut headers = HeaderMap::new();
        let id = keep_or_make(&mut headers);
        assert_eq!(headers[REQUEST_ID], id);
        let id = Uuid::parse_str(id.to_str().unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        let made: std::collections::HashSet<Uuid> = (0..10_000).map(|_| make()).collect();
        assert_eq!(made.len(), 10_000);
    }
}
