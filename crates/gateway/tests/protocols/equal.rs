//! The same call gets the same answer over every protocol.

use bytes::Bytes;
use portolan_gateway::Body;

use crate::client::{ALL, Wire, get, gzip, send};
use crate::contract::Item;
use crate::said::inflated;
use crate::upstream::shelf;

const PATH: &str = "/shelf.v1.ShelfService";

#[tokio::test]
async fn unary() {
    let gateway = shelf();
    for wire in ALL {
        for method in ["Echo", "Act"] {
            for item in [Item::full(), Item::default()] {
                let said = wire
                    .call(&gateway, method, std::slice::from_ref(&item), &[])
                    .await;
                assert_eq!((said.code, said.messages), (0, vec![item]), "{wire:?}");
                assert_eq!(said.trailers["x-tail"], "end", "{wire:?}");
                assert_eq!(said.trailers["tail-bin"], "AwQ", "{wire:?}");
            }
        }
    }
}

#[tokio::test]
async fn server_streams() {
    let gateway = shelf();
    for wire in ALL {
        for count in [0, 1, 300] {
            let said = wire
                .call(&gateway, "List", &[Item::counted("n", count)], &[])
                .await;
            let expected: Vec<Item> = (0..count).map(|n| Item::counted("n", n)).collect();
            assert_eq!((said.code, said.messages), (0, expected), "{wire:?}");
            assert_eq!(said.trailers["x-tail"], "end", "{wire:?}");
        }
    }
}

