//! The span of a request: begun before anything else sees it, and named by what
//! it turned out to be (OpenTelemetry, semantic conventions for RPC and HTTP).

use std::net::SocketAddr;

use http::{Method, Request, Version};
use portolan_telemetry::{Attributes, Kind, Running, Span, SpanStatus, Telemetry, TraceId};

use super::observe::{Ending, PLAIN, Seen};
use crate::Peer;

/// The protocol in which a call says nothing of HTTP.
const GRPC: &str = "grpc";

/// The span of a request that runs.
pub(crate) struct ServerSpan {
    telemetry: Telemetry,
    running: Running,
    version: Version,
    secure: bool,
}

impl ServerSpan {
    /// Begins it within that of the caller, if the request names one; the service
    /// hears of it in the caller's place.
    pub(crate) fn begin<B>(
        telemetry: &Telemetry,
        request: &mut Request<B>,
        secure: bool,
    ) -> Box<Self> {
        let running = telemetry.receive(request.headers_mut()).request(request);
        request.extensions_mut().insert(running.context().clone());
        Box::new(Self {
            telemetry: telemetry.clone(),
            running,
            version: request.version(),
            secure,
        })
    }

    pub(crate) fn trace_id(&self) -> TraceId {
        self.running.context().trace_id()
    }

    /// Records it. `method` is one of the contracts'; absent for what is no call,
    /// and for one that nobody knows.
    pub(crate) fn end(self, seen: &Seen<'_>, method: Option<&str>, ending: Ending) {
        let Self {
            telemetry,
            running,
            version,
            secure,
        } = self;
        let status = match ending {
            Ending::Rpc(code) => SpanStatus::of_server(code),
            Ending::Http(status) if status.is_server_error() => SpanStatus::Error,
            Ending::Http(_) => SpanStatus::Unset,
        };
        let name = || name(seen, method).to_owned();
        telemetry.record(running, Kind::Server, name, status, |span| {
            describe(span, seen, ending);
            span.attributes
                .push(("network.protocol.version", number(version).into()));
            if seen.protocol != GRPC {
                let scheme = if secure { "https" } else { "http" };
                span.attributes.push(("url.scheme", scheme.into()));
            }
        });
    }
}

/// What clients cannot make up, so that spans can be counted by it.
fn name<'a>(seen: &Seen<'a>, method: Option<&'a str>) -> &'a str {
    match method {
        Some(method) => method.trim_start_matches('/'),
        None if seen.protocol == PLAIN => known(seen.http_method),
        None => seen.protocol,
    }
}

/// A method of HTTP that is one (semantic conventions for HTTP spans, "Name").
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::CONNECT
        | Method::OPTIONS
        | Method::TRACE
        | Method::PATCH => method.as_str(),
        _ => "HTTP",
    }
}

fn describe(span: &mut Span, seen: &Seen<'_>, ending: Ending) {
    if let Ending::Rpc(code) = ending
        && seen.protocol != PLAIN
    {
        span.put_rpc(seen.name, code);
    }
    let attributes = &mut span.attributes;
    if let Ending::Http(status) = ending
        && status.is_server_error()
    {
        attributes.push(("error.type", status.as_str().to_owned().into()));
    }
    if seen.protocol != GRPC {
        attributes.push((
            "http.request.method",
            match known(seen.http_method) {
                "HTTP" => "_OTHER".to_owned(),
                known => known.to_owned(),
            }
            .into(),
        ));
        if let Some(status) = seen.http_status {
            attributes.push(("http.response.status_code", status.as_u16().into()));
        }
    }
    attributes.extend([
        ("portolan.protocol", seen.protocol.into()),
        ("http.request.body.size", seen.request_bytes.into()),
        ("http.response.body.size", seen.bytes.into()),
    ]);
    if let Ok(id) = seen.request_id.to_str() {
        attributes.push(("portolan.request_id", id.to_owned().into()));
    }
    let peer = seen.peer.and_then(Peer::address);
    if let Some(peer) = peer {
        put_peer(peer, attributes);
    }
    let client = seen.client.map(|client| client.0);
    if let Some(client) = client.or(peer.map(|peer| peer.ip())) {
        attributes.push(("client.address", client.to_string().into()));
    }
}

fn put_peer(peer: SocketAddr, attributes: &mut Attributes) {
    attributes.push(("network.peer.address", peer.ip().to_string().into()));
    attributes.push(("network.peer.port", peer.port().into()));
}

/// As the registry of ALPN has it.
fn number(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
