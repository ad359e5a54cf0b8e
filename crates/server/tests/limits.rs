//! Clients that are too slow, too many or too restless, each written by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use portolan_server::{Limits, Metrics, RequestBody, Server};
use support::Running;
use support::http2::{self, RawClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

const SOON: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);

/// Reads the whole body first. `/large` gets an answer that fits no buffer,
/// `/endl` one without an end, `/quiet` one that says one word and no other, all
/// others what was read.
async fn service(
    request: Request<RequestBody>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let read = match request.into_body().collect().await {
        Ok(body) => format!("{} bytes", body.to_bytes().len()),
        Err(error) => error.to_string(),
    };
    Ok(Response::new(match path.as_str() {
        "/large" => Full::from(vec![b'x'; 16 << 20]).boxed(),
        "/endl" => {
            let piece = || Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])));
            StreamBody::new(stream::repeat_with(piece)).boxed()
        }
        "/quiet" => {
            let word = stream::once(async { Ok(Frame::data(Bytes::from("word"))) });
            let silence = futures_util::stream::pending();
            StreamBody::new(futures_util::StreamExt::chain(word, silence)).boxed()
        }
        _ => Full::from(read).boxed(),
    }))
}

fn serve(limits: Limits) -> (Running, Metrics) {
    let metrics = Metrics::default();
    let server = Server::new(service_fn(service)).limits(limits);
    (Running::start(server.metrics(metrics.clone())), metrics)
}

/// Reads until the server closes, a reset included, which it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    let _ = tokio::time::timeout(SOON, reading)
        .await
        .expect("the connection ends");
    String::from_utf8_lossy(&all).into_owned()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < SOON, "{what} in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn alive(server: &Running) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(rest(&mut stream).await.ends_with("0 bytes"));
}

