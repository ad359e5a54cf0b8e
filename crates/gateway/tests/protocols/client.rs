//! Clients of every protocol, written from the specifications and not from the
//! gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::BodyExt;
use portolan_gateway::{Body, Code, Gateway, Outcome};
use serde_json::Value;
use tower_service::Service;

use crate::contract::Item;
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
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// How the gateway says that the call ended.
    pub(crate) fn ended(&self) -> Option<Code> {
        self.outcome.as_ref().expect("a call has an outcome").status()
    }
}

/// Sends a request and reads all of the response.
pub(crate) async fn send(gateway: &Gateway<Upstream>, request: Request<Body>) -> Answer {
    let work = async {
        let Ok(response) = gateway.clone().call(request).await;
        let (head, body) = response.into_parts();
        let collected = body.collect().await.expect("a body of the gateway does not fail");
        Answer {
            status: head.status,
            headers: head.headers,
            trailers: collected.trailers().cloned().unwrap_or_default(),
            body: collected.to_bytes(),
            outcome: head.extensions.get::<Outcome>().cloned(),
        }
    };
    tokio::time::timeout(Duration::from_secs(600), work).await.expect("an answer comes")
}

/// A request with these headers.
pub(crate) fn request(method: &str, uri: &str, pairs: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
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
    request("POST", uri, &[("content-type", "application/json")], json.as_bytes().to_vec())
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

/// What a client understands of an answer.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) messages: Vec<Item>,
    pub(crate) code: i32,
    pub(crate) message: String,
    /// Leading and trailing metadata that begins with `x-` or ends in `-bin`.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) trailers: BTreeMap<String, String>,
}

impl Wire {
    pub(crate) fn is_json(self) -> bool {
        !matches!(self, Self::Grpc | Self::Web | Self::WebText | Self::ConnectProto)
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
        let framed = || payloads.iter().flat_map(|payload| frame(0, payload)).collect::<Vec<u8>>();
        match self {
            Self::WebText => STANDARD.encode(framed()).into_bytes(),
            _ if self.is_rest() && streams => {
                let lines = self == Self::RestLines;
                let inner = payloads.join(if lines { &b"\n"[..] } else { b"," });
                if lines { inner } else { [b"[", &inner[..], b"]"].concat() }
            }
            _ if !streams && (self.is_rest() || self.is_connect()) => payloads.concat(),
            _ => framed(),
        }
    }

    /// A request with any body, on the path of the RPC.
    pub(crate) fn raw(self, method: &str, streams: bool, more: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
        let mut pairs = vec![("content-type", self.content_type(streams))];
        match self {
            Self::ConnectJson | Self::ConnectProto => pairs.push(("connect-protocol-version", "1")),
            Self::RestLines => pairs.push(("accept", "application/x-ndjson")),
            Self::RestEvents => pairs.push(("accept", "text/event-stream")),
            Self::Grpc | Self::GrpcJson => pairs.push(("te", "trailers")),
            _ => {}
        }
        pairs.extend_from_slice(more);
        request("POST", &format!("/shelf.v1.ShelfService/{method}"), &pairs, body)
    }

    pub(crate) fn payload(self, item: &Item) -> Bytes {
        if self.is_json() { item.json().into() } else { item.wire() }
    }

    /// A request of messages.
    pub(crate) fn request(self, method: &str, items: &[Item], more: &[(&str, &str)]) -> Request<Body> {
        let payloads: Vec<Bytes> = items.iter().map(|item| self.payload(item)).collect();
        let body = self.pack(streams(method), &payloads);
        // Of a stream only the array and the frames know the RPC's own kind.
        let framed = if self.is_rest() { from_client(method) } else { streams(method) };
        let body = if self.is_rest() && !framed { payloads.concat() } else { body };
        self.raw(method, framed, more, body)
    }

    /// Calls an RPC and reads the answer as a client of this protocol does.
    pub(crate) async fn call(self, gateway: &Gateway<Upstream>, method: &str, items: &[Item], more: &[(&str, &str)]) -> Said {
        let answer = send(gateway, self.request(method, items, more)).await;
        self.read(method, &answer)
    }

