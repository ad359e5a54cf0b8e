//! Connect (connectrpc.com, "Protocol reference"): unary calls as plain HTTP,
//! by POST or, without side effects, by GET; streams in frames.

mod error;
mod get;
mod streaming;
mod unary;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use portolan_schema::Streaming;

use super::codec::Codec;
use super::{
    Accept, Accepted, Core, Exchange, Protocol, media_type, method_not_allowed,
    unsupported_media_type,
};
use crate::compression::Encoding;
use crate::route::{Route, connect_methods};
use crate::{Code, Deadline, Status};

pub(crate) struct Connect;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const UNARY: &str = "application/json, application/proto";
const STREAMING: &str = "application/connect+json, application/connect+proto";

impl Protocol for Connect {
    fn accept(&self, head: &Parts, core: &Arc<Core>) -> Option<Accepted> {
        let route = core.routes.by_path(head.uri.path());
        if head.method == Method::GET {
            let route = route?;
            // A GET without a message is a REST client's, to be told what to do.
            return get::is_connect(head.uri.query()?).then(|| accept_get(head, core, route));
        }
        let media_type = media_type(head);
        if let Some(name) = media_type.strip_prefix("application/connect+") {
            return Some(accept_streaming(head, core, route, Codec::named(name)));
        }
        // JSON without the protocol's header is plain REST on the same path.
        let codec = match media_type.as_str() {
            "application/proto" => Some(Codec::Proto),
            "application/json" if head.headers.contains_key(VERSION) => Some(Codec::Json),
            _ if head.headers.contains_key(VERSION) => None,
            _ => return None,
        };
        let route = route?;
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
        return Accepted::Answer(super::bare(http::StatusCode::NOT_FOUND));
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

/// The encoding that a response may have.
fn accepted(headers: &HeaderMap, streaming: bool) -> Encoding {
    let name = if streaming {
        HeaderName::from_static("connect-accept-encoding")
    } else {
        header::ACCEPT_ENCODING
    };
    Encoding::accepted(headers, &name)
}
