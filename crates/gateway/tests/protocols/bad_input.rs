//! Bytes that are no request: each gets its status, none a panic.

use bytes::Bytes;
use portolan_gateway::{Body, Options};

use crate::client::{ALL, Wire, get, gzip, request, send};
use crate::contract::Item;
use crate::upstream::{frame, shelf, shelf_with};

#[tokio::test]
async fn json_that_is_not_the_message() {
    let gateway = shelf();
    for (json, part) in [
        (&br#"{"nope":1}"#[..], "unknown field `nope`"),
        (br#"{"count":"x"}"#, "$.count"),
        (br#"{"count":1.5}"#, "$.count"),
        (br#"{"name":1}"#, "expected a string"),
        (br#"{"tags":"a"}"#, "$.tags"),
        (br#"{"place":{"row":true}}"#, "$.place.row"),
        (br#"{"kind":"KIND_NOPE"}"#, "$.kind"),
        (br#"{"madeAt":"soon"}"#, "$.madeAt"),
        (br#"{"name":"a"#, "byte"),
        (br#"{"name":"a","#, "byte"),
        (br#"{"name":"a"}}"#, ""),
        (b"{\"name\":\"\xff\"}", "byte"),
        (b"{\"name\":\"\\ud800\"}", "byte"),
        (b"\xff\xfe", "byte"),
        (b"nul", "byte"),
        (b"[", ""),
        (b"7", ""),
        (b"\"a\"", ""),
        (b"\0", ""),
    ] {
        for wire in ALL.into_iter().filter(|wire| wire.is_json()) {
            for method in ["Act", "Chat"] {
                let streams = method == "Chat";
                let body = wire.pack(streams, &[Bytes::from_static(json)]);
                let answer = send(&gateway, wire.raw(method, streams, &[], body)).await;
                let said = wire.read(method, &answer);
                let shown = String::from_utf8_lossy(json);
                assert_eq!(said.code, 3, "{wire:?} {method} {shown} {said:?}");
                if !(wire.is_rest() && streams) {
                    assert!(
                        said.message.contains(part),
                        "{wire:?} {shown} {}",
                        said.message
                    );
                }
                if wire.is_rest() && said.messages.is_empty() {
                    assert_eq!(answer.status, 400, "{wire:?} {shown}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_name_of_a_megabyte_is_not_told_back() {
    let gateway = shelf();
    let json = format!("{{\"{}\":1}}", "k".repeat(1 << 20));
    for wire in ALL.into_iter().filter(|wire| wire.is_json()) {
        for method in ["Act", "Chat"] {
            let streams = method == "Chat";
            let body = wire.pack(streams, &[Bytes::from(json.clone())]);
            let answer = send(&gateway, wire.raw(method, streams, &[], body)).await;
            let said = wire.read(method, &answer);
            assert_eq!(said.code, 3, "{wire:?} {method}");
            assert!(
                said.message.contains("unknown field `kkk"),
                "{}",
                said.message
            );
            assert!(said.message.len() < 200, "{wire:?} {method}");
        }
    }
}

#[tokio::test]
async fn ten_megabytes_of_brackets() {
    let brackets = vec![b'['; 10_000_000];
    let fields: Vec<u8> = b"{\"place\":".repeat(1_000_000);
    for limit in [4 << 20, 64 << 20] {
        let (gateway, _) = shelf_with(Options {
            max_message_size: limit,
            ..Options::default()
        });
        for body in [&brackets, &fields] {
            for wire in [
                Wire::GrpcJson,
                Wire::WebJson,
                Wire::ConnectJson,
                Wire::RestArray,
            ] {
                for method in ["Act", "Chat"] {
                    let streams = method == "Chat";
                    let body = wire.pack(streams, &[Bytes::from(body.clone())]);
                    let said = wire.read(
                        method,
                        &send(&gateway, wire.raw(method, streams, &[], body)).await,
                    );
                    assert!(
                        said.code == if limit < 10_000_000 { 8 } else { 3 },
                        "{wire:?} {method} {said:?}"
                    );
                }
            }
            let answer = send(
                &gateway,
                request(
                    "POST",
                    "/v1/items:collect",
                    &[("content-type", "application/json")],
                    body.clone(),
                ),
            )
            .await;
            assert_eq!(
                answer.status.as_u16(),
                if limit < 10_000_000 { 413 } else { 400 }
            );
        }
    }
}

#[tokio::test]
async fn frames_that_are_none() {
    let gateway = shelf();
    let whole = |wire: Wire| frame(0, &wire.payload(&Item::named("abc")));
    for wire in ALL.into_iter().filter(|wire| !wire.is_rest()) {
        for method in ["Act", "Chat"] {
            if wire.is_connect() && method == "Act" {
                continue;
            }
            let whole = whole(wire);
            let mut cases: Vec<(Vec<u8>, i32)> = (1..whole.len())
                .map(|cut| (whole[..cut].to_vec(), 3))
                .collect();
            cases.push(([&whole[..], &[0]].concat(), 3));
            for flags in [2, 4, 8, 0x80, 0xff] {
                cases.push((frame(flags, &wire.payload(&Item::default())).to_vec(), 3));
            }
            if wire.is_json() || wire.is_connect() {
                // Compressed, but nobody said how.
                cases.push((frame(1, &gzip(b"{}")).to_vec(), 13));
            }
            for (body, code) in cases {
                let sent = if wire == Wire::WebText {
                    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body)
                        .into_bytes()
                } else {
                    body.clone()
                };
                let said = wire.read(
                    method,
                    &send(&gateway, wire.raw(method, true, &[], sent)).await,
                );
                assert_eq!(said.code, code, "{wire:?} {method} {body:?} {said:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_message_at_all() {
    let gateway = shelf();
    for wire in [
        Wire::Grpc,
        Wire::GrpcJson,
        Wire::Web,
        Wire::WebText,
        Wire::WebJson,
    ] {
        let said = wire.read(
            "Act",
            &send(&gateway, wire.raw("Act", false, &[], Body::empty())).await,
        );
        assert_eq!(
            (said.code, said.message.as_str()),
            (12, "the request has no message, and the method takes one"),
            "{wire:?}"
        );
    }
    // Of no bytes, protobuf and REST make an empty message, and JSON none.
    for (wire, code) in [
        (Wire::ConnectProto, 0),
        (Wire::ConnectJson, 3),
        (Wire::RestArray, 0),
    ] {
        assert_eq!(
            wire.read(
                "Act",
                &send(&gateway, wire.raw("Act", false, &[], Body::empty())).await
            )
            .code,
            code,
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn base64_that_is_none() {
    let gateway = shelf();
    for body in [
        "A",
        "AA",
        "AAA",
        "AAAAAAI",
        "****",
        "AAAAAAAA=",
        "=AAA",
        "A=AA",
        "AAAA\u{e9}AAA",
    ] {
        for method in ["Act", "Chat"] {
            let answer = send(
                &gateway,
                Wire::WebText.raw(method, true, &[], body.as_bytes().to_vec()),
            )
            .await;
            let said = Wire::WebText.read(method, &answer);
            assert_eq!(
                (said.code, said.message.as_str()),
                (3, "the request is not valid base64"),
                "{body} {method}"
            );
        }
    }
}

#[tokio::test]
async fn more_messages_than_the_method_takes() {
    let gateway = shelf();
    let items = [Item::named("a"), Item::named("b")];
    for (wire, method) in [
        (Wire::Grpc, "Act"),
        (Wire::GrpcJson, "Act"),
        (Wire::Web, "Act"),
        (Wire::WebText, "Act"),
        (Wire::WebJson, "Act"),
        (Wire::Grpc, "List"),
        (Wire::GrpcJson, "List"),
        (Wire::Web, "List"),
        (Wire::ConnectProto, "List"),
        (Wire::ConnectJson, "List"),
    ] {
        let said = wire.call(&gateway, method, &items, &[]).await;
        assert_eq!(
            (said.messages, said.code, said.message.as_str()),
            (
                Vec::new(),
                12,
                "the request has more than one message, and the method takes one"
            ),
            "{wire:?} {method}"
        );
    }
}

#[tokio::test]
async fn a_compressed_message_needs_an_encoding() {
    let gateway = shelf();
    for (wire, name) in [
        (Wire::Grpc, "grpc-encoding"),
        (Wire::GrpcJson, "grpc-encoding"),
        (Wire::Web, "grpc-encoding"),
        (Wire::ConnectProto, "connect-content-encoding"),
        (Wire::ConnectJson, "connect-content-encoding"),
    ] {
        for more in [&[(name, "identity")][..], &[]] {
            let frame = frame(1, &gzip(&wire.payload(&Item::default())));
            let answer = send(&gateway, wire.raw("Chat", true, more, frame)).await;
            let said = wire.read("Chat", &answer);
            assert_eq!(
                (said.code, said.message.as_str()),
                (13, "a message is compressed, but no encoding was named"),
                "{wire:?}"
            );
        }
    }
}

#[tokio::test]
async fn encodings_that_are_not_spoken() {
    let gateway = shelf();
    for (wire, method, name) in [
        (Wire::ConnectProto, "Act", "content-encoding"),
        (Wire::ConnectJson, "Act", "content-encoding"),
        (Wire::ConnectProto, "Chat", "connect-content-encoding"),
        (Wire::ConnectJson, "Chat", "connect-content-encoding"),
        (Wire::GrpcJson, "Act", "grpc-encoding"),
        (Wire::WebJson, "Chat", "grpc-encoding"),
    ] {
        let answer = send(
            &gateway,
            wire.request(method, &[Item::default()], &[(name, "lz4")]),
        )
        .await;
        let said = wire.read(method, &answer);
        assert_eq!(
            (said.code, said.message.as_str()),
            (
                12,
                "the encoding `lz4` is not spoken here; \
                 use one of gzip, br, zstd, deflate, snappy or identity"
            ),
            "{wire:?}"
        );
        if !wire.is_connect() {
            assert_eq!(
                answer.header("grpc-accept-encoding"),
                "gzip, br, zstd, deflate, snappy",
                "{wire:?}"
            );
        }
        let torn = send(
            &gateway,
            wire.raw(
                method,
                method == "Chat",
                &[(name, "gzip")],
                if method == "Act" && wire.is_connect() {
                    Bytes::from("no gzip")
                } else {
                    frame(1, b"no gzip")
                },
            ),
        )
        .await;
        assert_eq!(
            wire.read(method, &torn).message,
            "the message is not valid gzip",
            "{wire:?}"
        );
    }
    let said = Wire::ConnectJson.call(&gateway, "Chat", &[], &[]).await;
    assert_eq!(said.code, 0);
    let mut request = Wire::ConnectJson.request("Act", &[Item::default()], &[]);
    request
        .headers_mut()
        .insert("connect-protocol-version", "2".parse().unwrap());
    let said = Wire::ConnectJson.read("Act", &send(&gateway, request).await);
    assert_eq!(
        (said.code, said.message.as_str()),
        (3, "connect-protocol-version must be 1, not `2`")
    );
}

#[tokio::test]
async fn queries_that_are_no_message() {
    let gateway = shelf();
    for query in [
        "encoding=json&message=%7B",
        "encoding=json&message=",
        "encoding=proto&message=%0a%05",
        "encoding=proto&base64=1&message=A",
        "encoding=json&message=%7B%7D&connect=v2",
        "encoding=json&compression=gzip&message=xx",
        "encoding=json&message=%ff",
    ] {
        let answer = send(
            &gateway,
            get(&format!("/shelf.v1.ShelfService/Echo?{query}")),
        )
        .await;
        if query == "encoding=proto&message=%0a%05" {
            // Protobuf is the service's to read; this one gives it back.
            assert_eq!(answer.status, 200);
        } else {
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["code"]),
                (400, &"invalid_argument".into()),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_cancelled() {
    let gateway = shelf();
    for wire in ALL {
        for method in ["Act", "Collect", "Chat"] {
            let streams = method != "Act";
            let whole = wire.pack(streams, &[wire.payload(&Item::named("a"))]);
            let pieces = [
                Ok(http_body::Frame::data(Bytes::from(whole))),
                Err("reset by peer"),
            ];
            let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
                pieces,
            )));
            let answer = send(&gateway, wire.raw(method, streams, &[], body)).await;
            let said = wire.read(method, &answer);
            assert_eq!(
                (said.code, said.message.as_str()),
                (1, "the request broke off: reset by peer"),
                "{wire:?} {method}"
            );
        }
    }
}
