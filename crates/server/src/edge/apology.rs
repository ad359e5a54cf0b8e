//! What a client is told, in its own protocol, in place of an answer that a
//! panic took. When it is told is the affair of [`recover`](super::recover).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use portolan_gateway::Code;

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
/// What a client is told: nothing of the inside.
pub(super) const SENTENCE: &str = "internal error";
/// The same as `google.rpc.Status`, code INTERNAL.
const JSON: &str = r#"{"code":13,"message":"internal error","details":[]}"#;
/// The same as a Connect error (Connect, "Error Codes").
const CONNECT_JSON: &str = r#"{"code":"internal","message":"internal error"}"#;
/// The flag of gRPC-Web's frame with the trailers.
const TRAILERS: u8 = 0b1000_0000;
/// The flag of the last frame of a Connect stream.
const END: u8 = 0b10;

/// What a client speaks, as far as its request's head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Grpc,
    GrpcWeb {
        json: bool,
        /// The answer is to be in base64.
        text: bool,
    },
    ConnectUnary,
    ConnectStream {
        json: bool,
    },
    /// REST, and whatever is no call.
    Plain,
}

impl Dialect {
    /// Reads the head of a request.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let media_type = media_type(headers);
        if let Some(rest) = after(media_type, "application/grpc-web-text") {
            if is_format(rest) {
                return Self::web(rest, headers, true);
            }
        } else if let Some(rest) = after(media_type, "application/grpc-web") {
            if is_format(rest) {
                return Self::web(rest, headers, false);
            }
        } else if let Some(rest) = after(media_type, "application/grpc") {
            if is_format(rest) {
                return Self::Grpc;
            }
        } else if let Some(name) = after(media_type, "application/connect+") {
            return Self::ConnectStream {
                json: name.eq_ignore_ascii_case("json"),
            };
        } else if media_type.eq_ignore_ascii_case("application/proto")
            || headers.contains_key(CONNECT_VERSION)
            || is_connect_get(request)
        {
            return Self::ConnectUnary;
        }
        Self::Plain
    }

    fn web(format: &str, headers: &HeaderMap, text_request: bool) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let accept = accept.unwrap_or_default();
        Self::GrpcWeb {
            json: format.eq_ignore_ascii_case("+json"),
            // As the request was, unless it asks for the other.
            text: accept.contains("application/grpc-web-text")
                || (text_request && !accept.contains("application/grpc-web")),
        }
    }

    /// The whole answer; the body is absent where the head says it all.
    pub(super) fn apology(self) -> Response<Option<Bytes>> {
        let (status, content_type, body) = match self {
            Self::Grpc => (StatusCode::OK, "application/grpc", None),
            Self::GrpcWeb { json, text } => {
                let frame = frame(TRAILERS, &trailer_lines());
                let body = if text {
                    STANDARD.encode(frame).into()
                } else {
                    frame
                };
                let content_type = match (text, json) {
                    (false, false) => "application/grpc-web+proto",
                    (false, true) => "application/grpc-web+json",
                    (true, false) => "application/grpc-web-text+proto",
                    (true, true) => "application/grpc-web-text+json",
                };
                (StatusCode::OK, content_type, Some(body))
            }
            Self::ConnectUnary => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                Some(Bytes::from_static(CONNECT_JSON.as_bytes())),
            ),
            // A stream's head is always 200, its error is in the last frame
            // (Connect, "Streaming-Response").
            Self::ConnectStream { json } => (
                StatusCode::OK,
                if json {
                    "application/connect+json"
                } else {
                    "application/connect+proto"
                },
                Some(frame(END, &format!("{{\"error\":{CONNECT_JSON}}}"))),
            ),
            Self::Plain => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/json",
                Some(Bytes::from_static(JSON.as_bytes())),
            ),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self == Self::Grpc {
            put_status(headers);
        }
        response
    }
}

