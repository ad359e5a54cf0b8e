//! REST requests that no route takes, and content that no route reads.

use portolan_gateway::Options;

use crate::client::{get, post_json, request, send};
use crate::upstream::{shelf, shelf_with};

#[tokio::test]
async fn what_is_not_there_says_so() {
    let gateway = shelf();
    for (method, uri, status, code, allow) in [
        ("GET", "/", 404, 5, ""),
        ("GET", "/v1/nowhere", 404, 5, ""),
        ("POST", "/shelf.v1.ShelfService/Nope", 404, 5, ""),
        ("GET", "/v1/items/", 404, 5, ""),
        ("POST", "/v1/items/n", 405, 12, "GET, REPORT"),
        ("PUT", "/v1/items", 405, 12, "GET, POST"),
        ("GET", "/shelf.v1.ShelfService/Act", 405, 12, "POST"),
        ("DELETE", "/v1/items:collect", 405, 12, "POST"),
        ("HEAD", "/v1/items:collect", 405, 12, "POST"),
    ] {
        let answer = send(&gateway, request(method, uri, &[], Vec::new())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (status, allow),
            "{method} {uri}"
        );
        if method != "HEAD" {
            assert_eq!(answer.json()["code"], code, "{method} {uri}");
            assert!(!answer.json()["message"].as_str().unwrap().is_empty());
        }
    }
    let answer = send(&gateway, get("/shelf.v1.ShelfService/Echo")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("`encoding`"));
    let answer = send(&gateway, get("/grpc/shelf/act")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "DELETE, PATCH, POST, PUT")
    );
    assert!(answer.json()["detail"].is_string());
}

