//! What a client is ready to wait for, kept to by the real binary: the call
//! ends with DEADLINE_EXCEEDED near its time, and holds nothing afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use portolan::memory::proto::{StoreMemoryRequest, StreamMemoriesRequest};
use support::wire::{Answer, Ending, Http2, connect, listen};
use support::{Folder, Server};
use tonic::{Code, Request};

/// The tests' machine is busy; a deadline is never early, and never this late.
const LATE: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(2);

/// A server with more in it than fits into the buffers on the way to a client.
async fn full(folder: &Folder) -> Server {
    let server = Server::start(folder, &[]);
    let item = StoreMemoryRequest {
        content: "word ".repeat(2000),
        ..StoreMemoryRequest::default()
    };
    let items = tokio_stream::iter(vec![item; 2000]);
    server
        .memories()
        .await
        .batch_store_memories(items)
        .await
        .unwrap();
    server
}

fn in_time(begin: Instant) {
    let waited = begin.elapsed();
    assert!(waited >= DEADLINE && waited < DEADLINE + LATE, "{waited:?}");
}

/// The server itself ends it: this client has no clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_reader_is_slow() {
    let folder = Folder::new();
    let server = full(&folder).await;
    let mut http2 = Http2::connect(server.address()).await;
    let request =
        http::Request::post("http://test/somafractalmemory.v1.MemoryService/StreamMemories")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "2S");
    let begin = Instant::now();
    let (answer, mut body) = http2
        .send
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(vec![0; 5].into(), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    // A first piece, and then nothing is read until the time is over.
    let first = body.data().await.unwrap().unwrap().len();
    assert!(first > 0);
    tokio::time::sleep(DEADLINE.saturating_sub(begin.elapsed())).await;
    body.flow_control().release_capacity(first).unwrap();
    while let Some(data) = body.data().await {
        let size = data.unwrap().len();
        body.flow_control().release_capacity(size).unwrap();
    }
    in_time(begin);
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "4", "{trailers:?}");
    server.unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_tonic_client_reads_slowly() {
    let folder = Folder::new();
    let server = full(&folder).await;
    let mut request = Request::new(StreamMemoriesRequest::default());
    request.set_timeout(DEADLINE);
    let begin = Instant::now();
    let mut stream = server
        .memories()
        .await
        .stream_memories(request)
        .await
        .unwrap()
        .into_inner();
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok(None) => panic!("all of it came"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    in_time(begin);
    server.unharmed();
}

/// Over HTTP/1.1 the head is gone when the time has come, so the array ends
/// with an element that says it.
#[tokio::test]
async fn a_stream_over_rest_whose_reader_is_slow() {
    let folder = Folder::new();
    let server = full(&folder).await;
    let mut stream = connect(server.address());
    let begin = Instant::now();
    stream
        .write_all(b"GET /v1/memories HTTP/1.1\r\nhost: x\r\nx-request-timeout: 2000ms\r\naccept: application/x-ndjson\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut said = vec![0; 1000];
    stream.read_exact(&mut said).unwrap();
    std::thread::sleep(DEADLINE.saturating_sub(begin.elapsed()));
    said.extend(listen(&stream));
    in_time(begin);
    let answer = Answer::all(&said).remove(0);
    let last = answer.text();
    let last: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], 4, "{last}");
    server.unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_writer_stops() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    // By bytes, so that only the server can notice.
    let mut http2 = Http2::connect(server.address()).await;
    let request =
        http::Request::post("http://test/somafractalmemory.v1.MemoryService/BatchStoreMemories")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "2S");
    let begin = Instant::now();
    let (answer, mut body) = http2
        .send
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(vec![0; 5].into(), false).unwrap();
    let answer = answer.await.unwrap();
    in_time(begin);
    assert_eq!(answer.headers()["grpc-status"], "4", "{answer:?}");
    server.unharmed();
    drop(body);

    // By a client with a clock of its own.
    let mut request = Request::new(tokio_stream::pending());
    request.set_timeout(DEADLINE);
    let begin = Instant::now();
    let status = server
        .memories()
        .await
        .batch_store_memories(request)
        .await
        .unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    in_time(begin);
    server.unharmed();
    assert_eq!(server.total().await, 0);
}

/// Over HTTP/1.1 a body that stops coming is not waited for beyond the time.
#[test]
fn a_body_that_stops_coming() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut stream = connect(server.address());
    let begin = Instant::now();
    stream
        .write_all(b"POST /v1/memories HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-request-timeout: 2.0\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{\"content\":")
        .unwrap();
    let answer = Answer::all(&listen(&stream)).remove(0);
    in_time(begin);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (504, &4.into()),
        "{answer:?}"
    );
    server.unharmed();
}

/// A call whose request never ends, and what became of it.
async fn left_open(server: &Server, path: &str, timeout: &[(&str, &str)]) -> http::HeaderMap {
    let mut http2 = Http2::connect(server.address()).await;
    let mut request = http::Request::post(format!("http://test/somafractalmemory.v1.{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in timeout {
        request = request.header(*name, *value);
    }
    let (answer, _body) = http2
        .send
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    answer.await.unwrap().headers().clone()
}

/// What `--default-timeout 2s` does to calls that name no deadline, wherever
/// the service is. One that names a longer one has it.
async fn keeps_to_the_default(server: &Server) {
    for path in [
        "MemoryService/StoreMemory",
        "MemoryService/BatchStoreMemories",
    ] {
        let begin = Instant::now();
        let headers = left_open(server, path, &[]).await;
        in_time(begin);
        assert_eq!(headers["grpc-status"], "4", "{path} {headers:?}");
    }
    let begin = Instant::now();
    let headers = left_open(
        server,
        "MemoryService/StoreMemory",
        &[("grpc-timeout", "3S")],
    )
    .await;
    assert_eq!(headers["grpc-status"], "4", "{headers:?}");
    assert!(begin.elapsed() >= Duration::from_secs(3));

    let mut stream = connect(server.address());
    let begin = Instant::now();
    stream
        .write_all(b"POST /v1/memories HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{\"content\":")
        .unwrap();
    let answer = Answer::all(&listen(&stream)).remove(0);
    in_time(begin);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (504, &4.into()),
        "{answer:?}"
    );
    server.unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_holds_for_the_services_of_the_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--default-timeout", "2s"]);
    keeps_to_the_default(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_holds_for_calls_through_a_gateway() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let url = upstream.url();
    let gateway = Server::gateway(&front, &["--upstream", &url, "--default-timeout", "2s"]);
    keeps_to_the_default(&gateway).await;
    upstream.unharmed();
}

/// A time that no call to an upstream keeps to: those that the gateway makes
/// for itself have all the time they need, and so has a client that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_not_for_the_gateways_own_calls() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let url = upstream.url();
    let gateway = Server::gateway(&front, &["--upstream", &url, "--default-timeout", "0"]);
    let answer = gateway.http("GET /v1/metrics", &["x-request-timeout: 60"], "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = gateway.http("GET /v1/metrics", &[], "");
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    let log = gateway.log();
    assert!(!log.contains("cannot ask"), "{log}");
}

#[tokio::test]
async fn a_deadline_that_has_passed_already() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut http2 = Http2::connect(server.address()).await;
    let path = "/somafractalmemory.v1.MemoryService/StoreMemory";
    let ending = http2
        .call(path, &[("grpc-timeout", "0n")], b"\0\0\0\0\0")
        .await;
    let message = "the deadline passed before the call was over".to_owned();
    assert_eq!(ending, Ending { code: 4, message });
    server.unharmed();
    assert_eq!(server.total().await, 0);
}
