//! An answer that comes before its HTTP/1.1 request was read arrives, and says
//! when it is the last one of its connection.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use portolan_server::{RequestBody, Server};
use support::Running;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tower::service_fn;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Answers as its path says, mostly without reading.
async fn answer(request: Request<RequestBody>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let whole = |text: &'static str| Full::from(text).boxed_unsync();
    Ok(Response::new(match path.as_str() {
        "/all" => {
            while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
            whole("all")
        }
        "/some" => {
            let _ = body.frame().await;
            whole("some")
        }
        "/panic" => panic!("on purpose"),
        "/stream" => {
            // As of a call that streams both ways: it goes on reading.
            let frames = stream::unfold(Some(body), |body| async move {
                let mut body = body?;
                let frame = body.frame().await;
                let rest = frame.is_some().then_some(body);
                Some((Ok(Frame::data(Bytes::from_static(b"piece"))), rest))
            });
            StreamBody::new(frames).boxed_unsync()
        }
        _ => whole("none"),
    }))
}

/// A connection whose answers are read one by one.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(server: &Running) -> Self {
        Self(BufReader::new(
            TcpStream::connect(server.address).await.unwrap(),
        ))
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn post(&mut self, path: &str, headers: &str, body: &[u8]) {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n");
        self.send(&[head.as_bytes(), body].concat()).await;
    }

    /// The head of the next answer, in lower case.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = self.0.read_line(&mut head);
            let line = tokio::time::timeout(Duration::from_secs(10), line).await;
            assert!(line.unwrap().unwrap() > 0, "cut off: {head:?}");
        }
        head.to_lowercase()
    }

    /// Reads an answer with a length and says whether it is announced as the
    /// last.
    async fn is_last(&mut self) -> bool {
        let head = self.head().await;
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        self.0.read_exact(&mut vec![0; length]).await.unwrap();
        head.contains("\r\nconnection: close\r\n")
    }

    async fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), self.0.read_to_end(&mut rest));
        end.await.unwrap().unwrap();
        rest.is_empty()
    }
}

#[tokio::test]
async fn a_rest_that_is_there_keeps_the_connection() {
    let server = Running::start(Server::new(service_fn(answer)));
    let mut client = Client::connect(&server).await;
    for path in ["/all", "/none", "/some", "/panic", "/all"] {
        client.post(path, "content-length: 5", b"12345").await;
        assert!(!client.is_last().await, "{path}");
        let headers = "transfer-encoding: chunked";
        client
            .post(path, headers, b"3\r\n123\r\n2\r\n45\r\n0\r\n\r\n")
            .await;
        assert!(!client.is_last().await, "{path}");
    }
    client
        .post("/none", "content-length: 10000", &[0; 10_000])
        .await;
    assert!(!client.is_last().await);
    client.post("/all", "content-length: 5", b"12345").await;
    assert!(!client.is_last().await);
}

#[tokio::test]
async fn a_rest_that_does_not_come_is_announced_to_end_the_connection() {
    let server = Running::start(Server::new(service_fn(answer)));
    for path in ["/none", "/some", "/panic"] {
        for (headers, body) in [
            ("content-length: 50", &b"12345"[..]),
            ("transfer-encoding: chunked", b"5\r\n12345\r\n"),
        ] {
            let mut client = Client::connect(&server).await;
            client.post(path, headers, body).await;
            assert!(client.is_last().await, "{path} {headers}");
            assert!(client.is_over().await, "{path} {headers}");
        }
    }
}

#[tokio::test]
async fn a_rest_that_is_too_long_is_announced_to_end_the_connection() {
    let server = Running::start(Server::new(service_fn(answer)));
    let mut client = Client::connect(&server).await;
    // All of it is sent, so that a close without lingering would be a reset.
    client
        .post("/none", "content-length: 1000000", &[0; 1_000_000])
        .await;
    assert!(client.is_last().await);
    assert!(client.is_over().await);
}

#[tokio::test]
async fn a_rest_that_cannot_be_read_is_announced_to_end_the_connection() {
    let server = Running::start(Server::new(service_fn(answer)));
    for path in ["/all", "/none"] {
        let mut client = Client::connect(&server).await;
        let headers = "transfer-encoding: chunked";
        client.post(path, headers, b"no length\r\n").await;
        assert!(client.is_last().await, "{path}");
        assert!(client.is_over().await, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_was_not_asked_is_told_of_the_end() {
    let server = Running::start(Server::new(service_fn(answer)));
    let headers = "content-length: 5\r\nexpect: 100-continue";
    let mut client = Client::connect(&server).await;
    client.post("/none", headers, b"").await;
    assert!(client.is_last().await);
    let mut client = Client::connect(&server).await;
    client.post("/all", headers, b"").await;
    assert!(client.head().await.starts_with("http/1.1 100 "));
    client.send(b"12345").await;
    assert!(!client.is_last().await);
}

#[tokio::test]
async fn a_stream_that_begins_before_the_request_was_read_is_the_last_answer() {
    let server = Running::start(Server::new(service_fn(answer)));
    let mut client = Client::connect(&server).await;
    let headers = "transfer-encoding: chunked";
    client.post("/stream", headers, b"").await;
    assert!(client.head().await.contains("\r\nconnection: close\r\n"));
    client.send(b"1\r\nx\r\n0\r\n\r\n").await;
    let mut rest = String::new();
    client.0.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_though_the_client_goes_on() {
    let server = Running::start(Server::new(service_fn(answer)));
    let fine = b"GET /all HTTP/1.1\r\nhost: a\r\n\r\n".to_vec();
    for (begin, expected) in [
        (
            &b"GET / HTTP/1.1\r\nhost: a\r\nx-long: "[..],
            "http/1.1 431 ",
        ),
        (b"no request at all\r\n\r\n", "http/1.1 400 "),
    ] {
        let mut bytes = [&fine[..], begin].concat();
        bytes.resize(8 * 1024 * 1024, b'a');
        let mut client = Client::connect(&server).await;
        // Nothing is read until all is sent.
        client.send(&bytes).await;
        assert!(!client.is_last().await);
        let head = client.head().await;
        assert!(head.starts_with(expected), "{head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        assert!(client.is_over().await);
    }
}