    /// What an answer says.
    pub(crate) fn read(self, method: &str, answer: &Answer) -> Said {
        let said = match self {
            Self::Grpc | Self::GrpcJson => {
                let mut said = Said { messages: self.frames(&answer.body).0, ..Said::default() };
                assert_eq!(answer.status, 200);
                // Trailers-Only has them among the headers.
                let trailers = if answer.trailers.is_empty() { &answer.headers } else { &answer.trailers };
                said.end(trailers);
                if !answer.trailers.is_empty() {
                    said.metadata = kept(&answer.headers, "");
                }
                said
            }
            Self::Web | Self::WebText | Self::WebJson => {
                assert_eq!(answer.status, 200);
                let body = if self == Self::WebText { unbase64(&answer.body) } else { answer.body.clone() };
                let (messages, last) = self.frames(&body);
                let (flag, lines) = last.expect("a frame with the trailers");
                assert_eq!(flag, 0x80);
                let mut said = Said { messages, metadata: kept(&answer.headers, ""), ..Said::default() };
                let pairs: Vec<(&str, &str)> = std::str::from_utf8(&lines)
                    .unwrap()
                    .split_terminator("\r\n")
                    .map(|line| line.split_once(": ").unwrap())
                    .collect();
                said.end(&headers(&pairs));
                said
            }
            Self::ConnectProto | Self::ConnectJson if streams(method) => self.connect_stream(answer),
            Self::ConnectProto | Self::ConnectJson => self.connect_unary(answer),
            Self::RestArray | Self::RestLines | Self::RestEvents => self.rest(method, answer),
        };
        assert_eq!(answer.ended().map(|code| code as i32), Some(said.code), "{self:?}: {answer:?}");
        assert_eq!(answer.outcome.as_ref().unwrap().protocol(), self.protocol());
        assert!(!answer.headers.contains_key("content-length") || answer.header("content-length") == answer.body.len().to_string());
        said
    }

    fn item(self, payload: &[u8]) -> Item {
        if self.is_json() { Item::of_json(payload) } else { Item::of_wire(payload) }
    }

    /// The messages of frames, and the last frame if it is none.
    fn frames(self, mut body: &[u8]) -> (Vec<Item>, Option<(u8, Bytes)>) {
        let mut items = Vec::new();
        while !body.is_empty() {
            let flags = body.get_u8();
            let length = body.get_u32() as usize;
            let payload = body.copy_to_bytes(length);
            match flags {
                0 => items.push(self.item(&payload)),
                1 => items.push(self.item(&gunzip(&payload))),
                _ => {
                    assert!(body.is_empty(), "something behind the last frame");
                    return (items, Some((flags, payload)));
                }
            }
        }
        (items, None)
    }

    fn connect_unary(self, answer: &Answer) -> Said {
        let mut said = Said {
            metadata: kept(&answer.headers, ""),
            trailers: kept(&answer.headers, "trailer-"),
            ..Said::default()
        };
        let body = inflated(answer);
        if answer.status == 200 {
            assert_eq!(answer.header("content-type"), if self.is_json() { "application/json" } else { "application/proto" });
            said.messages.push(self.item(&body));
        } else {
            assert_eq!(answer.header("content-type"), "application/json");
            said.connect_error(&serde_json::from_slice(&body).unwrap());
        }
        said
    }

