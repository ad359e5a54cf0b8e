//! Wire protocols, seen from the client's side: how a request becomes a call,
//! and how a reply becomes a response.

mod base64url;
mod codec;
mod connect;
mod grpc;
mod grpc_web;
mod origin;
mod rest;
mod websocket;

pub use origin::TrustedOrigin;
pub use websocket::lift_websocket_headers;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode, header};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use crate::call::{Call, Reply};
use crate::gateway::Opening;
use crate::route::{Route, Routes};
use crate::{Body, Deadline, MultiSegment, Options, Status};
use portolan_transcode::Transcoder;

/// What every protocol works with.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) transcoder: Transcoder,
    pub(crate) routes: Routes,
    /// Which escapes stay in a path variable of several segments.
    pub(crate) multi_segment: MultiSegment,
    pub(crate) options: Options,
}

/// A future that is boxed, since protocols are picked at run time.
pub(crate) type Eventually<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A wire protocol.
pub(crate) trait Protocol: Send + Sync {
    /// Reads the request's head, of which the media type is known; `None` when
    /// this is somebody else's.
    fn accept(&self, head: &Parts, media_type: &str, core: &Arc<Core>) -> Option<Accepted>;
}

/// What a protocol makes of a request's head.
pub(crate) enum Accepted {
    /// A call to this RPC.
    Call(Accept),
    /// Not a call: this is the answer.
    Answer(Response<Body>),
    /// A call that is held on the connection behind this answer.
    Tunnel(Accept<Box<dyn Conversation>>, Response<Body>),
}

/// A call that a protocol takes on.
pub(crate) struct Accept<E = Box<dyn Exchange>> {
    /// The path of the RPC.
    pub(crate) path: Arc<str>,
    /// The RPC itself, when the contracts have it.
    pub(crate) route: Option<Arc<Route>>,
    /// The protocol's name, for logs and metrics.
    pub(crate) protocol: &'static str,
    pub(crate) deadline: Result<Deadline, Status>,
    pub(crate) exchange: E,
}

/// One call in one protocol: first the request, then the reply.
pub(crate) trait Exchange: Send {
    /// Makes the call of a request.
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>>;

    /// Makes the response of a reply, or of a call that failed before there was
    /// one.
    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>>;
}

/// One call on a connection that is HTTP no more.
pub(crate) trait Conversation: Send {
    /// Holds it, from the first word to the last.
    fn hold(self: Box<Self>, upgrade: OnUpgrade, opening: Opening) -> Eventually<'static, ()>;
}

/// The protocols, in the order they are asked. REST takes what is left.
const ALL: [&dyn Protocol; 5] = [
    &websocket::WebSocket,
    &grpc::Grpc,
    &grpc_web::GrpcWeb,
    &connect::Connect,
    &rest::Rest,
];

/// What one of the protocols makes of a request's head. REST takes whatever is
/// left.
pub(crate) fn accept(head: &Parts, core: &Arc<Core>) -> Option<Accepted> {
    let media_type = media_type(head);
    let mut protocols = ALL.iter();
    protocols.find_map(|protocol| protocol.accept(head, &media_type, core))
}

/// The media type of a request, without its parameters, in lower case.
fn media_type(head: &Parts) -> Cow<'_, str> {
    let value = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim();
    if essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
        essence.to_ascii_lowercase().into()
    } else {
        essence.into()
    }
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The head of a response, with the length that the body would have had
/// (RFC 9110 §9.3.2).
pub(crate) fn without_body(mut response: Response<Body>) -> Response<Body> {
    let body = std::mem::take(response.body_mut());
    // One that says that nothing changed leaves the length out, which would have
    // to be that of what has not changed (RFC 9110 §15.4.5).
    if response.status() != StatusCode::NOT_MODIFIED
        && let Some(length) = body.size_hint().exact()
    {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// The answer to a content type that the protocol does not speak; `accepts`
/// tells which it does (RFC 9110 §15.5.16).
fn unsupported_media_type(accepts: &'static str) -> Response<Body> {
    let mut response = bare(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    response
        .headers_mut()
        .insert("accept-post", http::HeaderValue::from_static(accepts));
    response
}

/// The answer to a method that a path does not take (RFC 9110 §15.5.6).
fn method_not_allowed(allowed: &[http::Method]) -> Response<Body> {
    let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
    let names: Vec<&str> = allowed.iter().map(http::Method::as_str).collect();
    if let Ok(value) = http::HeaderValue::try_from(names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}