#[tokio::test]
async fn a_head_in_drips_does_not_hold_a_connection() {
    let (server, _) = serve(Limits::default().header_timeout(SHORT));
    // The first request of a connection, and a later one.
    for first in [&b""[..], b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(first).await.unwrap();
        if !first.is_empty() {
            stream.read_exact(&mut [0; 16]).await.unwrap();
        }
        let begin = Instant::now();
        let (mut reading, mut writing) = stream.split();
        let drip = async {
            for byte in b"GET / HTTP/1.1\r\nx: "
                .iter()
                .chain(std::iter::repeat(&b'x'))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if writing.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        tokio::select! {
            () = drip => {}
            _ = reading.read_to_end(&mut answer) => {}
        }
        let took = begin.elapsed();
        assert!(took >= SHORT && took < SOON, "{took:?}");
    }
    alive(&server).await;
}

#[tokio::test]
async fn a_connection_without_calls_is_closed() {
    let (server, _) = serve(Limits::default().idle_timeout(SHORT));
    let begin = Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut stream).await.ends_with("0 bytes"));
    assert!(begin.elapsed() >= SHORT);

    let begin = Instant::now();
    let mut client = RawClient::connect(server.address, &[]).await;
    client.send(&http2::get(1)).await.unwrap();
    client.find(http2::DATA).await.unwrap();
    // Pings are no calls.
    client
        .send(&http2::frame(http2::PING, 0, 0, &[0; 8]))
        .await
        .unwrap();
    assert_eq!(
        client.find(http2::GOAWAY).await.unwrap().code(),
        http2::NO_ERROR
    );
    assert!(begin.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_quiet_stream_is_neither_idle_nor_slow() {
    let limits = Limits::default();
    let limits = limits
        .idle_timeout(SHORT)
        .write_timeout(SHORT)
        .header_timeout(SHORT);
    let (server, _) = serve(limits.body_timeout(SHORT));
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut client = RawClient::connect(server.address, &[]).await;
    let path = b"\x82\x86\x04\x06/quiet\x41\x01a";
    let flags = http2::END_HEADERS | http2::END_STREAM;
    client
        .send(&http2::frame(http2::HEADERS, flags, 1, path))
        .await
        .unwrap();
    assert_eq!(client.find(http2::DATA).await.unwrap().payload, b"word");
    let mut heard = Vec::new();
    while !heard.ends_with(b"word\r\n") {
        plain.read_buf(&mut heard).await.unwrap();
    }
    tokio::time::sleep(SHORT * 4).await;
    let nothing = plain.try_read(&mut heard).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    client.send(&http2::get(3)).await.unwrap();
    assert_eq!(client.find(http2::DATA).await.unwrap().payload, b"0 bytes");
}

#[tokio::test]
async fn a_body_that_was_announced_has_to_come() {
    let (server, _) = serve(Limits::default().body_timeout(SHORT).body_rate(1_000_000));
    // Nothing more, and in drips.
    for drips in [false, true] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n12345";
        stream.write_all(head).await.unwrap();
        let begin = Instant::now();
        let (mut reading, mut writing) = stream.split();
        let drip = async {
            while drips && writing.write_all(b"6").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            std::future::pending::<()>().await;
        };
        let mut answer = [0; 512];
        let answered = tokio::select! {
            () = drip => unreachable!(),
            read = reading.read(&mut answer) => read.unwrap(),
        };
        let answer = String::from_utf8_lossy(&answer[..answered]).into_owned();
        assert!(answer.contains("the request came too slowly: "), "{answer}");
        assert!(begin.elapsed() >= SHORT);
    }
    // The begin of a gRPC message on HTTP/2.
    let mut client = RawClient::connect(server.address, &[]).await;
    let kind = b"\x83\x86\x84\x41\x01a\x0f\x10\x10application/grpc";
    client
        .send(&http2::frame(http2::HEADERS, http2::END_HEADERS, 1, kind))
        .await
        .unwrap();
    client
        .send(&http2::frame(http2::DATA, 0, 1, b"\0\0\0\0\x09x"))
        .await
        .unwrap();
    let answer = client.find(http2::DATA).await.unwrap();
    let answer = String::from_utf8_lossy(&answer.payload).into_owned();
    assert!(
        answer.contains("the request came too slowly: 6 bytes"),
        "{answer}"
    );
    alive(&server).await;
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut() {
    let (server, metrics) = serve(Limits::default().write_timeout(SHORT));
    let begun_and_ended = async || {
        until("the call begins", || metrics.calls().in_flight() == 1).await;
        let begin = Instant::now();
        until("the call ends", || metrics.calls().in_flight() == 0).await;
        assert!(begin.elapsed() >= SHORT / 2, "{:?}", begin.elapsed());
    };
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /endl HTTP/1.1\r\nhost: a\r\n\r\n";
    plain.write_all(request).await.unwrap();
    begun_and_ended().await;
    rest(&mut plain).await;
    // Clients of HTTP/2 that allow nothing to be sent, or a little
    // (SETTINGS_INITIAL_WINDOW_SIZE).
    for window in [0, 100] {
        let mut client = RawClient::connect(server.address, &[(4, window)]).await;
        let path = b"\x82\x86\x04\x05/endl\x41\x01a";
        let flags = http2::END_HEADERS | http2::END_STREAM;
        let head = http2::frame(http2::HEADERS, flags, 1, path);
        client.send(&head).await.unwrap();
        begun_and_ended().await;
        assert_eq!(client.find(http2::GOAWAY).await, None);
    }
}

#[tokio::test]
async fn who_reads_slowly_gets_the_whole_answer() {
    let (server, _) = serve(Limits::default().write_timeout(SHORT));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let (mut all, mut piece) = (0, vec![0; 4 << 20]);
    loop {
        tokio::time::sleep(SHORT / 6).await;
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            count => all += count,
        }
    }
    assert!(all > 16 << 20, "{all}");
}

#[tokio::test]
async fn more_connections_than_may_be_have_to_wait() {
    let (server, _) = serve(Limits::default().max_connections(2));
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    first.read_exact(&mut [0; 16]).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    third.write_all(request).await.unwrap();
    let mut answer = [0; 16];
    let waiting = tokio::time::timeout(SHORT, third.read_exact(&mut answer));
    assert!(waiting.await.is_err(), "two are open");
    drop(first);
    third.read_exact(&mut answer).await.unwrap();
    drop(second);
    alive(&server).await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_those_that_wait() {
    let (server, _) = serve(Limits::default().max_connections(1));
    let _first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.drained(Duration::from_secs(3)).await.cut, 0);
}

