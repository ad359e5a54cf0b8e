//! What a call costs that is open and silent, which a server may have a great
//! many of: its connection and its call together, as the system counts memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use portolan_gateway::{Body, GatewayLayer};
use portolan_schema::Schema;
use portolan_server::{Health, Server};
use support::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{Layer, service_fn};

const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// How many are measured, and how many come before: what is allocated once, for
/// whoever comes first, does not count.
const CALLS: usize = 400;
const FIRST: usize = 100;
/// The most that one may take, in bytes: under 20 kB, and the rest for systems that
/// count in larger pages.
const MOST: usize = 26_000;

/// A service that says one thing, and then nothing.
fn start() -> Running {
    let schema = Schema::from_descriptor_sets([Health::FILE_DESCRIPTOR_SET]).unwrap();
    let service = service_fn(async |_: Request<Body>| {
        let message = Frame::data(Bytes::from_static(b"\0\0\0\0\x02\x08\x01"));
        let then = stream::iter([Ok::<_, Infallible>(message)]).chain(stream::pending());
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Ok::<_, Infallible>(response.body(StreamBody::new(then)).unwrap())
    });
    Running::start(Server::new(
        GatewayLayer::new(Arc::new(schema)).layer(service),
    ))
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.unwrap().split_whitespace().nth(1).unwrap();
    figure.parse::<usize>().unwrap() * 1024
}

/// Opens a call on a connection of its own, and reads its message.
async fn open(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(7).any(|bytes| bytes == b"SERVING") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{seen:?}");
    }
    stream
}

/// Bytes per call that begins with this. They stay open: the memory of one kind
/// is not to serve the next.
async fn cost(address: SocketAddr, request: &[u8], calls: &mut Vec<TcpStream>) -> usize {
    for _ in 0..FIRST {
        calls.push(open(address, request).await);
    }
    let before = resident();
    for _ in 0..CALLS {
        calls.push(open(address, request).await);
    }
    (resident() - before) / CALLS
}

// One test, since others would run beside it.
#[tokio::test]
async fn a_silent_call_with_a_connection_of_its_own_is_cheap() {
    let events = format!(
        "POST {WATCH} HTTP/1.1\r\nhost: a\r\nx-request-id: named\r\naccept: text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let mut websocket = format!(
        "GET {WATCH} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    // A text frame of two bytes, under a mask that changes nothing.
    websocket.extend(b"\x81\x82\0\0\0\0{}");
    let server = start();
    let mut calls = Vec::with_capacity(2 * (FIRST + CALLS));
    for (name, request) in [("events", events.as_bytes()), ("WebSocket", &websocket)] {
        let cost = cost(server.address, request, &mut calls).await;
        println!("{name}: {cost}");
        assert!(cost < MOST, "{name}: {cost} bytes each");
    }
}