/// Puts the status INTERNAL among gRPC's headers or trailers.
pub(super) fn put_status(headers: &mut HeaderMap) {
    headers.insert(GRPC_STATUS, HeaderValue::from(Code::Internal as i32));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(SENTENCE));
}

/// The same as lines, as gRPC-Web has them in the body.
fn trailer_lines() -> String {
    let code = Code::Internal as i32;
    format!("{GRPC_STATUS}: {code}\r\n{GRPC_MESSAGE}: {SENTENCE}\r\n")
}

/// Flags, four bytes of length, and the payload.
fn frame(flags: u8, payload: &str) -> Bytes {
    let length = u32::try_from(payload.len()).expect("our own sentences are short");
    let mut frame = vec![flags];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(payload.as_bytes());
    frame.into()
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// What follows the prefix, in whatever case.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether this may follow `application/grpc`: anything else is another type.
fn is_format(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('+')
}

/// A GET with a message in its query (Connect, "Unary-Get-Request").
fn is_connect_get<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let has = |name| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .any(|(key, _)| key == name)
    };
    request.method() == Method::GET && has("message") && has("encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(headers: &[(&str, &str)]) -> Dialect {
        let mut request = Request::post("/a.A/Get");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Dialect::of(&request.body(()).unwrap())
    }

    #[test]
    fn the_content_type_tells_the_dialects_apart() {
        let web = |json, text| Dialect::GrpcWeb { json, text };
        for (content_type, expected) in [
            ("application/grpc", Dialect::Grpc),
            ("application/grpc+proto", Dialect::Grpc),
            ("Application/gRPC; charset=utf-8", Dialect::Grpc),
            ("application/grpcx", Dialect::Plain),
            ("application/grpc-websocket", Dialect::Plain),
            ("application/grpc-web", web(false, false)),
            ("application/grpc-web;a=b", web(false, false)),
            ("application/grpc-web+json", web(true, false)),
            ("application/grpc-web-text", web(false, true)),
            ("application/grpc-web-text+proto", web(false, true)),
            ("application/proto", Dialect::ConnectUnary),
            (
                "application/connect+proto",
                Dialect::ConnectStream { json: false },
            ),
            (
                "application/connect+json",
                Dialect::ConnectStream { json: true },
            ),
            ("application/json", Dialect::Plain),
            ("", Dialect::Plain),
            ("é", Dialect::Plain),
        ] {
            assert_eq!(
                dialect(&[("content-type", content_type)]),
                expected,
                "{content_type}"
            );
        }
    }

    #[test]
    fn other_parts_of_the_head_tell_too() {
        let json = ("content-type", "application/json");
        let version = ("connect-protocol-version", "1");
        assert_eq!(dialect(&[json, version]), Dialect::ConnectUnary);
        let accept = ("accept", "application/grpc-web-text");
        assert_eq!(
            dialect(&[("content-type", "application/grpc-web"), accept]),
            Dialect::GrpcWeb {
                json: false,
                text: true
            }
        );
        for (query, expected) in [
            ("message=&encoding=json", Dialect::ConnectUnary),
            ("message=x", Dialect::Plain),
        ] {
            let request = Request::get(format!("/a.A/Get?{query}")).body(()).unwrap();
            assert_eq!(Dialect::of(&request), expected, "{query}");
            // Whatever type it claims for the body that it does not have.
            let (mut head, ()) = request.into_parts();
            let json = HeaderValue::from_static("application/json");
            head.headers.insert(CONTENT_TYPE, json);
            let request = Request::from_parts(head, ());
            assert_eq!(Dialect::of(&request), expected, "{query}");
        }
    }

    #[test]
    fn frames_tell_their_length() {
        let body = Dialect::GrpcWeb {
            json: false,
            text: false,
        };
        let body = body.apology().into_body().unwrap();
        assert_eq!(
            &body[..],
            b"\x80\0\0\0\x2fgrpc-status: 13\r\ngrpc-message: internal error\r\n"
        );
    }
}