#[tokio::test]
async fn an_old_connection_ends_when_its_calls_have() {
    let (server, _) = serve(Limits::default().connection_age(SHORT));
    let mut client = RawClient::connect(server.address, &[]).await;
    let head = b"\x83\x86\x84\x41\x01a";
    client
        .send(&http2::frame(http2::HEADERS, http2::END_HEADERS, 1, head))
        .await
        .unwrap();
    assert_eq!(
        client.find(http2::GOAWAY).await.unwrap().code(),
        http2::NO_ERROR
    );
    // It has a body to come still.
    client
        .send(&http2::frame(http2::DATA, http2::END_STREAM, 1, b"12"))
        .await
        .unwrap();
    assert_eq!(client.find(http2::DATA).await.unwrap().payload, b"2 bytes");
    alive(&server).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let (server, metrics) = serve(Limits::default().streams(3));
    let mut client = RawClient::connect(server.address, &[]).await;
    // The limit holds from when the client has heard of it.
    client.find(http2::SETTINGS).await.unwrap();
    client
        .send(&http2::frame(http2::SETTINGS, http2::ACK, 0, &[]))
        .await
        .unwrap();
    for stream in [1, 3, 5, 7] {
        let head = http2::frame(
            http2::HEADERS,
            http2::END_HEADERS,
            stream,
            b"\x83\x86\x84\x41\x01a",
        );
        client.send(&head).await.unwrap();
    }
    let refused = client.find(http2::RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.code()), (7, http2::REFUSED_STREAM));
    assert!(metrics.calls().in_flight() <= 3);
}

#[tokio::test]
async fn headers_have_the_limit_that_was_chosen() {
    let (server, _) = serve(Limits::default().header_bytes(10_000));
    for (length, answer) in [(5_000, "HTTP/1.1 200 "), (20_000, "HTTP/1.1 431 ")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let long = "a".repeat(length);
        let request =
            format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {long}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(rest(&mut stream).await.starts_with(answer), "{length}");
    }
    let mut client = RawClient::connect(server.address, &[]).await;
    // `x-a` with 12,000 bytes of value, without the table.
    let mut head = http2::GET.to_vec();
    head.extend(b"\0\x03x-a\x7f\xe1\x5c");
    head.extend([b'a'; 12_000]);
    let flags = http2::END_HEADERS | http2::END_STREAM;
    client
        .send(&http2::frame(http2::HEADERS, flags, 1, &head))
        .await
        .unwrap();
    let answer = client.find(http2::HEADERS).await.unwrap();
    // Not the 200 of the static table.
    assert_ne!(answer.payload[0], 0x88);
    assert_eq!(answer.flags & http2::END_STREAM, http2::END_STREAM);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_let_go() {
    let (server, metrics) = serve(Limits::default().pings(Some(SHORT), SHORT));
    let mut client = RawClient::connect(server.address, &[]).await;
    let head = http2::frame(
        http2::HEADERS,
        http2::END_HEADERS,
        1,
        b"\x83\x86\x84\x41\x01a",
    );
    client.send(&head).await.unwrap();
    until("the call begins", || metrics.calls().in_flight() == 1).await;
    let begin = Instant::now();
    until("the call ends", || metrics.calls().in_flight() == 0).await;
    assert!(begin.elapsed() >= SHORT);
    // One that answers stays.
    let mut client = RawClient::connect(server.address, &[]).await;
    client.send(&head).await.unwrap();
    for _ in 0..4 {
        let ping = client.find(http2::PING).await.unwrap();
        client
            .send(&http2::frame(http2::PING, http2::ACK, 0, &ping.payload))
            .await
            .unwrap();
    }
    assert_eq!(metrics.calls().in_flight(), 1);
}

/// CVE-2023-44487: streams that are reset as soon as they are opened.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let (server, metrics) = serve(Limits::default().pending_resets(20));
    let mut client = RawClient::connect(server.address, &[]).await;
    let mut flood = Vec::new();
    for at in 0..5000 {
        flood.extend(http2::get(2 * at + 1));
        flood.extend(http2::frame(
            http2::RST_STREAM,
            0,
            2 * at + 1,
            &8_u32.to_be_bytes(),
        ));
    }
    let _ = client.send(&flood).await;
    if let Some(goaway) = client.find(http2::GOAWAY).await {
        assert_eq!(goaway.code(), http2::ENHANCE_YOUR_CALM);
    }
    until("no call is left", || metrics.calls().in_flight() == 0).await;
    alive(&server).await;
}

