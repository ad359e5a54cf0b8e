//! gRPC frames, and the messages in them, that are not what they say.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use portolan::memory::proto::{SearchTextRequest, StoreMemoryRequest, StreamMemoriesRequest};
use prost::Message;
use tonic::Code;

use crate::ask::{SERVICE, web_ending};
use crate::support::wire::{Http2, frame, http1};
use crate::support::{Folder, Server};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn memory(size: usize) -> StoreMemoryRequest {
    StoreMemoryRequest {
        content: "a ".repeat(size / 2),
        ..StoreMemoryRequest::default()
    }
}

#[tokio::test]
async fn frames_that_are_none() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let whole = frame(0, &memory(10).encode_to_vec());
    let gzipped = [("grpc-encoding", "gzip")];
    let bomb = frame(1, &gzip(&vec![0; 64 << 20]));
    for (what, headers, body, codes, part) in [
        (
            "truncated",
            &[][..],
            whole[..whole.len() - 3].to_vec(),
            &[3][..],
            "in the middle of a message",
        ),
        (
            "half a prefix",
            &[],
            whole[..3].to_vec(),
            &[3],
            "in the middle of a message",
        ),
        (
            "4 GB",
            &[],
            vec![0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3],
            &[8],
            "4294967295",
        ),
        (
            "5 MiB said",
            &[],
            vec![0, 0, 0x50, 0, 0, 1],
            &[8],
            "5242880",
        ),
        ("reserved flags", &[], frame(0x40, b""), &[3], "0x40"),
        (
            "compressed by nothing",
            &[],
            frame(1, &gzip(b"")),
            &[13],
            "",
        ),
        ("not gzip", &gzipped, frame(1, b"not gzip"), &[3, 13], ""),
        (
            "torn gzip",
            &gzipped,
            frame(1, &gzip(&memory(1000).encode_to_vec())[..20]),
            &[3, 13],
            "",
        ),
        ("a bomb", &gzipped, bomb, &[8], ""),
        (
            "unknown encoding",
            &[("grpc-encoding", "zip")],
            frame(1, b"x"),
            &[12],
            "",
        ),
        ("no message", &[], Vec::new(), &[3, 12, 13], ""),
        (
            "two messages",
            &[],
            [whole.clone(), whole.clone()].concat(),
            &[0, 3, 12, 13],
            "",
        ),
    ] {
        let mut http2 = Http2::connect(server.address()).await;
        let ending = http2
            .call(&format!("{SERVICE}/StoreMemory"), headers, &body)
            .await;
        assert!(codes.contains(&ending.code), "{what}: {ending:?}");
        assert!(ending.message.contains(part), "{what}: {ending:?}");
        let ending = http2
            .call(&format!("{SERVICE}/BatchStoreMemories"), headers, &body)
            .await;
        let codes: &[i32] = if what.contains("message") {
            &[0]
        } else {
            codes
        };
        assert!(
            codes.contains(&ending.code),
            "{what} in a stream: {ending:?}"
        );
    }
    server.unharmed();
}

#[tokio::test]
async fn frames_that_are_none_in_grpc_web() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let whole = frame(0, &memory(10).encode_to_vec());
    for (what, body, code) in [
        ("truncated", whole[..whole.len() - 3].to_vec(), 3),
        ("4 GB", vec![0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3], 8),
        ("reserved flags", frame(0x40, b""), 3),
    ] {
        let path = format!("POST {SERVICE}/StoreMemory");
        let kind = ["content-type: application/grpc-web+proto"];
        let answer = http1(server.address(), &path, &kind, &body);
        assert_eq!(web_ending(&answer).code, code, "{what}: {answer:?}");
        let kind = [
            "content-type: application/connect+proto",
            "connect-protocol-version: 1",
        ];
        let path = format!("POST {SERVICE}/BatchStoreMemories");
        let answer = http1(server.address(), &path, &kind, &body);
        let name = if code == 8 {
            "resource_exhausted"
        } else {
            "invalid_argument"
        };
        assert!(answer.text().contains(name), "{what}: {answer:?}");
    }
    let kind = ["content-type: application/grpc-web-text"];
    let answer = http1(
        server.address(),
        &format!("POST {SERVICE}/StoreMemory"),
        &kind,
        b"!!!not base64!!!",
    );
    assert!(answer.status == 200 || answer.status == 400, "{answer:?}");
    server.unharmed();
}

#[tokio::test]
async fn messages_that_are_none() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        deep.extend([0x0b]);
    }
    for (what, message) in [
        ("content that is not UTF-8", &b"\x0a\x02\xc3\x28"[..]),
        (
            "a label that is not UTF-8",
            b"\x12\x06\x0a\x01a\x12\x01\xff",
        ),
        ("a length beyond the end", b"\x0a\x7fabc"),
        (
            "a length of 2^63",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc",
        ),
        (
            "a varint without an end",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("field number 0", b"\x00\x01"),
        ("a group without an end", b"\x0b"),
        ("groups in groups", &deep),
        ("a wire type that is none", b"\x0f"),
        ("packed floats, cut", b"\x1a\x03\x00\x00\x80"),
    ] {
        let mut http2 = Http2::connect(server.address()).await;
        let ending = http2
            .call(&format!("{SERVICE}/StoreMemory"), &[], &frame(0, message))
            .await;
        // gRPC's own servers say INTERNAL for a message that they cannot read.
        assert!(matches!(ending.code, 3 | 13), "{what}: {ending:?}");
        assert!(!ending.message.is_empty(), "{what}");
        let kind = [
            "content-type: application/proto",
            "connect-protocol-version: 1",
        ];
        let answer = http1(
            server.address(),
            &format!("POST {SERVICE}/StoreMemory"),
            &kind,
            message,
        );
        let code = answer.json()["code"].clone();
        assert!(
            code == "invalid_argument" || code == "internal",
            "{what}: {answer:?}"
        );
    }
    assert_eq!(server.total().await, 0);
    server.unharmed();
}

#[tokio::test]
async fn messages_over_the_limit_in_both_directions() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut client = server.memories().await.max_decoding_message_size(64 << 20);
    let status = client.store_memory(memory(5 << 20)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let (limit, size) = (
        (4 << 20).to_string(),
        memory(5 << 20).encoded_len().to_string(),
    );
    assert!(
        status.message().contains(&limit) && status.message().contains(&size),
        "{status}"
    );
    for _ in 0..5 {
        client.store_memory(memory(1 << 20)).await.unwrap();
    }
    let search = SearchTextRequest {
        query: "a".into(),
        ..SearchTextRequest::default()
    };
    let status = client.search_text(search).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(&limit), "{status}");
    let rest = http1(
        server.address(),
        "POST /v1/memories:searchText",
        &[crate::ask::JSON],
        br#"{"query":"a"}"#,
    );
    assert_eq!(rest.json()["code"], 8, "{rest:?}");
    // One by one they are no larger than anybody may send.
    let mut stream = client
        .stream_memories(StreamMemoriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut count = 0;
    while stream.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 5);
    server.unharmed();
}
