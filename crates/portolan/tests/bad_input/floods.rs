//! Too much of what is allowed: headers without end, streams that are reset as
//! soon as they are opened.

use std::io::Write;

use bytes::Bytes;
use h2::Reason;
use http::Request;

use crate::ask::SERVICE;
use crate::support::wire::{Answer, Http2, connect, http1, listen, say, until};
use crate::support::{Folder, Server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// An HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Header fields that are not indexed, with names and values in plain text
/// (RFC 7541 §6.2.2); both shorter than 127 bytes.
fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in pairs {
        block.push(0);
        for text in [name, &value] {
            block.push(text.len() as u8);
            block.extend(text.bytes());
        }
    }
    block
}

fn request_fields() -> Vec<u8> {
    fields([
        (":method", "GET".to_owned()),
        (":scheme", "http".to_owned()),
        (":authority", "x".to_owned()),
        (":path", "/v1/metrics".to_owned()),
    ])
}

#[test]
fn headers_over_the_limit_over_http1() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for (what, head) in [
        (
            "one that is large",
            format!("x: {}\r\n", "a".repeat(100_000)),
        ),
        (
            "many that are small",
            (0..10_000)
                .map(|index| format!("x{index}: a\r\n"))
                .collect(),
        ),
        ("a line without an end", "a".repeat(200_000)),
    ] {
        let request = format!("GET /v1/metrics HTTP/1.1\r\nhost: x\r\n{head}\r\n");
        let answers = Answer::all(&say(server.address(), request.as_bytes()));
        assert!(
            answers.iter().all(|answer| answer.status == 431),
            "{what}: {answers:?}"
        );
    }
    let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(200_000));
    let answers = Answer::all(&say(server.address(), request.as_bytes()));
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 414 | 431)),
        "{answers:?}"
    );
    server.unharmed();
}

#[tokio::test]
async fn headers_over_the_limit_over_http2() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut http2 = Http2::connect(server.address()).await;
    let request = Request::get("http://test/v1/metrics")
        .header("x", "a".repeat(100_000))
        .body(())
        .unwrap();
    let (answer, _) = http2.send.send_request(request, true).unwrap();
    match answer.await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
    server.unharmed();
}

/// A header block in frames without end: what is read of it has to be bounded.
#[test]
fn continuation_frames_without_end() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let before = server.status("VmRSS");
    let mut stream = connect(server.address());
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .unwrap();
    stream
        .write_all(&frame(HEADERS, 0, 1, &request_fields()))
        .unwrap();
    let piece = fields((0..1000).map(|index| ("x-flood", index.to_string())));
    let mut sent = 0;
    let refused = loop {
        match stream.write_all(&frame(CONTINUATION, 0, 1, &piece)) {
            Err(_) => break true,
            Ok(()) if sent > 256 << 20 => break false,
            Ok(()) => sent += piece.len(),
        }
    };
    assert!(refused, "{sent} bytes of headers were taken");
    server.unharmed();
    let grown = server.status("VmRSS").saturating_sub(before);
    assert!(grown < 50 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn streams_that_are_reset_as_soon_as_they_are_opened() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (memory, threads) = (server.status("VmRSS"), server.status("Threads"));
    let mut refused = 0;
    for _ in 0..5 {
        let http2 = Http2::connect(server.address()).await;
        for _ in 0..4000 {
            let Ok(mut send) = http2.send.clone().ready().await else {
                refused += 1;
                break;
            };
            let request = Request::post(format!("http://test{SERVICE}/StoreMemory"))
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            let Ok((_, mut body)) = send.send_request(request.body(()).unwrap(), false) else {
                refused += 1;
                break;
            };
            let _ = body.send_data(Bytes::from_static(b"\0\0\0\0\x05"), false);
            body.send_reset(Reason::CANCEL);
            // So that the frames go out one by one, as an attacker's do.
            tokio::task::yield_now().await;
        }
        http2.vanish();
    }
    println!("{refused} of 5 connections were closed for it");
    server.unharmed();
    let grown = server.status("VmRSS").saturating_sub(memory);
    assert!(grown < 50 * 1024, "{grown} KiB");
    assert!(server.status("Threads") <= threads + 8);
    assert_eq!(server.total().await, 0);
}

/// The same, with frames by hand and without waiting: the server has to close
/// the connection or keep up.
#[test]
fn a_rapid_reset_by_hand() {
    const RST_STREAM: u8 = 3;
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let before = server.status("VmRSS");
    let mut stream = connect(server.address());
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .unwrap();
    let block = request_fields();
    let mut refused = false;
    for round in 0..200 {
        let mut bytes = Vec::new();
        for index in 0..500 {
            let id = (round * 500 + index) * 2 + 1;
            // END_HEADERS and END_STREAM.
            bytes.extend(frame(HEADERS, 5, id, &block));
            bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
        if stream.write_all(&bytes).is_err() {
            refused = true;
            break;
        }
    }
    if refused {
        let _ = listen(&stream);
    }
    drop(stream);
    server.unharmed();
    let grown = server.status("VmRSS").saturating_sub(before);
    assert!(grown < 50 * 1024, "{grown} KiB");
}

/// Ten thousand calls that begin and never go on, as many on a connection as
/// there may be.
#[test]
fn streams_that_stay_half_open() {
    const STREAMS: u32 = 1000;
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let (memory, threads) = (server.status("VmRSS"), server.status("Threads"));
    let in_flight = || server.figure("portolan_requests_in_flight");
    let block = fields([
        (":method", "POST".to_owned()),
        (":scheme", "http".to_owned()),
        (":authority", "x".to_owned()),
        (":path", "/users.v1.UserService/UploadUserData".to_owned()),
        ("content-type", "application/grpc".to_owned()),
        ("te", "trailers".to_owned()),
    ]);
    let begin = || {
        let mut stream = connect(server.address());
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        for index in 0..STREAMS {
            // END_HEADERS, and no end of the stream.
            bytes.extend(frame(HEADERS, 4, index * 2 + 1, &block));
        }
        stream.write_all(&bytes).unwrap();
        stream
    };
    let clients: Vec<_> = (0..10).map(|_| begin()).collect();
    until("all of them run", || in_flight() >= f64::from(10 * STREAMS));
    let each = server.status("VmRSS").saturating_sub(memory) * 1024 / u64::from(10 * STREAMS);
    assert!(each < 20_000, "{each} bytes for each");
    assert!(server.status("Threads") <= threads + 8);
    let answer = http1(server.address(), "GET /v1/users", &[], b"");
    assert_eq!(answer.status, 200);
    drop(clients);
    until("they are forgotten", || in_flight() <= 2.0);
    server.unharmed();
}

/// Hundreds of connections that say nothing hold up nobody else.
#[test]
fn connections_that_say_nothing() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let files = server.figure("process_open_fds");
    let silent: Vec<_> = (0..500).map(|_| connect(server.address())).collect();
    until("the server has taken them", || {
        server.figure("process_open_fds") >= files + 500.0
    });
    assert_eq!(
        http1(server.address(), "GET /v1/metrics", &[], b"").status,
        200
    );
    drop(silent);
    until("they are forgotten", || {
        server.figure("process_open_fds") <= files + 2.0
    });
    server.unharmed();
}
