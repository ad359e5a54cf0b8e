//! Clients that go away in the middle of a stream. What they held is given
//! back: calls in flight, threads, files, memory.

use std::io::{Read, Write};

use bytes::Bytes;
use http::Request;
use portolan::memory::proto::memory_service_client::MemoryServiceClient;
use portolan::memory::proto::{StoreMemoryRequest, StreamMemoriesRequest};
use prost::Message;
use tonic::transport::Channel;

use crate::ask::{JSON, SERVICE};
use crate::support::wire::{Http2, connect, frame, until};
use crate::support::{Folder, Server};

const CLIENTS: usize = 200;
/// How many are there at the same time.
const TOGETHER: usize = 20;

/// A server with more in it than fits into the buffers on the way to a client.
async fn full(folder: &Folder) -> Server {
    let server = Server::start(folder, &[]);
    let item = StoreMemoryRequest {
        content: "word ".repeat(2000),
        ..StoreMemoryRequest::default()
    };
    let items = tokio_stream::iter(vec![item; 1500]);
    let answer = server
        .memories()
        .await
        .batch_store_memories(items)
        .await
        .unwrap();
    assert_eq!(answer.into_inner().stored_count, 1500);
    server
}

/// What a server holds.
#[derive(Debug)]
struct Held {
    threads: u64,
    files: f64,
    memory: u64,
}

impl Held {
    fn by(server: &Server) -> Self {
        Self {
            threads: server.status("Threads"),
            files: server.figure("process_open_fds"),
            memory: server.status("VmRSS"),
        }
    }
}

/// Asserts that everything is given back. The first wave of clients is there to
/// fill caches and thread pools.
fn is_given_back(server: &Server, before: &Held) {
    server.unharmed();
    until("files are closed", || {
        server.figure("process_open_fds") <= before.files + 8.0
    });
    let after = Held::by(server);
    assert!(after.threads <= before.threads + 8, "{before:?} {after:?}");
    assert!(
        after.memory <= before.memory + 40 * 1024,
        "{before:?} {after:?}"
    );
}

fn in_flight(server: &Server) -> f64 {
    server.figure("portolan_requests_in_flight")
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_a_stream_over_grpc() {
    let folder = Folder::new();
    let server = full(&folder).await;
    let mut before = None;
    for _ in 0..CLIENTS / TOGETHER {
        let mut readers = Vec::new();
        for _ in 0..TOGETHER {
            let mut http2 = Http2::connect(server.address()).await;
            let request = Request::post(format!("http://test{SERVICE}/StreamMemories"))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let (answer, mut body) = http2
                .send
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            body.send_data(Bytes::from(frame(0, b"")), true).unwrap();
            let mut answer = answer.await.unwrap().into_body();
            assert!(!answer.data().await.unwrap().unwrap().is_empty());
            readers.push((http2, answer));
        }
        assert!(in_flight(&server) >= TOGETHER as f64);
        for (http2, _) in readers {
            http2.vanish();
        }
        until("no call is in flight", || in_flight(&server) == 0.0);
        before.get_or_insert_with(|| Held::by(&server));
    }
    is_given_back(&server, &before.unwrap());
}

/// The connection stays, the stream is reset: what tonic does with a stream
/// that is dropped.
#[tokio::test(flavor = "multi_thread")]
async fn readers_that_reset_their_stream() {
    let folder = Folder::new();
    let server = full(&folder).await;
    // Streams that are not read must not keep the others from being read.
    let channel = Channel::from_shared(server.url())
        .unwrap()
        .initial_connection_window_size(1 << 27);
    let client = MemoryServiceClient::new(channel.connect().await.unwrap());
    let mut before = None;
    for _ in 0..CLIENTS / TOGETHER {
        let mut streams = Vec::new();
        for _ in 0..TOGETHER {
            let mut stream = client
                .clone()
                .stream_memories(StreamMemoriesRequest::default())
                .await
                .unwrap()
                .into_inner();
            stream.message().await.unwrap().unwrap();
            streams.push(stream);
        }
        drop(streams);
        until("no call is in flight", || in_flight(&server) == 0.0);
        before.get_or_insert_with(|| Held::by(&server));
    }
    is_given_back(&server, &before.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_events() {
    let folder = Folder::new();
    let server = full(&folder).await;
    let mut before = None;
    for _ in 0..CLIENTS / TOGETHER {
        let mut readers = Vec::new();
        for _ in 0..TOGETHER {
            let mut stream = connect(server.address());
            stream
                .write_all(
                    b"GET /v1/memories HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n",
                )
                .unwrap();
            let mut head = [0; 1000];
            stream.read_exact(&mut head).unwrap();
            assert!(String::from_utf8_lossy(&head).contains("text/event-stream"));
            readers.push(stream);
        }
        assert!(in_flight(&server) >= TOGETHER as f64);
        drop(readers);
        until("no call is in flight", || in_flight(&server) == 0.0);
        before.get_or_insert_with(|| Held::by(&server));
    }
    is_given_back(&server, &before.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_a_batch() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let item = StoreMemoryRequest {
        content: "half a batch".into(),
        ..StoreMemoryRequest::default()
    };
    let message = frame(0, &item.encode_to_vec());
    let mut before = None;
    for _ in 0..CLIENTS / TOGETHER {
        let (mut grpc, mut rest) = (Vec::new(), Vec::new());
        for _ in 0..TOGETHER / 2 {
            let mut http2 = Http2::connect(server.address()).await;
            let request = Request::post(format!("http://test{SERVICE}/BatchStoreMemories"))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let (answer, mut body) = http2
                .send
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            // One whole message and the beginning of another.
            body.send_data(Bytes::from([&message[..], &message[..9]].concat()), false)
                .unwrap();
            grpc.push((http2, answer, body));
            let mut stream = connect(server.address());
            let head = format!(
                "POST /v1/memories:batch HTTP/1.1\r\nhost: x\r\n{JSON}\r\ncontent-length: 1000\r\n\r\n[{{\"content\":\"a\"}},{{"
            );
            stream.write_all(head.as_bytes()).unwrap();
            rest.push(stream);
        }
        until("all are in flight", || {
            in_flight(&server) >= TOGETHER as f64
        });
        drop(rest);
        for (http2, ..) in grpc {
            http2.vanish();
        }
        until("no call is in flight", || in_flight(&server) == 0.0);
        before.get_or_insert_with(|| Held::by(&server));
    }
    is_given_back(&server, &before.unwrap());
    // Nothing was acknowledged, and no chunk was full.
    assert_eq!(server.total().await, 0);
}
