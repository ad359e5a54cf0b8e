//! WebSockets on the paths of REST, for all four kinds of RPC
//! (RFC 6455; over HTTP/2, RFC 8441).
//!
//! A frame is a message: text is JSON, as the body of the same route would be,
//! and binary is protobuf. What path and query say goes into every message. An
//! empty text frame says that the client has no more messages. The answers come
//! as text unless the client offers the subprotocol `portolan.proto`. A call
//! that went well ends with close code 1000; one that failed with a text frame
//! `{"error":…}`, a `google.rpc.Status`, and then the close code 4000 plus the
//! number of its status.

mod answer;
mod close;
mod handshake;
mod listen;
mod pulse;
mod subprotocol;
mod talk;

use std::ops::Range;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use portolan_schema::Streaming;

use super::rest::request::{Bound, TooLarge};
use super::rest::{error, style};
use super::{Accept, Accepted, Core, Protocol};
use crate::route::{Binding, Matched};
use crate::{Code, Deadline, Status, metadata};

pub use subprotocol::lift_websocket_headers;

pub(crate) struct WebSocket;

impl Protocol for WebSocket {
    fn accept(&self, head: &Parts, _media_type: &str, core: &Arc<Core>) -> Option<Accepted> {
        if !handshake::is_asked_for(head) {
            return None;
        }
        // Where nothing is, REST says so.
        let (binding, segments) = find(core, head.uri.path())?;
        let kind = binding.kind;
        let accepted = accept(head, core, binding, segments);
        Some(accepted.unwrap_or_else(|(http_status, status)| {
            let mut response = error::response(core, style(core, kind), &status);
            *response.status_mut() = http_status;
            if http_status == StatusCode::UPGRADE_REQUIRED {
                handshake::put_version(response.headers_mut());
            }
            Accepted::Answer(response)
        }))
    }
}

fn accept(
    head: &Parts,
    core: &Arc<Core>,
    binding: &Arc<Binding>,
    segments: Range<usize>,
) -> Result<Accepted, (StatusCode, Status)> {
    let bad = |status: Status| (status.code().http_status(), status);
    if let Some(origin) = super::origin::refused(head) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let message = format!("pages of {origin} may not open WebSockets here");
        return Err(bad(Status::new(Code::PermissionDenied, message)));
    }
    if head.extensions.get::<OnUpgrade>().is_none() {
        let message = "this server cannot turn the connection into a WebSocket";
        return Err(bad(Status::new(Code::Unimplemented, message)));
    }
    let mut headers: HeaderMap = head.headers.clone();
    lift_websocket_headers(&mut headers);
    let (subprotocol, format) = subprotocol::chosen(&headers);
    let response = handshake::answer(head, subprotocol)?;
    let deadline = Deadline::from_rest(&headers).map_err(bad)?;
    // The URL may say anything: a page has no other place for what goes into
    // every message.
    let bound = Bound::new(
        Arc::clone(core),
        binding,
        segments,
        head,
        false,
        TooLarge::default(),
    );
    let accept = Accept {
        path: Arc::clone(&binding.route.path),
        route: Some(Arc::clone(&binding.route)),
        protocol: "websocket",
        deadline: Ok(deadline),
        exchange: talk::Talk::boxed(
            Arc::clone(core),
            Arc::clone(binding),
            bound.map_err(bad)?,
            format,
            metadata::from_headers(headers),
        ),
    };
    Ok(Accepted::Tunnel(accept, response))
}

/// The route of a path, whatever HTTP method it takes: a handshake has none of
/// its own. Where methods lead to several RPCs, a WebSocket is for the one that
/// streams most, and among equals for the one that GET reads.
fn find<'a>(core: &'a Core, path: &str) -> Option<(&'a Arc<Binding>, Range<usize>)> {
    let mut best: Option<(&Arc<Binding>, Range<usize>)> = None;
    let mut methods = vec![
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let mut at = 0;
    while let Some(method) = methods.get(at) {
        match core.routes.find(method, path) {
            Matched::Binding(binding, segments) => {
                let better = best.as_ref().is_none_or(|(other, _)| {
                    streams(binding.route.streaming) > streams(other.route.streaming)
                });
                if better {
                    best = Some((binding, segments));
                }
            }
            // Rules may have methods of their own.
            Matched::WrongMethod(allowed, _) => {
                for other in allowed {
                    if !methods.contains(&other) {
                        methods.push(other);
                    }
                }
            }
            Matched::Nothing => {}
        }
        at += 1;
    }
    best
}

fn streams(streaming: Streaming) -> u8 {
    2 * u8::from(streaming.from_client()) + u8::from(streaming.from_server())
}
