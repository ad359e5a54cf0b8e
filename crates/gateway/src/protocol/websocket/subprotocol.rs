//! What a client says in `sec-websocket-protocol`: how it wants its answers,
//! and the headers that a browser has no other place for.
//!
//! A page cannot set headers on a WebSocket, only subprotocols. A bearer token
//! must not be in the URL either, which ends up in logs and histories. So a
//! client may offer `portolan.header.NAME.VALUE`, the value in base64url, beside
//! the subprotocol it means; it is taken for the header of that name and never
//! chosen.

use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::metadata::{METADATA_PREFIX, belongs_to_hop, tells_of_client};
use crate::protocol::base64url;

/// Answers as JSON in text frames.
const JSON: &str = "portolan.json";
/// Answers as protobuf in binary frames.
const PROTO: &str = "portolan.proto";
/// A header: its name, a dot and its value follow.
const HEADER: &str = "portolan.header.";

/// How a client wants its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Proto,
}

/// The first subprotocol of ours that is offered, which the answer has to name,
/// and what it means; JSON without one.
pub(super) fn chosen(headers: &HeaderMap) -> (Option<&'static str>, Format) {
    for offered in offered(headers) {
        match offered {
            JSON => return (Some(JSON), Format::Json),
            PROTO => return (Some(PROTO), Format::Proto),
            _ => {}
        }
    }
    (None, Format::Json)
}

/// Moves the headers that a WebSocket handshake has among its subprotocols to
/// where headers are, so that everything that reads them finds them: a layer
/// that asks for a token, for instance. What is no handshake stays as it is, and
/// so does a header that the request has already.
///
/// The gateway does this by itself for what it serves; a layer in front of it
/// that reads headers has to come after this.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
/// headers.insert(
///     "sec-websocket-protocol",
///     HeaderValue::from_static("portolan.json, portolan.header.authorization.QmVhcmVyIHg"),
/// );
/// portolan_gateway::lift_websocket_headers(&mut headers);
/// assert_eq!(headers["authorization"], "Bearer x");
/// assert_eq!(headers["sec-websocket-protocol"], "portolan.json");
/// ```
pub fn lift_websocket_headers(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_VERSION) {
        return;
    }
    let mut lifted: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut rest: Vec<&str> = Vec::new();
    for offered in offered(headers) {
        match offered.strip_prefix(HEADER) {
            Some(header) => lifted.extend(read(header)),
            None => rest.push(offered),
        }
    }
    if lifted.is_empty() {
        return;
    }
    let rest = (!rest.is_empty())
        .then(|| HeaderValue::try_from(rest.join(", ")).ok())
        .flatten();
    match rest {
        Some(rest) => {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, rest);
        }
        None => {
            headers.remove(SEC_WEBSOCKET_PROTOCOL);
        }
    }
    // Of one name there may be several, but none beside the request's own.
    lifted.retain(|(name, _)| !headers.contains_key(name));
    for (name, value) in lifted {
        // A list can have more names than a map has room for.
        let _ = headers.try_append(name, value);
    }
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// `name.value`; a name may have dots, and the value has none.
fn read(header: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = header.rsplit_once('.')?;
    let name = HeaderName::try_from(name).ok()?;
    if !may_be_set_by_a_page(name.as_str()) {
        return None;
    }
    let value = HeaderValue::from_bytes(&base64url::decode(value.as_bytes())?).ok()?;
    Some((name, value))
}

/// Whether it is for a page to set a header of this name. What describes the
/// request and its way is not: the names that browsers keep for themselves (the
/// Fetch standard, "forbidden request-header"), and those by which proxies say
/// who the client is.
fn may_be_set_by_a_page(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["sec-", "proxy-", "access-control-request-"];
    // As metadata it has this name.
    let name = name.strip_prefix(METADATA_PREFIX).unwrap_or(name);
    let kept = matches!(name, "origin" | "referer" | "cookie" | "date" | "via");
    !kept
        && !belongs_to_hop(name)
        && !tells_of_client(name)
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(offered: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        for offered in offered {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(offered));
        }
        headers
    }

    #[test]
    fn the_first_of_ours_is_chosen() {
        for (offered, name, format) in [
            (&[][..], None, Format::Json),
            (&["chat, superchat"], None, Format::Json),
            (&["portolan.json"], Some("portolan.json"), Format::Json),
            (
                &["chat", "portolan.proto,portolan.json"],
                Some("portolan.proto"),
                Format::Proto,
            ),
        ] {
            assert_eq!(chosen(&headers(offered)), (name, format), "{offered:?}");
        }
    }

    #[test]
    fn headers_are_lifted_but_never_over_others() {
        let mut all = headers(&[
            "portolan.header.authorization.QmVhcmVyIHg, portolan.json",
            "portolan.header.x.y.YQ==, portolan.header.x-twice.YQ, portolan.header.x-twice.Yg",
            "portolan.header.x-own.dGhlaXJz, portolan.header.host.ZXZpbA",
            "portolan.header.grpc-metadata-cookie.ZXZpbA, portolan.header.x-real-ip.ZXZpbA",
            "portolan.header.origin.ZXZpbA, portolan.header.bad.***, portolan.header.none",
        ]);
        all.insert("x-own", HeaderValue::from_static("ours"));
        lift_websocket_headers(&mut all);
        assert_eq!(all["authorization"], "Bearer x");
        assert_eq!(all["x.y"], "a");
        let twice: Vec<_> = all.get_all("x-twice").iter().collect();
        assert_eq!(twice, ["a", "b"]);
        assert_eq!(all.get_all("x-own").iter().collect::<Vec<_>>(), ["ours"]);
        assert_eq!(all[SEC_WEBSOCKET_PROTOCOL], "portolan.json");
        for name in ["host", "origin", "bad", "none"] {
            assert!(!all.contains_key(name), "{name}");
        }
        let before = all.clone();
        lift_websocket_headers(&mut all);
        assert_eq!(all, before);
    }

    #[test]
    fn a_page_does_not_say_who_the_client_is_or_how_it_came() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "X-Forwarded-Proto",
            "x-forwarded-anything",
            "x-real-ip",
            "via",
            "host",
            "origin",
            "referer",
            "cookie",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "content-length",
            "proxy-authorization",
            "sec-websocket-key",
            "access-control-request-method",
        ] {
            let mut all = HeaderMap::new();
            all.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            let offered =
                format!("portolan.json, portolan.header.x-a.YQ, portolan.header.{name}.YQ");
            all.insert(SEC_WEBSOCKET_PROTOCOL, offered.try_into().unwrap());
            lift_websocket_headers(&mut all);
            assert!(!all.contains_key(name), "{name}");
            assert_eq!(all["x-a"], "a", "{name}");
            assert_eq!(all[SEC_WEBSOCKET_PROTOCOL], "portolan.json", "{name}");
        }
    }

    #[test]
    fn what_is_no_handshake_stays_as_it_is() {
        let mut all = headers(&["portolan.header.a.YQ"]);
        all.remove(SEC_WEBSOCKET_VERSION);
        let before = all.clone();
        lift_websocket_headers(&mut all);
        assert_eq!(all, before);
    }
}