/// The same, slowly enough that each call begins.
#[tokio::test]
async fn calls_that_are_given_up_one_after_the_other_end_the_connection() {
    let (server, metrics) = serve(Limits::default().premature_cancels(50));
    let mut client = RawClient::connect(server.address, &[]).await;
    let head = b"\x83\x86\x84\x41\x01a";
    let mut cancelled = 0;
    for at in 0..1000 {
        let stream = 2 * at + 1;
        let begun = metrics.calls().in_flight();
        let head = http2::frame(http2::HEADERS, http2::END_HEADERS, stream, head);
        if client.send(&head).await.is_err() {
            break;
        }
        let begin = Instant::now();
        while metrics.calls().in_flight() == begun && begin.elapsed() < Duration::from_millis(200) {
            tokio::task::yield_now().await;
        }
        let reset = http2::frame(http2::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        if client.send(&reset).await.is_err() {
            break;
        }
        until("the call ends", || metrics.calls().in_flight() == 0).await;
        cancelled += 1;
    }
    assert!((50..60).contains(&cancelled), "{cancelled}");
    alive(&server).await;
}

/// CVE-2024-2758 and its kin: a head that goes on for ever.
#[tokio::test]
async fn a_head_of_many_frames_ends_the_connection() {
    let (server, _) = serve(Limits::default());
    let mut client = RawClient::connect(server.address, &[]).await;
    let flags = http2::END_STREAM;
    client
        .send(&http2::frame(http2::HEADERS, flags, 1, http2::GET))
        .await
        .unwrap();
    let mut sent = 0;
    let more = http2::frame(http2::CONTINUATION, 0, 1, b"\0\x01x\x01y");
    while sent < 1 << 20 && client.send(&more).await.is_ok() {
        sent += more.len();
    }
    if let Some(goaway) = client.find(http2::GOAWAY).await {
        assert_eq!(goaway.code(), http2::ENHANCE_YOUR_CALM);
    }
    alive(&server).await;
}

/// CVE-2019-9512, 9515 and 9518: frames that cost their sender nothing. Either
/// the connection ends, or the server stops reading and so the client writing.
#[tokio::test]
async fn floods_of_frames_without_content_take_no_memory() {
    let (server, _) = serve(Limits::default().write_timeout(SHORT));
    let open = http2::frame(
        http2::HEADERS,
        http2::END_HEADERS,
        1,
        b"\x83\x86\x84\x41\x01a",
    );
    for (name, one) in [
        ("ping", http2::frame(http2::PING, 0, 0, &[0; 8])),
        ("settings", http2::frame(http2::SETTINGS, 0, 0, &[])),
        ("empty data", http2::frame(http2::DATA, 0, 1, &[])),
        (
            "windows",
            http2::frame(http2::WINDOW_UPDATE, 0, 1, &0_u32.to_be_bytes()),
        ),
    ] {
        let mut client = RawClient::connect(server.address, &[]).await;
        client.send(&open).await.unwrap();
        let many = one.repeat(1000);
        let before = resident();
        let flood = async {
            for _ in 0..5000 {
                if client.send(&many).await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), flood).await;
        let grown = resident().saturating_sub(before);
        assert!(grown < 32 << 20, "{name}: {grown} bytes");
        alive(&server).await;
    }
}

/// CVE-2025-8671: a client that makes the server reset its own streams.
#[tokio::test]
async fn streams_that_a_client_has_reset_by_breaking_rules_are_counted() {
    let (server, metrics) = serve(Limits::default().local_resets(50));
    let mut client = RawClient::connect(server.address, &[]).await;
    let mut flood = Vec::new();
    for at in 0..1000 {
        let stream = 2 * at + 1;
        flood.extend(http2::frame(
            http2::HEADERS,
            http2::END_HEADERS,
            stream,
            b"\x83\x86\x84\x41\x01a",
        ));
        // A window beyond its bound is an error of the stream (RFC 9113 §6.9.1).
        flood.extend(http2::frame(
            http2::WINDOW_UPDATE,
            0,
            stream,
            &0x7fff_ffff_u32.to_be_bytes(),
        ));
    }
    let _ = client.send(&flood).await;
    if let Some(goaway) = client.find(http2::GOAWAY).await {
        assert_eq!(goaway.code(), http2::ENHANCE_YOUR_CALM);
    }
    until("no call is left", || metrics.calls().in_flight() == 0).await;
    alive(&server).await;
}

/// Bytes of memory that this process, server and client, holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