#[tokio::test]
async fn a_rule_for_every_path_leaves_named_routes_their_methods() {
    // `GET /v1/files/{name=**}` is a rule of the contract.
    for base in ["/v1/files", "/V1/Files/", "v1/files"] {
        let (gateway, _) = shelf_with(Options {
            named_path: Some(base.to_owned()),
            ..Options::default()
        });
        for (method, uri, status) in [
            ("POST", "/v1/files/shelf/act", 200),
            ("PUT", "/v1/files/shelf/act", 200),
            ("POST", "/v1/files/shelf/nope", 405),
            // Rules come first.
            ("GET", "/v1/files/shelf/act", 200),
            ("REPORT", "/v1/files/shelf/act", 405),
        ] {
            let answer = send(&gateway, request(method, uri, &[], Vec::new())).await;
            assert_eq!(answer.status.as_u16(), status, "{base} {method} {uri}");
            if method == "REPORT" {
                assert_eq!(answer.header("allow"), "DELETE, GET, PATCH, POST, PUT");
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_act_by_what_looks_like_a_form() {
    let gateway = shelf();
    let own = ("host", "a.example");
    for (origin, content_type, status) in [
        ("https://evil.example", None, 403),
        ("null", None, 403),
        ("https://a.example", None, 200),
        // Browsers ask before they send these, and whoever knows the origins has
        // answered.
        ("https://evil.example", Some("application/json"), 200),
    ] {
        for uri in [
            "/grpc/shelf/act?name=n",
            "/shelf.v1.ShelfService/Act?name=n",
        ] {
            let mut headers = vec![own, ("origin", origin)];
            headers.extend(content_type.map(|value| ("content-type", value)));
            let body = content_type.map_or_else(Vec::new, |_| b"{}".to_vec());
            let answer = send(&gateway, request("POST", uri, &headers, body)).await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{origin} {uri} {}",
                answer.text()
            );
        }
    }
    let trusted = {
        let mut asked = request("POST", "/grpc/shelf/act?name=n", &[own], Vec::new());
        let origin = http::HeaderValue::from_static("https://friend.example");
        asked.headers_mut().insert("origin", origin);
        asked
            .extensions_mut()
            .insert(portolan_gateway::TrustedOrigin);
        asked
    };
    assert_eq!(send(&gateway, trusted).await.status, 200);
}

#[tokio::test]
async fn a_base_of_named_routes_is_taken_however_it_is_written() {
    for base in ["/API", "API/", "/api"] {
        let (gateway, _) = shelf_with(Options {
            named_path: Some(base.to_owned()),
            ..Options::default()
        });
        for uri in ["/api/shelf/act", "/API/Shelf/Act"] {
            let answer = send(&gateway, post_json(uri, "{}")).await;
            assert_eq!(answer.status, 200, "{base} {uri}");
        }
    }
}

#[tokio::test]
async fn only_json_is_taken() {
    let gateway = shelf();
    for content_type in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
    ] {
        for uri in [
            "/v1/items",
            "/shelf.v1.ShelfService/Act",
            "/grpc/shelf/act",
            "/v1/items:collect",
        ] {
            let answer = send(
                &gateway,
                request(
                    "POST",
                    uri,
                    &[("content-type", content_type)],
                    b"{}".to_vec(),
                ),
            )
            .await;
            assert_eq!(answer.status, 415, "{content_type} {uri}");
            assert_eq!(answer.header("accept-post"), "application/json");
            let told = if uri.starts_with("/grpc") {
                &answer.json()["detail"]
            } else {
                &answer.json()["message"]
            };
            assert!(told.as_str().unwrap().contains("application/json"));
        }
    }
    for content_type in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
    ] {
        let answer = send(
            &gateway,
            request(
                "POST",
                "/v1/items",
                &[("content-type", content_type)],
                b"{}".to_vec(),
            ),
        )
        .await;
        assert_eq!(answer.status, 200, "{content_type}");
    }
    let unknown = [
        ("content-type", "application/json"),
        ("content-encoding", "lz4"),
    ];
    for uri in ["/v1/items", "/v1/items:collect"] {
        let answer = send(&gateway, request("POST", uri, &unknown, b"{}".to_vec())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("accept-encoding")),
            (415, "gzip, br, zstd, deflate, snappy")
        );
        assert_eq!(
            answer.json()["message"],
            "the encoding `lz4` is not spoken here; \
             use one of gzip, br, zstd, deflate, snappy or identity"
        );
    }
    let zipped = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let answer = send(
        &gateway,
        request("POST", "/v1/items:collect", &zipped, b"{}".to_vec()),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("accept-encoding")),
        (415, "identity")
    );
    // The protocols with frames answer by status alone.
    for content_type in [
        "application/grpc+xml",
        "application/grpc-web+thrift",
        "application/connect+xml",
    ] {
        let answer = send(
            &gateway,
            request(
                "POST",
                "/shelf.v1.ShelfService/Chat",
                &[("content-type", content_type)],
                Vec::new(),
            ),
        )
        .await;
        assert_eq!(answer.status, 415);
        assert!(!answer.header("accept-post").is_empty());
    }
    for content_type in [
        "application/grpc",
        "application/grpc-web",
        "application/connect+proto",
    ] {
        let answer = send(
            &gateway,
            request(
                "GET",
                "/shelf.v1.ShelfService/Chat",
                &[("content-type", content_type)],
                Vec::new(),
            ),
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (405, "POST"),
            "{content_type}"
        );
    }
    // A unary RPC is not for frames, nor a stream for plain bodies.
    let answer = send(
        &gateway,
        request(
            "POST",
            "/shelf.v1.ShelfService/Act",
            &[("content-type", "application/connect+json")],
            Vec::new(),
        ),
    )
    .await;
    assert_eq!(answer.status, 415);
    let answer = send(
        &gateway,
        request(
            "POST",
            "/shelf.v1.ShelfService/Chat",
            &[("content-type", "application/proto")],
            Vec::new(),
        ),
    )
    .await;
    assert_eq!(answer.status, 415);
}

#[tokio::test]
async fn a_gateway_without_named_routes_has_none() {
    let (gateway, _) = shelf_with(Options {
        named_path: None,
        ..Options::default()
    });
    assert_eq!(
        send(&gateway, post_json("/grpc/shelf/act", "{}"))
            .await
            .status,
        404
    );
    let (gateway, _) = shelf_with(Options {
        named_path: Some("/api/".into()),
        ..Options::default()
    });
    assert_eq!(
        send(&gateway, post_json("/api/shelf/act", "{}"))
            .await
            .status,
        200
    );
}
