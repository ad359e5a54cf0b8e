//! Connect (connectrpc.com, "Protocol reference"): unary calls as plain HTTP,
//! by POST or, without side effects, by GET; streams in frames.

mod error;
mod get;
mod streaming;
mod unary;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use portolan_schema::Streaming;

use super::codec::Codec;
use super::{
    Accept, Accepted, Core, Exchange, Protocol, method_not_allowed, unsupported_media_type,
};
use crate::compression::{Encoding, accept};
use crate::route::{Matched, Route, connect_methods};
use crate::{Body, Code, Deadline, Status};

pub(crate) struct Connect;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const UNARY: &str = "application/json, application/proto";
const STREAMING: &str = "application/connect+json, application/connect+proto";

impl Protocol for Connect {
    fn accept(&self, head: &Parts, media_type: &str, core: &Arc<Core>) -> Option<Accepted> {
        let path = head.uri.path();
        let route = core.routes.by_path(path);
        if head.method == Method::GET {
            let route = route?;
            // A GET without a message is a REST client's, to be told what to do.
            return get::is_connect(head.uri.query()?).then(|| accept_get(head, core, route));
        }
        if let Some(name) = media_type.strip_prefix("application/connect+") {
            return Some(accept_streaming(head, core, route, Codec::named(name)));
        }
        // JSON without the protocol's header is plain REST on the same path.
        let codec = match media_type {
            "application/proto" => Some(Codec::Proto),
            "application/json" if head.headers.contains_key(VERSION) => Some(Codec::Json),
            _ if head.headers.contains_key(VERSION) => None,
            _ => return None,
        };
        let Some(route) = route else {
            // REST may have this path, or else nobody has it.
            let is_unknown = matches!(core.routes.find(&head.method, path), Matched::Nothing);
            return is_unknown.then(|| Accepted::Answer(no_method(core, path)));
        };
        if head.method != Method::POST {
            return Some(Accepted::Answer(method_not_allowed(&connect_methods(
                route,
            ))));
        }
        let Some(codec) = codec.filter(|_| route.streaming == Streaming::Unary) else {
            let accepts = if route.streaming == Streaming::Unary {
                UNARY
            } else {
                STREAMING
            };
            return Some(Accepted::Answer(unsupported_media_type(accepts)));
        };
        let deadline =
            check_version(&head.headers).and_then(|()| Deadline::from_connect(&head.headers));
        let exchange = unary::Unary::post(core, route, codec, &head.headers);
        Some(call(route, deadline, Box::new(exchange)))
    }
}

/// The answer to a path that is no RPC's: the HTTP status that anybody expects,
/// and an error as Connect has it, which is UNIMPLEMENTED for that status
/// (Connect, "HTTP to Error Code").
fn no_method(core: &Core, path: &str) -> Response<Body> {
    let status = Status::new(Code::Unimplemented, format!("there is no method {path}"));
    let mut response = Response::new(error::ErrorJson::of(core, &status).to_bytes().into());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn accept_get(head: &Parts, core: &Arc<Core>, route: &Arc<Route>) -> Accepted {
    if !connect_methods(route).contains(&Method::GET) {
        return Accepted::Answer(method_not_allowed(&connect_methods(route)));
    }
    let query = head.uri.query().unwrap_or_default();
    let Some(codec) = get::codec(query) else {
        return Accepted::Answer(unsupported_media_type(UNARY));
    };
    let exchange = unary::Unary::get(core, route, codec, &head.headers);
    call(
        route,
        Deadline::from_connect(&head.headers),
        Box::new(exchange),
    )
}

fn accept_streaming(
    head: &Parts,
    core: &Arc<Core>,
    route: Option<&Arc<Route>>,
    codec: Option<Codec>,
) -> Accepted {
    if head.method != Method::POST {
        return Accepted::Answer(method_not_allowed(&[Method::POST]));
    }
    let Some(codec) = codec else {
        return Accepted::Answer(unsupported_media_type(STREAMING));
    };
    let Some(route) = route else {
        return Accepted::Answer(no_method(core, head.uri.path()));
    };
    if route.streaming == Streaming::Unary {
        return Accepted::Answer(unsupported_media_type(UNARY));
    }
    let deadline =
        check_version(&head.headers).and_then(|()| Deadline::from_connect(&head.headers));
    call(
        route,
        deadline,
        Box::new(streaming::Stream::new(core, route, codec, &head.headers)),
    )
}

fn call(
    route: &Arc<Route>,
    deadline: Result<Deadline, Status>,
    exchange: Box<dyn Exchange>,
) -> Accepted {
    Accepted::Call(Accept {
        path: Arc::clone(&route.path),
        route: Some(Arc::clone(route)),
        protocol: "connect",
        deadline,
        exchange,
    })
}

/// There is one version of the protocol so far.
fn check_version(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get(VERSION).map(http::HeaderValue::as_bytes) {
        None | Some(b"1") => Ok(()),
        Some(other) => {
            let message = format!(
                "connect-protocol-version must be 1, not `{}`",
                String::from_utf8_lossy(other)
            );
            Err(Status::new(Code::InvalidArgument, message))
        }
    }
}

/// The encoding that a response should have: HTTP's weights for a body, the
/// order of the client's liking for messages (Connect, "Compression").
fn accepted(headers: &HeaderMap, streaming: bool) -> Encoding {
    if streaming {
        const NAME: HeaderName = HeaderName::from_static("connect-accept-encoding");
        accept::listed(headers, &NAME)
    } else {
        accept::weighed(headers, &header::ACCEPT_ENCODING)
    }
}