#[tokio::test]
async fn client_streams() {
    let gateway = shelf();
    for wire in ALL {
        for count in [0, 1, 300] {
            let items: Vec<Item> = (0..count)
                .map(|n| Item::counted(&n.to_string(), n))
                .collect();
            let said = wire.call(&gateway, "Collect", &items, &[]).await;
            let sum = Item {
                count: (0..count).sum(),
                tags: (0..count).map(|n| n.to_string()).collect(),
                ..Item::default()
            };
            assert_eq!((said.code, said.messages), (0, vec![sum]), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn streams_both_ways() {
    let gateway = shelf();
    for wire in ALL {
        for items in [
            vec![],
            vec![Item::full(), Item::default(), Item::counted("z", 1)],
        ] {
            let said = wire.call(&gateway, "Chat", &items, &[]).await;
            assert_eq!((said.code, said.messages), (0, items), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn a_body_may_come_byte_by_byte() {
    let gateway = shelf();
    let items = [Item::full(), Item::counted("z", 1)];
    for wire in ALL {
        for method in ["Chat", "Act"] {
            let items = &items[..if method == "Act" { 1 } else { 2 }];
            let (head, body) = wire.request(method, items, &[]).into_parts();
            let whole = http_body_util::BodyExt::collect(body)
                .await
                .unwrap()
                .to_bytes();
            let bytes = (0..whole.len()).map(move |at| {
                Ok::<_, std::convert::Infallible>(http_body::Frame::data(whole.slice(at..=at)))
            });
            let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
                bytes,
            )));
            let answer = send(&gateway, http::Request::from_parts(head, body)).await;
            assert_eq!(
                wire.read(method, &answer).messages,
                items,
                "{wire:?} {method}"
            );
        }
    }
}

#[tokio::test]
async fn http_1_answers_the_same() {
    let gateway = shelf();
    let items = [Item::full(), Item::counted("z", 1)];
    for wire in ALL.into_iter().filter(|wire| wire.protocol() != "grpc") {
        for (method, count) in [
            ("Echo", 1),
            ("Act", 1),
            ("List", 1),
            ("Collect", 2),
            ("Chat", 2),
        ] {
            let new = wire.request(method, &items[..count], &[]);
            let mut old = wire.request(method, &items[..count], &[]);
            *old.version_mut() = http::Version::HTTP_11;
            let (new, old) = (send(&gateway, new).await, send(&gateway, old).await);
            assert_eq!(
                wire.read(method, &new),
                wire.read(method, &old),
                "{wire:?} {method}"
            );
        }
    }
}

#[tokio::test]
async fn grpc_needs_http_2() {
    let gateway = shelf();
    for wire in [Wire::Grpc, Wire::GrpcJson] {
        for version in [http::Version::HTTP_10, http::Version::HTTP_11] {
            let mut old = wire.request("Act", &[Item::default()], &[]);
            *old.version_mut() = version;
            let answer = send(&gateway, old).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.len()),
                (505, 0),
                "{wire:?}"
            );
        }
    }
}

#[tokio::test]
async fn connect_reads_by_get() {
    let gateway = shelf();
    let item = Item::full();
    let encoded = |bytes: &[u8]| {
        percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let base64 = |bytes: &[u8]| {
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes)
    };
    let padded =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE, bytes);
    let (json, wire) = (item.json(), item.wire());
    for (query, proto) in [
        (
            format!("encoding=json&message={}", encoded(json.as_bytes())),
            false,
        ),
        (
            format!("encoding=json&base64=1&message={}", base64(json.as_bytes())),
            false,
        ),
        (
            format!("connect=v1&encoding=proto&message={}", encoded(&wire)),
            true,
        ),
        (
            format!(
                "message={}&encoding=proto&base64=1&connect=v1",
                base64(&wire)
            ),
            true,
        ),
        (
            format!(
                "message={}&encoding=proto&base64=1",
                encoded(padded(&wire).as_bytes())
            ),
            true,
        ),
        (
            format!(
                "compression=gzip&base64=1&encoding=json&message={}",
                base64(&gzip(json.as_bytes()))
            ),
            false,
        ),
        (
            format!(
                "compression=gzip&base64=1&encoding=proto&message={}",
                base64(&gzip(&wire))
            ),
            true,
        ),
    ] {
        let answer = send(&gateway, get(&format!("{PATH}/Echo?{query}"))).await;
        let wire = if proto {
            Wire::ConnectProto
        } else {
            Wire::ConnectJson
        };
        assert_eq!(
            wire.read("Echo", &answer).messages,
            std::slice::from_ref(&item),
            "{query}"
        );
    }
    // What has side effects is not for GET.
    let answer = send(
        &gateway,
        get(&format!("{PATH}/Act?encoding=json&message=%7B%7D")),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
    let answer = send(
        &gateway,
        get(&format!("{PATH}/Echo?encoding=xml&message=%7B%7D")),
    )
    .await;
    assert_eq!(answer.status, 415);
    let answer = send(
        &gateway,
        get(&format!(
            "{PATH}/Echo?encoding=json&message=%7B%7D&compression=lz4"
        )),
    )
    .await;
    assert_eq!(answer.status, 501);
    assert_eq!(answer.json()["code"], "unimplemented");
}

#[tokio::test]
async fn gzip_goes_both_ways() {
    let gateway = shelf();
    let item = Item {
        name: "n".repeat(5000),
        ..Item::default()
    };
    for wire in [Wire::ConnectProto, Wire::ConnectJson, Wire::RestArray] {
        let body = gzip(&wire.payload(&item));
        let more = [
            ("content-encoding", "gzip"),
            ("accept-encoding", "br;q=0.5, gzip"),
        ];
        let answer = send(&gateway, wire.raw("Act", false, &more, body)).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "{wire:?}");
        assert!(
            answer
                .header("vary")
                .to_ascii_lowercase()
                .contains("accept-encoding"),
            "{wire:?}: {answer:?}"
        );
        assert!(answer.body.len() < 1000 && inflated(&answer).len() > 5000);
        assert_eq!(
            wire.read("Act", &answer).messages,
            std::slice::from_ref(&item),
            "{wire:?}"
        );
        // Nobody asked: nothing is compressed.
        let answer = send(
            &gateway,
            wire.request("Act", std::slice::from_ref(&item), &[]),
        )
        .await;
        assert_eq!(answer.header("content-encoding"), "");
        // An empty body is an empty message, whatever it is said to be.
        let answer = send(&gateway, wire.raw("Act", false, &more, Bytes::new())).await;
        let expected = if wire == Wire::ConnectJson { 3 } else { 0 };
        assert_eq!(wire.read("Act", &answer).code, expected, "{wire:?}");
    }
    for wire in [Wire::ConnectProto, Wire::ConnectJson] {
        let frames = [
            crate::upstream::frame(1, &gzip(&wire.payload(&item))),
            crate::upstream::frame(0, &wire.payload(&item)),
        ];
        let more = [
            ("connect-content-encoding", "gzip"),
            ("connect-accept-encoding", "gzip"),
        ];
        let answer = send(&gateway, wire.raw("Chat", true, &more, frames.concat())).await;
        assert_eq!(answer.header("connect-content-encoding"), "gzip");
        assert!(answer.body.len() < 1000);
        assert_eq!(
            wire.read("Chat", &answer).messages,
            [item.clone(), item.clone()],
            "{wire:?}"
        );
    }
    // gRPC-Web passes compressed messages on as they are; with JSON inside the
    // gateway reads them.
    for wire in [
        Wire::Grpc,
        Wire::GrpcJson,
        Wire::Web,
        Wire::WebText,
        Wire::WebJson,
    ] {
        let framed = crate::upstream::frame(1, &gzip(&wire.payload(&item)));
        let body = if wire == Wire::WebText {
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, framed).into_bytes()
        } else {
            framed.to_vec()
        };
        let answer = send(
            &gateway,
            wire.raw("Act", false, &[("grpc-encoding", "gzip")], body),
        )
        .await;
        assert_eq!(
            wire.read("Act", &answer).messages,
            std::slice::from_ref(&item),
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn an_rpc_that_the_contract_lacks_is_the_services_to_refuse() {
    let gateway = shelf();
    for wire in [Wire::Grpc, Wire::Web, Wire::WebText] {
        let said = wire
            .call(&gateway, "Nothing", &[Item::default()], &[])
            .await;
        assert_eq!((said.code, said.message.as_str()), (12, "no such method"));
    }
    for wire in [Wire::GrpcJson, Wire::WebJson] {
        let said = wire
            .call(&gateway, "Nothing", &[Item::default()], &[])
            .await;
        assert_eq!(
            (said.code, said.message.as_str()),
            (12, "there is no method /shelf.v1.ShelfService/Nothing")
        );
    }
    for wire in [Wire::ConnectProto, Wire::ConnectJson, Wire::RestArray] {
        let answer = send(&gateway, wire.request("Nothing", &[Item::default()], &[])).await;
        assert_eq!(answer.status, 404, "{wire:?}");
    }
    let answer = send(
        &gateway,
        Wire::ConnectJson.raw("Nothing", true, &[], Bytes::new()),
    )
    .await;
    assert_eq!(answer.status, 404);
}