    fn connect_stream(self, answer: &Answer) -> Said {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), if self.is_json() { "application/connect+json" } else { "application/connect+proto" });
        let (messages, last) = self.frames(&answer.body);
        let (flags, end) = last.expect("an end of the stream");
        assert_eq!(flags, 2);
        let end: Value = serde_json::from_slice(&end).unwrap();
        let mut said = Said { messages, metadata: kept(&answer.headers, ""), ..Said::default() };
        for (name, values) in end["metadata"].as_object().into_iter().flatten() {
            said.trailers.insert(name.clone(), values[0].as_str().unwrap().to_owned());
        }
        if let Some(error) = end.get("error") {
            said.connect_error(error);
        }
        said
    }

    fn rest(self, method: &str, answer: &Answer) -> Said {
        let mut said = Said { metadata: kept(&answer.headers, ""), trailers: kept(&answer.trailers, ""), ..Said::default() };
        if said.trailers.is_empty() {
            said.trailers = kept(&answer.headers, "grpc-trailer-");
        }
        let body = inflated(answer);
        let json: Vec<Value> = if answer.status != 200 {
            vec![serde_json::json!({ "error": serde_json::from_slice::<Value>(&body).unwrap() })]
        } else if !from_server(method) {
            vec![serde_json::from_slice(&body).unwrap()]
        } else {
            match self {
                Self::RestLines => {
                    assert_eq!(answer.header("content-type"), "application/x-ndjson");
                    answer.text().split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
                }
                Self::RestEvents => {
                    assert_eq!(answer.header("content-type"), "text/event-stream");
                    events(answer.text()).into_iter().filter(|(event, _)| event != "end").map(|(_, json)| json).collect()
                }
                _ => {
                    assert_eq!(answer.header("content-type"), "application/json");
                    serde_json::from_slice(&body).unwrap()
                }
            }
        };
        for value in json {
            if let Some(error) = value.get("error") {
                said.code = i32::try_from(error["code"].as_i64().unwrap()).unwrap();
                said.message = error["message"].as_str().unwrap().to_owned();
            } else {
                said.messages.push(Item::of_json(value.to_string().as_bytes()));
            }
        }
        said
    }
}

impl Said {
    fn end(&mut self, trailers: &HeaderMap) {
        let text = |name: &str| trailers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        self.code = text("grpc-status").parse().expect("a status");
        self.message = percent_encoding::percent_decode_str(&text("grpc-message")).decode_utf8().unwrap().into_owned();
        self.trailers = kept(trailers, "");
    }

    fn connect_error(&mut self, error: &Value) {
        self.code = connect_code(error["code"].as_str().unwrap());
        self.message = error.get("message").map_or("", |text| text.as_str().unwrap()).to_owned();
    }
}

/// The metadata of the tests among headers, without a prefix.
fn kept(headers: &HeaderMap, prefix: &str) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().strip_prefix(prefix)?, value)))
        .filter(|(name, _)| {
            (name.starts_with("x-") || name.ends_with("-bin") && !name.starts_with("grpc-"))
                && !name.starts_with("trailer-")
        })
        .map(|(name, value)| (name.to_owned(), value.to_str().unwrap().trim_end_matches('=').to_owned()))
        .collect()
}

/// The events of an event stream: name and value.
pub(crate) fn events(text: &str) -> Vec<(String, Value)> {
    text.split_terminator("\n\n")
        .filter(|event| !event.starts_with(':'))
        .map(|event| {
            let mut name = "message".to_owned();
            let mut value = Value::Null;
            for line in event.lines() {
                match line.split_once(": ").unwrap() {
                    ("event", text) => text.clone_into(&mut name),
                    ("data", json) => value = serde_json::from_str(json).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            (name, value)
        })
        .collect()
}

fn unbase64(text: &[u8]) -> Bytes {
    // Every piece may be padded.
    let mut plain = Vec::new();
    for group in text.chunks(4) {
        plain.extend(STANDARD.decode(group).unwrap());
    }
    plain.into()
}

/// The body of an answer, decompressed.
pub(crate) fn inflated(answer: &Answer) -> Vec<u8> {
    match answer.header("content-encoding") {
        "" => answer.body.to_vec(),
        "gzip" => gunzip(&answer.body),
        other => panic!("nobody asked for {other}"),
    }
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
    plain
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

/// The names of Connect's codes (Connect, "Error Codes").
pub(crate) const CONNECT_CODES: [(i32, &str, u16); 16] = [
    (1, "canceled", 499),
    (2, "unknown", 500),
    (3, "invalid_argument", 400),
    (4, "deadline_exceeded", 504),
    (5, "not_found", 404),
    (6, "already_exists", 409),
    (7, "permission_denied", 403),
    (8, "resource_exhausted", 429),
    (9, "failed_precondition", 400),
    (10, "aborted", 409),
    (11, "out_of_range", 400),
    (12, "unimplemented", 501),
    (13, "internal", 500),
    (14, "unavailable", 503),
    (15, "data_loss", 500),
    (16, "unauthenticated", 401),
];

fn connect_code(name: &str) -> i32 {
    CONNECT_CODES.iter().find(|(_, other, _)| *other == name).unwrap_or_else(|| panic!("{name}")).0
}
