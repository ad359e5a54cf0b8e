//! What a client understands of an answer, protocol by protocol.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use portolan_rpc::compression::Encoding;
use serde_json::Value;

use crate::client::{Answer, Wire, from_server, streams};
use crate::contract::Item;
use crate::upstream::headers;

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
    /// What an answer says.
    pub(crate) fn read(self, method: &str, answer: &Answer) -> Said {
        let said = match self {
            Self::Grpc | Self::GrpcJson => {
                let mut said = Said {
                    messages: self
                        .frames(&answer.body, encoding(answer, "grpc-encoding"))
                        .0,
                    ..Said::default()
                };
                assert_eq!(answer.status, 200);
                // Trailers-Only has them among the headers.
                let trailers = if answer.trailers.is_empty() {
                    &answer.headers
                } else {
                    &answer.trailers
                };
                said.end(trailers);
                if !answer.trailers.is_empty() {
                    said.metadata = kept(&answer.headers, "");
                }
                said
            }
            Self::Web | Self::WebText | Self::WebJson => {
                assert_eq!(answer.status, 200);
                let body = if self == Self::WebText {
                    unbase64(&answer.body)
                } else {
                    answer.body.clone()
                };
                let (messages, last) = self.frames(&body, encoding(answer, "grpc-encoding"));
                let (flag, lines) = last.expect("a frame with the trailers");
                assert_eq!(flag, 0x80);
                let mut said = Said {
                    messages,
                    metadata: kept(&answer.headers, ""),
                    ..Said::default()
                };
                let pairs: Vec<(&str, &str)> = std::str::from_utf8(&lines)
                    .unwrap()
                    .split_terminator("\r\n")
                    .map(|line| line.split_once(": ").unwrap())
                    .collect();
                said.end(&headers(&pairs));
                said
            }
            Self::ConnectProto | Self::ConnectJson if streams(method) => {
                self.connect_stream(answer)
            }
            Self::ConnectProto | Self::ConnectJson => self.connect_unary(answer),
            Self::RestArray | Self::RestLines | Self::RestEvents => self.rest(method, answer),
        };
        assert_eq!(
            answer.ended().map(|code| code as i32),
            Some(said.code),
            "{self:?}: {answer:?}"
        );
        assert_eq!(answer.outcome.as_ref().unwrap().protocol(), self.protocol());
        assert!(
            !answer.headers.contains_key("content-length")
                || answer.header("content-length") == answer.body.len().to_string()
        );
        said
    }

    fn item(self, payload: &[u8]) -> Item {
        if self.is_json() {
            Item::of_json(payload)
        } else {
            Item::of_wire(payload)
        }
    }

    /// The messages of frames, and the last frame if it is none.
    fn frames(self, mut body: &[u8], encoding: Encoding) -> (Vec<Item>, Option<(u8, Bytes)>) {
        let mut items = Vec::new();
        while !body.is_empty() {
            let flags = body.get_u8();
            let length = body.get_u32() as usize;
            let payload = body.copy_to_bytes(length);
            match flags {
                0 => items.push(self.item(&payload)),
                1 => {
                    assert_ne!(encoding, Encoding::Identity);
                    items.push(self.item(&encoding.decompress(payload, 1 << 30).unwrap()));
                }
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
            assert_eq!(
                answer.header("content-type"),
                if self.is_json() {
                    "application/json"
                } else {
                    "application/proto"
                }
            );
            said.messages.push(self.item(&body));
        } else {
            assert_eq!(answer.header("content-type"), "application/json");
            said.connect_error(&serde_json::from_slice(&body).unwrap());
        }
        said
    }

    fn connect_stream(self, answer: &Answer) -> Said {
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            if self.is_json() {
                "application/connect+json"
            } else {
                "application/connect+proto"
            }
        );
        let encoding = encoding(answer, "connect-content-encoding");
        let (messages, last) = self.frames(&answer.body, encoding);
        let (flags, end) = last.expect("an end of the stream");
        assert_eq!(flags, 2);
        let end: Value = serde_json::from_slice(&end).unwrap();
        let mut said = Said {
            messages,
            metadata: kept(&answer.headers, ""),
            ..Said::default()
        };
        for (name, values) in end["metadata"].as_object().into_iter().flatten() {
            said.trailers
                .insert(name.clone(), values[0].as_str().unwrap().to_owned());
        }
        if let Some(error) = end.get("error") {
            said.connect_error(error);
        }
        said
    }

    fn rest(self, method: &str, answer: &Answer) -> Said {
        let mut said = Said {
            metadata: kept(&answer.headers, ""),
            trailers: kept(&answer.trailers, ""),
            ..Said::default()
        };
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
                    answer
                        .text()
                        .split_terminator('\n')
                        .map(|line| serde_json::from_str(line).unwrap())
                        .collect()
                }
                Self::RestEvents => {
                    assert_eq!(answer.header("content-type"), "text/event-stream");
                    events(answer.text())
                        .into_iter()
                        .filter(|(event, _)| event != "end")
                        .map(|(_, json)| json)
                        .collect()
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
                said.messages
                    .push(Item::of_json(value.to_string().as_bytes()));
            }
        }
        said
    }
}
impl Said {
    fn end(&mut self, trailers: &HeaderMap) {
        let text = |name: &str| {
            trailers
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        self.code = text("grpc-status").parse().expect("a status");
        self.message = percent_encoding::percent_decode_str(&text("grpc-message"))
            .decode_utf8()
            .unwrap()
            .into_owned();
        self.trailers = kept(trailers, "");
    }

    fn connect_error(&mut self, error: &Value) {
        self.code = connect_code(error["code"].as_str().unwrap());
        self.message = error
            .get("message")
            .map_or("", |text| text.as_str().unwrap())
            .to_owned();
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
        .map(|(name, value)| {
            (
                name.to_owned(),
                value.to_str().unwrap().trim_end_matches('=').to_owned(),
            )
        })
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
                    ("id", number) => assert!(number.parse::<u64>().is_ok(), "{number}"),
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
    let encoding = encoding(answer, "content-encoding");
    let body = Bytes::copy_from_slice(&answer.body);
    encoding.decompress(body, 1 << 30).unwrap().into()
}

/// The encoding that an answer says it has.
fn encoding(answer: &Answer, name: &str) -> Encoding {
    let name = http::HeaderName::try_from(name).unwrap();
    Encoding::named(&answer.headers, &name).unwrap()
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
    CONNECT_CODES
        .iter()
        .find(|(_, other, _)| *other == name)
        .unwrap_or_else(|| panic!("{name}"))
        .0
}
