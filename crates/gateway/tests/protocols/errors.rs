//! How failed calls look on every protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use portolan_gateway::{Code, ErrorStyle, Options};
use prost::Message;
use serde_json::{Value, json};

use crate::client::{ALL, Wire, get, request, send, streams};
use crate::contract::{Any, Item, RpcStatus};
use crate::said::CONNECT_CODES;
use crate::upstream::{answering, before, said, trailers_only};

#[tokio::test]
async fn every_code_has_its_place() {
    for (number, name, http) in CONNECT_CODES {
        let number_text = number.to_string();
        let text = number_text.clone();
        let gateway = answering(move || {
            trailers_only(&[
                ("grpc-status", &text),
                ("grpc-message", "100%25 gone: %C3%A9"),
                ("x-tail", "t"),
            ])
        });
        for wire in ALL {
            for method in ["Act", "List", "Collect", "Chat"] {
                let answer = send(&gateway, wire.request(method, &[Item::default()], &[])).await;
                let said = wire.read(method, &answer);
                assert_eq!(
                    (said.code, said.message.as_str()),
                    (number, "100% gone: é"),
                    "{wire:?} {method}"
                );
                assert!(said.messages.is_empty());
                assert_eq!(said.trailers["x-tail"], "t", "{wire:?} {method}");
                // A stream that fails before its first message has a status too.
                let has_status = wire.is_rest() || (wire.is_connect() && !streams(method));
                assert_eq!(
                    answer.status.as_u16(),
                    if has_status { http } else { 200 },
                    "{wire:?} {method}"
                );
            }
        }
        let answer = send(
            &gateway,
            Wire::ConnectProto.request("Act", &[Item::default()], &[]),
        )
        .await;
        assert_eq!(
            answer.json(),
            json!({ "code": name, "message": "100% gone: é" })
        );
    }
}

#[tokio::test]
async fn numbers_that_are_no_code_are_unknown() {
    for text in ["17", "-1", "x", "99999999999"] {
        let gateway = answering(move || trailers_only(&[("grpc-status", text)]));
        for wire in [
            Wire::GrpcJson,
            Wire::WebJson,
            Wire::ConnectJson,
            Wire::RestArray,
        ] {
            assert_eq!(
                wire.call(&gateway, "Act", &[Item::default()], &[])
                    .await
                    .code,
                2,
                "{wire:?} {text}"
            );
        }
    }
}

fn with_details() -> String {
    // BadRequest { field_violations { field: "name", description: "is empty" } }
    let bad_request = b"\x0a\x10\x0a\x04name\x12\x08is empty".to_vec();
    let details = RpcStatus {
        code: 3,
        message: "bad".into(),
        details: vec![
            Any {
                type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
                value: bad_request,
            },
            Any {
                type_url: "example.org/own.Type".into(),
                value: vec![1, 255],
            },
            Any {
                type_url: "type.googleapis.com/google.protobuf.StringValue".into(),
                value: b"\x0a\x01v".to_vec(),
            },
        ],
    };
    STANDARD_NO_PAD.encode(details.encode_to_vec())
}

#[tokio::test]
async fn details_travel() {
    let encoded = with_details();
    let header = encoded.clone();
    let gateway = answering(move || {
        trailers_only(&[
            ("grpc-status", "3"),
            ("grpc-message", "bad"),
            ("grpc-status-details-bin", &header),
        ])
    });
    let violation = json!({ "field": "name", "description": "is empty" });
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation] },
        { "@type": "example.org/own.Type", "value": "Af8=" },
        { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "v" },
    ]);
    let answer = send(&gateway, get("/v1/items/n")).await;
    assert_eq!(
        answer.json(),
        json!({ "code": 3, "message": "bad", "details": details })
    );

    for wire in [Wire::Grpc, Wire::GrpcJson] {
        let answer = send(&gateway, wire.request("Act", &[Item::default()], &[])).await;
        assert_eq!(
            answer.header("grpc-status-details-bin"),
            encoded,
            "{wire:?}"
        );
    }
    let answer = send(&gateway, Wire::Web.request("Act", &[Item::default()], &[])).await;
    assert!(
        String::from_utf8_lossy(&answer.body)
            .contains(&format!("grpc-status-details-bin: {encoded}\r\n"))
    );

    let expected = json!([
        { "type": "google.rpc.BadRequest", "value": "ChAKBG5hbWUSCGlzIGVtcHR5", "debug": { "fieldViolations": [violation] } },
        { "type": "own.Type", "value": "Af8" },
        { "type": "google.protobuf.StringValue", "value": "CgF2", "debug": "v" },
    ]);
    let answer = send(
        &gateway,
        Wire::ConnectJson.request("Act", &[Item::default()], &[]),
    )
    .await;
    assert_eq!(
        answer.json(),
        json!({ "code": "invalid_argument", "message": "bad", "details": expected })
    );
    let answer = send(
        &gateway,
        Wire::ConnectJson.request("List", &[Item::default()], &[]),
    )
    .await;
    let end: Value = serde_json::from_slice(&answer.body[5..]).unwrap();
    assert_eq!(end["error"]["details"], expected);
}

