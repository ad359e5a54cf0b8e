//! Every encoding, read and written by every protocol.

use bytes::Bytes;
use http::HeaderValue;
use portolan_rpc::compression::Encoding;

use crate::client::{Wire, send};
use crate::contract::Item;
use crate::said::inflated;
use crate::upstream::{frame, shelf};

const ENCODINGS: [Encoding; 5] = [
    Encoding::Gzip,
    Encoding::Brotli,
    Encoding::Zstd,
    Encoding::Deflate,
    Encoding::Snappy,
];

/// What shrinks.
fn large() -> Item {
    Item {
        name: "n".repeat(5000),
        ..Item::default()
    }
}

#[tokio::test]
async fn bodies_go_both_ways() {
    let gateway = shelf();
    for wire in [Wire::ConnectProto, Wire::ConnectJson, Wire::RestArray] {
        for encoding in ENCODINGS {
            let name = encoding.name();
            let body = encoding.compress(&wire.payload(&large())).into_owned();
            let more = [("content-encoding", name), ("accept-encoding", name)];
            let answer = send(&gateway, wire.raw("Act", false, &more, body)).await;
            assert_eq!(answer.header("content-encoding"), name, "{wire:?}");
            assert!(answer.body.len() < 1000 && inflated(&answer).len() > 5000);
            assert_eq!(wire.read("Act", &answer).messages, [large()]);
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let gateway = shelf();
    for (wire, encoded, accepted) in [
        (
            Wire::ConnectProto,
            "connect-content-encoding",
            "connect-accept-encoding",
        ),
        (
            Wire::ConnectJson,
            "connect-content-encoding",
            "connect-accept-encoding",
        ),
        (Wire::GrpcJson, "grpc-encoding", "grpc-accept-encoding"),
        (Wire::WebJson, "grpc-encoding", "grpc-accept-encoding"),
    ] {
        for encoding in ENCODINGS {
            let name = encoding.name();
            let frames = [
                frame(1, &encoding.compress(&wire.payload(&large()))),
                frame(0, &wire.payload(&large())),
            ];
            let more = [(encoded, name), (accepted, name)];
            let answer = send(&gateway, wire.raw("Chat", true, &more, frames.concat())).await;
            assert_eq!(answer.header(encoded), name, "{wire:?}");
            assert!(answer.body.len() < 1500, "{wire:?} {name}");
            assert_eq!(wire.read("Chat", &answer).messages, [large(), large()]);
        }
        // Who lists what it can read behind identity does not wish for it.
        let more = [(accepted, "identity, gzip")];
        let answer = send(&gateway, wire.request("Chat", &[large()], &more)).await;
        assert_eq!(answer.header(encoded), "", "{wire:?}");
        assert_eq!(wire.read("Chat", &answer).messages, [large()]);
    }
}

#[tokio::test]
async fn a_service_need_not_know_more_than_gzip() {
    let gateway = shelf();
    for wire in [Wire::Grpc, Wire::Web] {
        for encoding in ENCODINGS {
            for method in ["Act", "Chat"] {
                let message = frame(1, &encoding.compress(&wire.payload(&large())));
                let more = [("grpc-encoding", encoding.name())];
                let answer = send(&gateway, wire.raw(method, true, &more, message)).await;
                let said = wire.read(method, &answer);
                assert_eq!((said.code, &said.messages), (0, &vec![large()]), "{said:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_only_the_service_may_know_passes() {
    let gateway = shelf();
    let message = frame(1, b"?");
    let request = Wire::Grpc.raw("Act", false, &[("grpc-encoding", "lz4")], message);
    let answer = send(&gateway, request).await;
    // This service does not know it either, and says so in its own words.
    let said = Wire::Grpc.read("Act", &answer);
    assert_ne!(said.code, 0);
    assert!(!said.message.contains("is not spoken here"), "{said:?}");
}

#[tokio::test]
async fn bombs_of_every_kind_are_stopped() {
    let gateway = shelf();
    let bomb = vec![b' '; 20 << 20];
    for encoding in ENCODINGS {
        let name = encoding.name();
        let bomb = Bytes::from(encoding.compress(&bomb).into_owned());
        assert!(bomb.len() < 1 << 20);
        for (wire, method, header) in [
            (Wire::ConnectJson, "Act", "content-encoding"),
            (Wire::ConnectProto, "Chat", "connect-content-encoding"),
            (Wire::GrpcJson, "Chat", "grpc-encoding"),
        ] {
            let body = match method {
                "Act" => bomb.clone(),
                _ => frame(1, &bomb),
            };
            let request = wire.raw(method, method == "Chat", &[(header, name)], body);
            let said = wire.read(method, &send(&gateway, request).await);
            assert_eq!(said.code, 8, "{wire:?} {name}: {said:?}");
            assert!(said.message.contains("over the limit of"), "{said:?}");
        }
        let mut request = Wire::RestArray.raw("Act", false, &[], bomb);
        let value = HeaderValue::from_static(name);
        request.headers_mut().insert("content-encoding", value);
        assert_eq!(send(&gateway, request).await.status, 413, "{name}");
    }
}
