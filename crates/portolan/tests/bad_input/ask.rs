//! One bad call in every protocol, which has to be refused by all of them alike.

use prost::Message;
use serde_json::json;

use crate::support::Server;
use crate::support::wire::{Answer, Ending, Http2, frame, http1};

pub(crate) const SERVICE: &str = "/somafractalmemory.v1.MemoryService";
pub(crate) const JSON: &str = "content-type: application/json";

/// A status as REST, Connect and gRPC write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    pub(crate) number: i32,
    pub(crate) connect: &'static str,
    pub(crate) http: u16,
}

pub(crate) const INVALID_ARGUMENT: Code = Code {
    number: 3,
    connect: "invalid_argument",
    http: 400,
};
pub(crate) const NOT_FOUND: Code = Code {
    number: 5,
    connect: "not_found",
    http: 404,
};

/// A call as each protocol takes it.
pub(crate) struct Bad<'a> {
    pub(crate) method: &'static str,
    /// The REST route, as `POST /path`.
    pub(crate) route: &'a str,
    pub(crate) json: String,
    pub(crate) wire: Vec<u8>,
    /// Metadata, as `name: value`.
    pub(crate) headers: Vec<&'static str>,
}

impl<'a> Bad<'a> {
    pub(crate) fn new(
        method: &'static str,
        route: &'a str,
        json: &str,
        message: &impl Message,
    ) -> Self {
        Self {
            method,
            route,
            json: json.to_owned(),
            wire: message.encode_to_vec(),
            headers: Vec::new(),
        }
    }

    /// Asserts that gRPC, gRPC-Web, Connect and REST refuse it with this status
    /// and this sentence.
    pub(crate) async fn is_refused(&self, server: &Server, code: Code, message: &str) {
        let expected = Ending {
            code: code.number,
            message: message.to_owned(),
        };
        let path = format!("{SERVICE}/{}", self.method);
        let pairs: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|header| header.split_once(": ").unwrap())
            .collect();
        let mut http2 = Http2::connect(server.address()).await;
        let framed = frame(0, &self.wire);
        assert_eq!(http2.call(&path, &pairs, &framed).await, expected, "gRPC");

        let mut headers = self.headers.clone();
        headers.push("content-type: application/grpc-web+proto");
        let answer = http1(server.address(), &format!("POST {path}"), &headers, &framed);
        assert_eq!(web_ending(&answer), expected, "gRPC-Web");

        let mut headers = self.headers.clone();
        headers.extend([JSON, "connect-protocol-version: 1"]);
        let answer = http1(
            server.address(),
            &format!("POST {path}"),
            &headers,
            self.json.as_bytes(),
        );
        let error = json!({"code": code.connect, "message": message});
        assert_eq!(answer.json(), error, "Connect");

        let mut headers = self.headers.clone();
        headers.push(JSON);
        let answer = http1(server.address(), self.route, &headers, self.json.as_bytes());
        is_rest_error(&answer, code, message);
    }
}

/// The end of a gRPC-Web call: in the headers, or in the last frame.
pub(crate) fn web_ending(answer: &Answer) -> Ending {
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.head.replace(": ", ":") + "\n" + &answer.text();
    let lines = lines.replace("\u{fffd}", "\n");
    let start = lines
        .find("grpc-status")
        .unwrap_or_else(|| panic!("{answer:?}"));
    Ending::of_lines(&lines[start..]).unwrap_or_else(|| panic!("{answer:?}"))
}

/// Asserts that REST says this.
pub(crate) fn is_rest_error(answer: &Answer, code: Code, message: &str) {
    assert_eq!(
        (answer.status, answer.json()),
        (
            code.http,
            json!({"code": code.number, "message": message, "details": []})
        ),
        "REST"
    );
}
