//! Metadata ⇄ HTTP headers: what travels with a call, and what belongs to one
//! hop or one protocol and stays behind.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection (RFC 9110 §7.6.1), or of the length of one body.
fn belongs_to_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
    )
}

/// Headers of one hop, and those that describe the body or negotiate it, which
/// the gateway answers itself.
pub(crate) fn belongs_to_hop(name: &str) -> bool {
    belongs_to_connection(name)
        || matches!(
            name,
            "host" | "expect" | "accept" | "accept-encoding" | "content-type" | "content-encoding"
        )
}

/// Headers that a protocol keeps for itself.
fn belongs_to_protocol(name: &str) -> bool {
    name.starts_with("grpc-")
        || name.starts_with("connect-")
        || name.starts_with("sec-websocket-")
        || matches!(name, "x-grpc-web" | "x-request-timeout")
}

/// Whether a header of this name says who the client of a request is, and how
/// it came: for those to say who know, such as a trusted proxy or the server
/// itself, and not for the client.
///
/// ```
/// use portolan_gateway::tells_of_client;
///
/// assert!(tells_of_client("x-forwarded-for"));
/// assert!(!tells_of_client("user-agent"));
/// ```
#[must_use]
pub fn tells_of_client(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
}

/// Prefix of REST headers whose rest is the name of the metadata.
pub(crate) const METADATA_PREFIX: &str = "grpc-metadata-";

/// The headers that `connection` names: they too belong to the hop. Not among
/// them is what tells of the client: it was said behind the hop.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name: &HeaderName| !tells_of_client(name.as_str()))
        .collect()
}

/// The metadata of a request that came as anything but gRPC.
pub(crate) fn from_headers(mut headers: HeaderMap) -> HeaderMap {
    let mut unwanted = named_by_connection(&headers);
    let mut prefixed = Vec::new();
    for name in headers.keys() {
        let text = name.as_str();
        if text.starts_with(METADATA_PREFIX) {
            prefixed.push(name.clone());
        } else if belongs_to_hop(text) || belongs_to_protocol(text) {
            unwanted.push(name.clone());
        }
    }
    for name in unwanted {
        headers.remove(name);
    }
    for name in prefixed {
        // Under the prefix a client may not set what the protocol keeps, nor say
        // again what was taken out of what it said.
        let inner = &name.as_str()[METADATA_PREFIX.len()..];
        if let Ok(inner) = HeaderName::try_from(inner)
            && !belongs_to_hop(inner.as_str())
            && !belongs_to_protocol(inner.as_str())
            && !tells_of_client(inner.as_str())
            && inner != "x-request-id"
            // What it said without comes first for those who check it.
            && !headers.contains_key(&inner)
        {
            let values: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
            for value in values {
                // There is room for them, since they take the place of others.
                let _ = headers.try_append(inner.clone(), value);
            }
        }
        headers.remove(name);
    }
    headers
}

/// The metadata of a gRPC request: everything but what belongs to the hop.
pub(crate) fn from_grpc_headers(mut headers: HeaderMap) -> HeaderMap {
    remove_hop_headers(&mut headers);
    headers
}

/// Removes what belongs to a connection or to the length of one body.
pub(crate) fn remove_hop_headers(headers: &mut HeaderMap) {
    // Mostly there are none, and to look once is cheaper than to ask for each.
    let mut unwanted = named_by_connection(headers);
    let names = headers.keys();
    unwanted.extend(
        names
            .filter(|name| belongs_to_connection(name.as_str()))
            .cloned(),
    );
    for name in unwanted {
        headers.remove(name);
    }
}

/// Says that an answer depends on this header of the request
/// (RFC 9110 §12.5.5).
pub(crate) fn vary(headers: &mut HeaderMap, name: HeaderName) {
    headers.append(header::VARY, name.into());
}

/// Headers of HTTP itself that a service may give an answer: under a prefix its
/// clients would not find them (RFC 9110 §10.2.3, §11.6.1).
fn belongs_to_answer(name: &str) -> bool {
    matches!(name, "retry-after" | "www-authenticate")
}

/// Adds the metadata of a reply to the headers of a response, under a prefix.
pub(crate) fn to_headers(metadata: &HeaderMap, prefix: &str, headers: &mut HeaderMap) {
    for (name, value) in metadata {
        if belongs_to_hop(name.as_str()) || belongs_to_protocol(name.as_str()) {
            continue;
        }
        if prefix.is_empty() || belongs_to_answer(name.as_str()) {
            headers.append(name.clone(), value.clone());
        } else if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            headers.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_http_knows_needs_no_prefix() {
        let mut metadata = HeaderMap::new();
        for name in ["retry-after", "www-authenticate", "tenant"] {
            metadata.insert(name, HeaderValue::from_static("1"));
        }
        let mut headers = HeaderMap::new();
        to_headers(&metadata, "trailer-", &mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["retry-after", "trailer-tenant", "www-authenticate"]);
    }

    #[test]
    fn only_what_travels_becomes_metadata() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("content-type", "application/json"),
            ("authorization", "Bearer x"),
            ("grpc-timeout", "1S"),
            ("connect-protocol-version", "1"),
            ("grpc-metadata-tenant", "t"),
            ("grpc-metadata-grpc-status", "0"),
            ("grpc-metadata-x-forwarded-for", "10.0.0.1"),
            ("grpc-metadata-x-request-id", "theirs"),
            ("x-forwarded-for", "192.0.2.1"),
            ("trace-bin", "AQI="),
            ("sec-websocket-key", "k"),
            ("connection", "keep-alive, x-hop, x-forwarded-for"),
            ("x-hop", "h"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let metadata = from_headers(headers);
        let mut names: Vec<&str> = metadata.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["authorization", "tenant", "trace-bin", "x-forwarded-for"]
        );
        assert_eq!(metadata["x-forwarded-for"], "192.0.2.1");
    }
}