#[tokio::test]
async fn details_that_cannot_be_read_cost_nothing_else() {
    for details in ["!", "////", ""] {
        let gateway = answering(move || {
            trailers_only(&[
                ("grpc-status", "5"),
                ("grpc-message", "m"),
                ("grpc-status-details-bin", details),
            ])
        });
        for wire in ALL {
            let said = wire.call(&gateway, "Act", &[Item::default()], &[]).await;
            assert_eq!((said.code, said.message.as_str()), (5, "m"), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn errors_look_as_chosen() {
    let gateway = |errors| {
        before(
            Options {
                errors,
                ..Options::default()
            },
            |_| async {
                Ok(trailers_only(&[
                    ("grpc-status", "5"),
                    ("grpc-message", "no such shelf"),
                ]))
            },
        )
    };
    let status = json!({ "code": 5, "message": "no such shelf", "details": [] });
    let detail = json!({ "detail": "no such shelf" });
    let problem = json!({ "type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such shelf", "code": "NOT_FOUND" });
    for (style, rule, named, content_type) in [
        (None, &status, &detail, "application/json"),
        (
            Some(ErrorStyle::Status),
            &status,
            &status,
            "application/json",
        ),
        (
            Some(ErrorStyle::Detail),
            &detail,
            &detail,
            "application/json",
        ),
        (
            Some(ErrorStyle::Problem),
            &problem,
            &problem,
            "application/problem+json",
        ),
    ] {
        let gateway = gateway(style);
        for (uri, expected) in [("/v1/items/n", rule), ("/grpc/shelf/echo", named)] {
            let answer = send(&gateway, get(uri)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (404, content_type)
            );
            assert_eq!(answer.json(), *expected, "{style:?} {uri}");
        }
        // What the gateway refuses itself looks the same.
        for (method, uri, code) in [
            ("GET", "/nowhere", 404),
            ("DELETE", "/v1/items", 405),
            ("POST", "/v1/items", 415),
        ] {
            let answer = send(
                &gateway,
                request(
                    method,
                    uri,
                    &[("content-type", "text/plain")],
                    Bytes::from("x"),
                ),
            )
            .await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (code, content_type),
                "{uri}"
            );
            let member = if style.is_none_or(|style| style == ErrorStyle::Status) {
                "message"
            } else {
                "detail"
            };
            assert!(answer.json()[member].is_string(), "{uri}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_fails_later_ends_by_saying_so() {
    let gateway = answering(|| {
        said(
            &[Item::named("a"), Item::named("b")],
            &[
                ("grpc-status", "10"),
                ("grpc-message", "torn"),
                ("x-tail", "t"),
            ],
        )
    });
    for wire in ALL {
        let answer = send(&gateway, wire.request("List", &[Item::default()], &[])).await;
        assert_eq!(answer.status, 200);
        let said = wire.read("List", &answer);
        assert_eq!(
            said.messages,
            [Item::named("a"), Item::named("b")],
            "{wire:?}"
        );
        assert_eq!((said.code, said.message.as_str()), (10, "torn"), "{wire:?}");
        assert_eq!(said.trailers["x-tail"], "t");
        assert_eq!(answer.ended(), Some(Code::Aborted));
    }
    // A unary call that fails behind its message has failed.
    for wire in ALL {
        let said = wire.call(&gateway, "Act", &[Item::default()], &[]).await;
        // gRPC's own clients judge what passes untouched; the others get one error.
        assert!(
            said.code == 10 || (said.code == 12 && !wire.protocol().starts_with("grpc")),
            "{wire:?}"
        );
    }
    let answer = send(
        &gateway,
        request(
            "GET",
            "/v1/items",
            &[("accept", "text/event-stream")],
            Bytes::new(),
        ),
    )
    .await;
    let events = crate::said::events(answer.text());
    assert_eq!(events.last().unwrap().0, "error");
}

#[tokio::test]
async fn a_file_that_fails_later_breaks_off() {
    let gateway = answering(|| said(&[Item::named("image/png")], &[("grpc-status", "10")]));
    let Ok(response) =
        tower_service::Service::call(&mut gateway.clone(), get("/v1/downloads/n")).await;
    assert_eq!(response.headers()["content-type"], "image/png");
    let error = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("ABORTED"));
}
