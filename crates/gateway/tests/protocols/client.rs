//! Clients of every protocol, written from the specifications and not from the
//! gateway.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt;
use portolan_gateway::{Body, Code, Gateway, Outcome};
use serde_json::Value;
use tower_service::Service;

use crate::contract::Item;
use crate::said::Said;
use crate::upstream::{Upstream, frame, headers};

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    pub(crate) outcome: Option<Outcome>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// How the gateway says that the call ended.
    pub(crate) fn ended(&self) -> Option<Code> {
        self.outcome
            .as_ref()
            .expect("a call has an outcome")
            .status()
    }
}

/// Sends a request and reads all of the response.
pub(crate) async fn send(gateway: &Gateway<Upstream>, request: Request<Body>) -> Answer {
    let work = async {
        let Ok(response) = gateway.clone().call(request).await;
        let (head, body) = response.into_parts();
        let collected = body
            .collect()
            .await
            .expect("a body of the gateway does not fail");
        Answer {
            status: head.status,
            headers: head.headers,
            trailers: collected.trailers().cloned().unwrap_or_default(),
            body: collected.to_bytes(),
            outcome: head.extensions.get::<Outcome>().cloned(),
        }
    };
    tokio::time::timeout(Duration::from_secs(600), work)
        .await
        .expect("an answer comes")
}

/// A request with these headers.
pub(crate) fn request(
    method: &str,
    uri: &str,
    pairs: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::new(body.into());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers(pairs);
    request
}

pub(crate) fn get(uri: &str) -> Request<Body> {
    request("GET", uri, &[], Body::empty())
}

pub(crate) fn post_json(uri: &str, json: &str) -> Request<Body> {
    request(
        "POST",
        uri,
        &[("content-type", "application/json")],
        json.as_bytes().to_vec(),
    )
}

/// The ways to speak to the gateway, on the path of the RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Grpc,
    GrpcJson,
    Web,
    WebText,
    WebJson,
    /// Unary or streaming, as the RPC is.
    ConnectProto,
    ConnectJson,
    RestArray,
    RestLines,
    RestEvents,
}

pub(crate) const ALL: [Wire; 10] = [
    Wire::Grpc,
    Wire::GrpcJson,
    Wire::Web,
    Wire::WebText,
    Wire::WebJson,
    Wire::ConnectProto,
    Wire::ConnectJson,
    Wire::RestArray,
    Wire::RestLines,
    Wire::RestEvents,
];

impl Wire {
    pub(crate) fn is_json(self) -> bool {
        !matches!(
            self,
            Self::Grpc | Self::Web | Self::WebText | Self::ConnectProto
        )
    }

    pub(crate) fn is_rest(self) -> bool {
        matches!(self, Self::RestArray | Self::RestLines | Self::RestEvents)
    }

    pub(crate) fn is_connect(self) -> bool {
        matches!(self, Self::ConnectProto | Self::ConnectJson)
    }

    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Grpc | Self::GrpcJson => "grpc",
            Self::Web | Self::WebText | Self::WebJson => "grpc-web",
            Self::ConnectProto | Self::ConnectJson => "connect",
            Self::RestArray | Self::RestLines | Self::RestEvents => "rest",
        }
    }

    /// The header that sets a deadline of so many milliseconds.
    pub(crate) fn timeout(self, millis: u64) -> (&'static str, String) {
        match self.protocol() {
            "connect" => ("connect-timeout-ms", millis.to_string()),
            "rest" => ("x-request-timeout", format!("{millis}ms")),
            _ => ("grpc-timeout", format!("{millis}m")),
        }
    }

    fn content_type(self, streams: bool) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::GrpcJson => "application/grpc+json",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text",
            Self::WebJson => "application/grpc-web+json",
            Self::ConnectProto if streams => "application/connect+proto",
            Self::ConnectProto => "application/proto",
            Self::ConnectJson if streams => "application/connect+json",
            Self::RestLines if streams => "application/x-ndjson",
            _ => "application/json",
        }
    }

    /// The pieces of a request body for raw payloads.
    pub(crate) fn pack(self, streams: bool, payloads: &[Bytes]) -> Vec<u8> {
        let framed = || {
            payloads
                .iter()
                .flat_map(|payload| frame(0, payload))
                .collect::<Vec<u8>>()
        };
        match self {
            Self::WebText => STANDARD.encode(framed()).into_bytes(),
            _ if self.is_rest() && streams => {
                let lines = self == Self::RestLines;
                let inner = payloads.join(if lines { &b"\n"[..] } else { b"," });
                if lines {
                    inner
                } else {
                    [b"[", &inner[..], b"]"].concat()
                }
            }
            _ if !streams && (self.is_rest() || self.is_connect()) => payloads.concat(),
            _ => framed(),
        }
    }

    /// A request with any body, on the path of the RPC.
    pub(crate) fn raw(
        self,
        method: &str,
        streams: bool,
        more: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Request<Body> {
        let mut pairs = vec![("content-type", self.content_type(streams))];
        match self {
            Self::ConnectJson | Self::ConnectProto => pairs.push(("connect-protocol-version", "1")),
            Self::RestLines => pairs.push(("accept", "application/x-ndjson")),
            Self::RestEvents => pairs.push(("accept", "text/event-stream")),
            Self::Grpc | Self::GrpcJson => pairs.push(("te", "trailers")),
            _ => {}
        }
        pairs.extend_from_slice(more);
        request(
            "POST",
            &format!("/shelf.v1.ShelfService/{method}"),
            &pairs,
            body,
        )
    }

    pub(crate) fn payload(self, item: &Item) -> Bytes {
        if self.is_json() {
            item.json().into()
        } else {
            item.wire()
        }
    }

    /// A request of messages.
    pub(crate) fn request(
        self,
        method: &str,
        items: &[Item],
        more: &[(&str, &str)],
    ) -> Request<Body> {
        let payloads: Vec<Bytes> = items.iter().map(|item| self.payload(item)).collect();
        let body = self.pack(streams(method), &payloads);
        // Of a stream only the array and the frames know the RPC's own kind.
        let framed = if self.is_rest() {
            from_client(method)
        } else {
            streams(method)
        };
        let body = if self.is_rest() && !framed {
            payloads.concat()
        } else {
            body
        };
        self.raw(method, framed, more, body)
    }

    /// Calls an RPC and reads the answer as a client of this protocol does.
    pub(crate) async fn call(
        self,
        gateway: &Gateway<Upstream>,
        method: &str,
        items: &[Item],
        more: &[(&str, &str)],
    ) -> Said {
        let answer = send(gateway, self.request(method, items, more)).await;
        self.read(method, &answer)
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut encoder = flate2::bufread::GzEncoder::new(bytes, flate2::Compression::best());
    std::io::Read::read_to_end(&mut encoder, &mut compressed).unwrap();
    compressed
}

pub(crate) fn from_client(method: &str) -> bool {
    matches!(method, "Collect" | "Chat" | "PutAll")
}

pub(crate) fn from_server(method: &str) -> bool {
    matches!(method, "List" | "Chat" | "DownloadAll")
}

pub(crate) fn streams(method: &str) -> bool {
    from_client(method) || from_server(method)
}
