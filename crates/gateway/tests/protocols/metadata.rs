//! What travels beside the messages, both ways, and what must not.

use http::Version;
use portolan_gateway::{Body, Options};

use crate::client::{ALL, Wire, get, request, send};
use crate::contract::Item;
use crate::upstream::{answering, said, shelf, shelf_with};

#[tokio::test]
async fn metadata_travels_on_every_protocol() {
    let gateway = shelf();
    for wire in ALL {
        for method in ["Act", "List", "Collect", "Chat"] {
            let more = [("x-in", "there and back"), ("in-bin", "AQI=")];
            let said = wire
                .call(&gateway, method, &[Item::counted("n", 1)], &more)
                .await;
            assert_eq!(
                said.metadata["x-out"], "there and back",
                "{wire:?} {method}"
            );
            assert_eq!(said.metadata["out-bin"], "AQI", "{wire:?} {method}");
            assert_eq!(said.trailers["x-tail"], "end", "{wire:?} {method}");
            assert_eq!(said.trailers["tail-bin"], "AwQ", "{wire:?} {method}");
        }
    }
}

#[tokio::test]
async fn on_http_1_the_trailers_of_unary_rest_are_headers() {
    let gateway = shelf();
    let mut old = get("/v1/items/n");
    *old.version_mut() = Version::HTTP_11;
    let answer = send(&gateway, old).await;
    assert_eq!(
        (
            answer.header("grpc-trailer-x-tail"),
            answer.header("grpc-trailer-tail-bin")
        ),
        ("end", "AwQ")
    );
    assert!(answer.trailers.is_empty() && !answer.headers.contains_key("x-tail"));
    let answer = send(&gateway, get("/v1/items/n")).await;
    assert_eq!(answer.trailers["x-tail"], "end");
    assert!(
        !answer.headers.contains_key("grpc-trailer-x-tail")
            && !answer.trailers.contains_key("grpc-status")
    );
}

#[tokio::test]
async fn what_belongs_to_the_protocol_does_not_reach_the_service() {
    let (gateway, seen) = shelf_with(Options::default());
    let more = [
        ("grpc-status", "0"),
        ("grpc-metadata-grpc-status", "0"),
        ("grpc-metadata-grpc-timeout", "1S"),
        ("grpc-metadata-content-type", "text/plain"),
        ("grpc-metadata-connection", "close"),
        ("grpc-encoding", "identity"),
        ("connect-protocol-version", "1"),
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "h"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("host", "h"),
        ("grpc-metadata-tenant", "t"),
        ("authorization", "Bearer x"),
        ("x-several", "1"),
        ("x-several", "2"),
    ];
    for wire in [Wire::RestArray, Wire::ConnectJson, Wire::ConnectProto] {
        let request = wire.request("Act", &[Item::default()], &more);
        assert_eq!(send(&gateway, request).await.status, 200);
        let (path, headers) = seen.lock().unwrap().pop_front().unwrap();
        assert_eq!(path, "/shelf.v1.ShelfService/Act");
        let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["authorization", "content-type", "te", "tenant", "x-several"],
            "{wire:?}"
        );
        assert!(headers["content-type"] == "application/grpc" && headers["te"] == "trailers");
        assert_eq!(headers.get_all("x-several").iter().count(), 2);
    }
    for wire in [Wire::Grpc, Wire::Web, Wire::GrpcJson] {
        send(&gateway, wire.request("Act", &[Item::default()], &more)).await;
        let (_, headers) = seen.lock().unwrap().pop_front().unwrap();
        for name in [
            "connection",
            "x-hop",
            "keep-alive",
            "transfer-encoding",
            "content-length",
        ] {
            assert!(!headers.contains_key(name), "{wire:?} {name}");
        }
        assert_eq!(headers["content-type"], "application/grpc");
    }
}

#[tokio::test]
async fn a_service_cannot_spoil_the_response() {
    let gateway = answering(|| {
        let mut response = said(
            &[Item::named("n")],
            &[
                ("grpc-status", "0"),
                ("content-length", "9"),
                ("x-tail", "t"),
            ],
        );
        let more = [
            ("content-length", "3"),
            ("content-encoding", "br"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-hop"),
            ("x-hop", "h"),
            ("trailer", "x"),
            ("x-kept", "k"),
        ];
        response
            .headers_mut()
            .extend(crate::upstream::headers(&more));
        response
    });
    for wire in ALL {
        for method in ["Act", "List"] {
            let answer = send(&gateway, wire.request(method, &[Item::default()], &[])).await;
            let said = wire.read(method, &answer);
            assert_eq!(
                (said.code, said.messages),
                (0, vec![Item::named("n")]),
                "{wire:?}"
            );
            for name in [
                "content-length",
                "transfer-encoding",
                "connection",
                "x-hop",
                "trailer",
            ] {
                assert!(!answer.headers.contains_key(name), "{wire:?} {name}");
            }
            assert_eq!(answer.header("x-kept"), "k");
        }
    }
}

#[tokio::test]
async fn negotiated_answers_say_so() {
    let gateway = shelf();
    let answer = send(&gateway, get("/v1/items/n")).await;
    assert_eq!(answer.header("vary"), "accept-encoding");
    for accept in [
        "application/json",
        "application/x-ndjson",
        "text/event-stream",
    ] {
        let answer = send(
            &gateway,
            request(
                "GET",
                "/v1/items?count=1",
                &[("accept", accept)],
                Body::empty(),
            ),
        )
        .await;
        assert_eq!(
            (answer.header("vary"), answer.header("content-type")),
            ("accept", accept)
        );
    }
    let answer = send(
        &gateway,
        get("/shelf.v1.ShelfService/Echo?encoding=json&message=%7B%7D"),
    )
    .await;
    assert_eq!(answer.header("vary"), "accept-encoding");
}
