//! How a request asks for a WebSocket, and how it is answered: over HTTP/1.1 by
//! an upgrade (RFC 6455 §4.2), over HTTP/2 by an extended CONNECT (RFC 8441).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Body, Code, Status};

/// The version of RFC 6455, the only one there is.
const VERSION: &str = "13";

/// Whether a request asks for a WebSocket, well or not.
pub(super) fn is_asked_for(head: &Parts) -> bool {
    if head.version >= Version::HTTP_2 {
        let protocol = head.extensions.get::<hyper::ext::Protocol>();
        return head.method == Method::CONNECT
            && protocol.is_some_and(|protocol| protocol.as_str() == "websocket");
    }
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && names(&head.headers, &UPGRADE, "websocket")
        && names(&head.headers, &CONNECTION, "upgrade")
}

/// The answer that opens the WebSocket, or the HTTP status and the reason why
/// it stays closed.
pub(super) fn answer(
    head: &Parts,
    subprotocol: Option<&'static str>,
) -> Result<Response<Body>, (StatusCode, Status)> {
    let version = head.headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != VERSION) {
        let message = "this server speaks version 13 of the WebSocket protocol";
        let status = Status::new(Code::InvalidArgument, message);
        return Err((StatusCode::UPGRADE_REQUIRED, status));
    }
    let mut response = Response::new(Body::empty());
    if head.version < Version::HTTP_2 {
        let accept = accept_key(&head.headers)?;
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(name) = subprotocol {
        let headers = response.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// What shows the client that it was understood (RFC 6455 §4.2.2, step 5.4).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, (StatusCode, Status)> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none());
    key.map(HeaderValue::as_bytes)
        .filter(|key| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16))
        .and_then(|key| HeaderValue::try_from(derive_accept_key(key)).ok())
        .ok_or_else(|| {
            let message = "the header sec-websocket-key has no 16 bytes in base64";
            let status = Status::new(Code::InvalidArgument, message);
            (StatusCode::BAD_REQUEST, status)
        })
}

/// What a refusal says of the versions that would do (RFC 6455 §4.4).
pub(super) fn put_version(headers: &mut HeaderMap) {
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
}

/// Whether a list of tokens has this one.
fn names(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(pairs: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder()
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_example_of_the_specification() {
        let head = head(&[
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert!(is_asked_for(&head));
        let response = answer(&head, Some("portolan.json")).unwrap();
        assert_eq!(response.status(), 101);
        let headers = response.headers();
        assert_eq!(
            headers["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(headers["sec-websocket-protocol"], "portolan.json");
        assert_eq!(headers["upgrade"], "websocket");
        assert_eq!(headers["connection"], "upgrade");
    }

    #[test]
    fn what_is_not_well_asked_stays_closed() {
        const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (pairs, status) in [
            (vec![KEY], 426),
            (vec![KEY, ("sec-websocket-version", "8")], 426),
            (vec![("sec-websocket-version", "13")], 400),
            (vec![KEY, KEY, ("sec-websocket-version", "13")], 400),
            (
                vec![
                    ("sec-websocket-version", "13"),
                    ("sec-websocket-key", "c2hvcnQ="),
                ],
                400,
            ),
        ] {
            let (refusal, _) = answer(&head(&pairs), None).unwrap_err();
            assert_eq!(refusal.as_u16(), status, "{pairs:?}");
        }
    }

    #[test]
    fn other_requests_are_left_alone() {
        let plain = Request::new(()).into_parts().0;
        assert!(!is_asked_for(&plain));
        let mut post = head(&[]);
        post.method = Method::POST;
        assert!(!is_asked_for(&post));
        let mut old = head(&[]);
        old.version = Version::HTTP_10;
        assert!(!is_asked_for(&old));
        let mut connect = Request::new(()).into_parts().0;
        connect.version = Version::HTTP_2;
        connect.method = Method::CONNECT;
        assert!(!is_asked_for(&connect));
        let websocket = hyper::ext::Protocol::from_static("websocket");
        connect.extensions.insert(websocket);
        assert!(is_asked_for(&connect));
    }
}
