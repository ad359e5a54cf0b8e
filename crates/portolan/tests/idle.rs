//! What streams cost that are open and silent: a thousand of each kind on the
//! real binary, and how much larger the process is for them.
//!
//! `cargo test --test idle -- --nocapture` prints the figures; with `--release`
//! they are those of the binary that people run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use bytes::Bytes;
use http::{Method, Request};
use support::wire::{Http2, connect, frame, until};
use support::{Folder, Server};

const STREAMS: u64 = 1000;
/// The most that a stream among others on a connection may cost, in bytes.
const MOST: u64 = 20 * 1024;
/// The most with a connection of its own, which has buffers to read into and to
/// write from.
const MOST_ALONE: u64 = 48 * 1024;
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Lets this process, and the servers that it starts, have enough connections.
fn enough_files() {
    let id = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &id, "--nofile=4096:"])
        .status();
    // Where there is no prlimit, the limit may be high enough already.
    drop(raised);
}

/// A connection with this said on it, when the first message has come.
fn open(address: SocketAddr, said: &[u8]) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(said).unwrap();
    let mut heard = Vec::new();
    let mut piece = [0; 1024];
    while !heard.windows(7).any(|part| part == b"SERVING") {
        let size = stream.read(&mut piece).unwrap();
        assert!(size > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..size]);
    }
    stream
}

fn events(address: SocketAddr) -> TcpStream {
    let head = format!(
        "POST {WATCH} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    open(address, head.as_bytes())
}

fn websocket(address: SocketAddr) -> TcpStream {
    let head = format!(
        "GET {WATCH} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // `{}` in a masked text frame; a mask of zeros changes nothing.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'{', b'}'];
    open(address, &[head.as_bytes(), &frame].concat())
}

/// A stream of a gRPC call whose first message has come.
type Watching = (h2::SendStream<Bytes>, h2::RecvStream);

async fn grpc(connection: &mut Http2) -> Watching {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://test{WATCH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    connection.send = connection.send.clone().ready().await.unwrap();
    let (answer, mut sent) = connection.send.send_request(request, false).unwrap();
    sent.send_data(frame(0, b"").into(), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let data = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    (sent, body)
}

/// How much larger the server is for each stream.
fn cost<T>(name: &str, server: &Server, mut open: impl FnMut() -> T) -> u64 {
    // The first ones pay for what all share.
    let first: Vec<T> = (0..50).map(|_| open()).collect();
    let before = server.status("VmRSS");
    let all: Vec<T> = (0..STREAMS).map(|_| open()).collect();
    let after = server.status("VmRSS");
    let each = after.saturating_sub(before) * 1024 / STREAMS;
    println!("{STREAMS} idle streams, {name}: {each} bytes each");
    drop((first, all));
    until("all have ended", || {
        server.figure("portolan_requests_in_flight") == 0.0
    });
    each
}

#[test]
fn a_thousand_idle_streams_are_cheap() {
    enough_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = Folder::new();
    // Each kind has a server of its own: what one leaves, the next would use.
    let fresh = || Server::start(&folder, &[]);

    let server = fresh();
    let each = cost("SSE, a connection each", &server, || {
        events(server.address())
    });
    assert!(each < MOST_ALONE, "SSE: {each}");
    server.stop();

    let server = fresh();
    let each = cost("WebSocket, a connection each", &server, || {
        websocket(server.address())
    });
    assert!(each < MOST_ALONE, "WebSocket: {each}");
    server.stop();

    let server = fresh();
    let mut connections: Vec<Http2> = (0..10)
        .map(|_| runtime.block_on(Http2::connect(server.address())))
        .collect();
    let mut at = 0;
    let each = cost("gRPC, ten connections", &server, || {
        at = (at + 1) % connections.len();
        runtime.block_on(grpc(&mut connections[at]))
    });
    assert!(each < MOST, "gRPC: {each}");
    drop(connections);
    // The clients' connections are driven to their end with it.
    drop(runtime);
    server.stop();
}
