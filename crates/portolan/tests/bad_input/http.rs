//! Requests that are HTTP and no call, and bytes that are not even HTTP.

use std::io::Write;
use std::net::Shutdown;

use crate::ask::{JSON, SERVICE};
use crate::support::wire::{Answer, connect, http1, listen, say};
use crate::support::{Folder, Server};

#[test]
fn no_route_no_method_no_type() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let ask =
        |line: &str, headers: &[&str], body: &[u8]| http1(server.address(), line, headers, body);
    for line in [
        "GET /nowhere",
        "POST /v1/memories:fly",
        "GET /",
        "GET /v1/memories/a/b",
        "GET /..%2f..%2fetc/passwd",
        "POST /somafractalmemory.v1.MemoryService/Fly",
    ] {
        let answer = ask(line, &[JSON], b"");
        assert_eq!(answer.status, 404, "{line}: {answer:?}");
        assert!(answer.json()["message"].is_string(), "{line}: {answer:?}");
    }
    let answer = ask("PUT /v1/memories", &[JSON], b"{}");
    assert_eq!(answer.status, 405, "{answer:?}");
    let allowed = answer.header("allow").unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    let answer = ask(&format!("PUT {SERVICE}/StoreMemory"), &[JSON], b"{}");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("POST")),
        "{answer:?}"
    );
    // The RPC writes, so Connect's GET is not for it.
    let answer = ask(
        &format!("GET {SERVICE}/StoreMemory?connect=v1&encoding=json&message=%7B%7D"),
        &[],
        b"",
    );
    assert_eq!(answer.status, 405, "{answer:?}");
    for kind in [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/grpc-fancy",
        "application/grpc+xml",
    ] {
        let header = format!("content-type: {kind}");
        for path in ["/v1/memories".to_owned(), format!("{SERVICE}/StoreMemory")] {
            let answer = ask(&format!("POST {path}"), &[&header], b"{}");
            assert_eq!(answer.status, 415, "{kind} on {path}: {answer:?}");
        }
    }
    let answer = ask("GET /v1/memories/%ff", &[], b"");
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &3.into()),
        "{answer:?}"
    );
    let answer = ask("GET /v1/memories?colour=red", &[], b"");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("colour"), "{answer:?}");
    server.unharmed();
}

#[test]
fn bytes_that_are_not_http() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for bytes in [
        &noise[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nname\x00: value\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, and long enough to be one",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x00",
        b"PRI * HTTP/2.0\r\n\r\nXX",
    ] {
        let mut stream = connect(server.address());
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let said = listen(&stream);
        let text = String::from_utf8_lossy(&said);
        let refused = text.is_empty()
            || text.starts_with("HTTP/1.1 4")
            || text.starts_with("HTTP/1.0 4")
            || said.starts_with(&[0, 0]);
        assert!(
            refused,
            "{:?} got {text:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
    server.unharmed();
}

#[test]
fn lengths_that_contradict_each_other() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for headers in [
        "content-length: -1",
        "content-length: 99999999999999999999999",
        "content-length: 2\r\ncontent-length: 3",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: gzip",
    ] {
        let request =
            format!("POST /v1/memories HTTP/1.1\r\nhost: x\r\n{JSON}\r\n{headers}\r\n\r\n{{}}");
        let said = say(server.address(), request.as_bytes());
        let answers = Answer::all(&said);
        assert!(
            answers.len() == 1 && answers[0].status == 400,
            "{headers}: {answers:?}"
        );
    }
    // With both, the length does not count (RFC 9112 §6.3), so that what
    // follows is no request of its own.
    let body = "5\r\n{\"con\r\n";
    let request = format!(
        "POST /v1/memories HTTP/1.1\r\nhost: x\r\n{JSON}\r\nconnection: close\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n{body}zz\r\n"
    );
    let answers = Answer::all(&say(server.address(), request.as_bytes()));
    assert!(
        answers.len() <= 1 && answers.iter().all(|answer| answer.status >= 400),
        "{answers:?}"
    );
    // A chunk that says it has 2^64 bytes.
    let request = format!(
        "POST /v1/memories HTTP/1.1\r\nhost: x\r\n{JSON}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n{{}}"
    );
    let answers = Answer::all(&say(server.address(), request.as_bytes()));
    assert!(
        answers.iter().all(|answer| answer.status >= 400),
        "{answers:?}"
    );
    server.unharmed();
}

#[test]
fn requests_one_after_the_other_without_waiting() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut bytes = Vec::new();
    for index in 0..50 {
        let body = format!("{{\"content\":\"{index}\"}}");
        bytes.extend(format!("POST /v1/memories HTTP/1.1\r\nhost: x\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).bytes());
        bytes.extend(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    bytes.extend(b"GET /v1/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answers = Answer::all(&say(server.address(), &bytes));
    assert_eq!(answers.len(), 101);
    for (index, pair) in answers[..100].chunks(2).enumerate() {
        assert_eq!((pair[0].status, pair[1].status), (200, 404));
        assert_eq!(pair[0].json()["content"], index.to_string());
    }
    assert_eq!(answers[100].json()["memoriesTotal"], "50");
    server.unharmed();
}
