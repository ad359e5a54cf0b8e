//! What gateways are asked: the routes of the contract, each with one request
//! and the one answer that the service gives.

use std::sync::Arc;

use anyhow::{Context, Result};
use benchmark_samples::{PACKAGE, Sample};
use portolan_schema::Schema;
use portolan_transcode::{ReadOptions, Transcoder};

/// The service's full name.
pub(crate) const SERVICE: &str = "portolan.benchmark.v1.Harbour";

/// The descriptor set, encoded.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/harbour.binpb"));

/// The method that answers once and then waits.
pub(crate) const WATCH: &str = "Watch";

/// Its path by the contract's HTTP rules.
pub(crate) const WATCH_PATH: &str = "/v1/watches";

/// Answers of 30 bytes.
const HELLO: &str = r#"{"message":"Hello Magellanos"}"#;
const STORED: &str = r#"{"message":"mem_0001 stored."}"#;

/// One route: method, path, type and name of the message in, and out.
type Line = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
);

const LINES: [Line; 5] = [
    (
        "SayHello",
        "/v1/greetings",
        ("Greeting", "greeter"),
        ("Answer", HELLO),
    ),
    (
        "CreateUser",
        "/v1/users",
        ("User", "user"),
        ("User", "user"),
    ),
    (
        "StoreMemory",
        "/v1/memories",
        ("Embedding", "vector"),
        ("Answer", STORED),
    ),
    (
        "ListUsers",
        "/v1/users:list",
        ("Greeting", "greeter"),
        ("UserList", "users100"),
    ),
    (
        "Search",
        "/v1/pages:search",
        ("Greeting", "greeter"),
        ("SearchPage", "search64k"),
    ),
];

/// One kind of call.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// The path of its HTTP rule, to which requests are posted.
    pub(crate) path: &'static str,
    pub(crate) request: Message,
    pub(crate) reply: Message,
}

/// A message in both forms.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) json: Vec<u8>,
    pub(crate) wire: Vec<u8>,
}

impl Route {
    /// All of them, in the order of the tables.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let transcoder = Transcoder::new(schema()?);
        let routes = LINES.iter().map(|(method, path, request, reply)| {
            Ok(Self {
                method,
                path,
                request: message(&transcoder, request)?,
                reply: message(&transcoder, reply)?,
            })
        });
        routes.collect()
    }

    /// The path of the RPC.
    pub(crate) fn rpc(&self) -> String {
        rpc(self.method)
    }
}

/// The path of a method as gRPC has it.
pub(crate) fn rpc(method: &str) -> String {
    format!("/{SERVICE}/{method}")
}

/// The contract.
pub(crate) fn schema() -> Result<Arc<Schema>> {
    Ok(Arc::new(Schema::from_descriptor_sets([DESCRIPTORS])?))
}

/// A message as a gRPC frame (gRPC over HTTP/2, "Length-Prefixed-Message").
pub(crate) fn frame(wire: &[u8]) -> Vec<u8> {
    let length = u32::try_from(wire.len()).expect("messages here are small");
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(wire);
    frame
}

/// The message of this type: a sample by its name, or JSON as it stands. That
/// its wire bytes are right shows when the peers turn them into JSON.
fn message(transcoder: &Transcoder, (name, text): &(&str, &str)) -> Result<Message> {
    let json = Sample::named(text).map_or_else(|| text.as_bytes().to_vec(), |sample| sample.json);
    let id = transcoder
        .schema()
        .message_by_name(&format!("{PACKAGE}.{name}"))
        .with_context(|| format!("the contract has no {name}"))?;
    let mut wire = Vec::new();
    transcoder.json_to_wire(id, &json, &mut wire, &ReadOptions::default())?;
    Ok(Message { json, wire })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_sizes_that_the_goals_were_set_for() {
        let sizes = [
            ("SayHello", 21, 30),
            ("CreateUser", 499, 499),
            ("StoreMemory", 21_621, 30),
            ("ListUsers", 21, 50_516),
            ("Search", 21, 65_764),
        ];
        let routes = Route::all().unwrap();
        for (route, (method, request, reply)) in routes.iter().zip(sizes) {
            assert_eq!(route.method, method);
            for (found, about) in [(&route.request, request), (&route.reply, reply)] {
                let away = found.json.len().abs_diff(about) as f64 / f64::from(about as u32);
                assert!(away < 0.05, "{method}: {} B, not {about}", found.json.len());
            }
        }
    }

    #[test]
    fn a_frame_has_a_head_of_five_bytes() {
        assert_eq!(frame(b"abc"), b"\0\0\0\0\x03abc");
    }
}
