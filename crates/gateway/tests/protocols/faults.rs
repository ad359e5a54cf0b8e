//! Services that misbehave: each gives one clear status, on every protocol.

use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use portolan_gateway::{Body, BoxError, Options};

use crate::client::{ALL, Wire, send};
use crate::contract::Item;
use crate::upstream::{answering, before, frame, headers, reply, said};

fn ok() -> http::HeaderMap {
    headers(&[("grpc-status", "0")])
}

/// A response of bare pieces, perhaps with an error among them.
fn pieces(pieces: Vec<Result<Frame<bytes::Bytes>, BoxError>>) -> Response<Body> {
    let mut response = Response::new(Body::new(StreamBody::new(futures_util::stream::iter(
        pieces,
    ))));
    response
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    response
}

#[tokio::test]
async fn an_end_without_a_status() {
    let message = || Frame::data(frame(0, &Item::named("a").wire()));
    let no_status = "the service ended without a status";
    for (name, answer, expected) in [
        ("nothing", Vec::new(), (13, no_status)),
        ("a message", vec![true], (13, no_status)),
    ] {
        let gateway = answering(move || pieces(answer.iter().map(|_| Ok(message())).collect()));
        for wire in ALL {
            for method in ["Act", "List"] {
                let said = wire.call(&gateway, method, &[Item::default()], &[]).await;
                assert_eq!(
                    (said.code, said.message.as_str()),
                    expected,
                    "{wire:?} {method} {name}"
                );
            }
        }
    }
    let gateway = answering(|| pieces(vec![Ok(Frame::trailers(headers(&[("x-tail", "t")])))]));
    for wire in ALL {
        assert_eq!(
            wire.call(&gateway, "List", &[Item::default()], &[])
                .await
                .code,
            13,
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn a_service_whose_gzip_is_none() {
    let gateway = answering(|| {
        let mut response = pieces(vec![
            Ok(Frame::data(frame(1, b"not gzip"))),
            Ok(Frame::trailers(headers(&[("grpc-status", "0")]))),
        ]);
        response
            .headers_mut()
            .insert("grpc-encoding", "gzip".parse().unwrap());
        response
    });
    for wire in ALL
        .into_iter()
        .filter(|wire| wire.is_json() || wire.is_connect())
    {
        for method in ["Act", "List"] {
            let said = wire.call(&gateway, method, &[Item::default()], &[]).await;
            assert_eq!(
                (said.code, said.message.as_str()),
                (
                    13,
                    "the service's answer cannot be read: the message is not valid gzip"
                ),
                "{wire:?} {method}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_that_breaks_off() {
    let gateway = answering(|| {
        pieces(vec![
            Ok(Frame::data(frame(0, &Item::named("a").wire()))),
            Err("the line is dead".into()),
        ])
    });
    for wire in ALL {
        let said = wire.call(&gateway, "List", &[Item::default()], &[]).await;
        assert_eq!(
            (said.code, said.message.as_str()),
            (14, "the service broke off: the line is dead"),
            "{wire:?}"
        );
        assert_eq!(said.messages.len(), 1, "{wire:?}");
    }
    let gateway = before(Options::default(), |_| async {
        Err("nobody is there".into())
    });
    for wire in ALL {
        let said = wire.call(&gateway, "Act", &[Item::default()], &[]).await;
        assert_eq!(
            (said.code, said.message.as_str()),
            (14, "the service cannot be reached: nobody is there"),
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn answers_that_are_not_grpc() {
    for (status, content_type, code) in [
        (503, "text/html", 14),
        (502, "text/html", 14),
        (429, "application/json", 14),
        (401, "text/html", 16),
        (403, "text/html", 7),
        (404, "text/html", 12),
        (400, "text/html", 13),
        (500, "text/html", 2),
        (302, "text/html", 2),
        (200, "text/html", 2),
    ] {
        let gateway = answering(move || {
            let mut response = Response::new(Body::from(b"<html>".to_vec()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
                .headers_mut()
                .insert("content-type", content_type.parse().unwrap());
            response
        });
        for wire in ALL {
            for method in ["Act", "List"] {
                let said = wire.call(&gateway, method, &[Item::default()], &[]).await;
                assert_eq!(said.code, code, "{wire:?} {method} {status}");
                let part = if status == 200 {
                    "text/html"
                } else {
                    "HTTP status"
                };
                assert!(said.message.contains(part), "{wire:?} {}", said.message);
            }
        }
    }
}

#[tokio::test]
async fn one_message_is_expected() {
    for (count, text) in [
        (0, "the service answered without a message"),
        (2, "the service answered with more than one message"),
    ] {
        let gateway =
            answering(move || said(&vec![Item::named("a"); count], &[("grpc-status", "0")]));
        for wire in ALL
            .into_iter()
            .filter(|wire| wire.is_rest() || wire.is_connect())
        {
            for method in ["Act", "Collect"] {
                let said = wire
                    .call(
                        &gateway,
                        if wire.is_rest() || method == "Act" {
                            method
                        } else {
                            "Act"
                        },
                        &[Item::default()],
                        &[],
                    )
                    .await;
                assert_eq!(
                    (said.code, said.message.as_str()),
                    (12, text),
                    "{wire:?} {method}"
                );
            }
        }
    }
}

#[tokio::test]
async fn messages_that_cannot_be_read() {
    // Field 1 is a string with 5 bytes, of which one is there.
    let torn = b"\x0a\x05a";
    let gateway = answering(move || {
        reply(
            futures_util::stream::iter([
                Ok(frame(0, &Item::named("a").wire())),
                Ok(frame(0, torn)),
                Ok(frame(0, b"")),
            ]),
            ok(),
        )
    });
    let single = answering(move || reply(futures_util::stream::iter([Ok(frame(0, torn))]), ok()));
    for wire in ALL.into_iter().filter(|wire| wire.is_json()) {
        let said = wire.call(&gateway, "List", &[Item::default()], &[]).await;
        assert_eq!(
            (said.code, said.messages),
            (13, vec![Item::named("a")]),
            "{wire:?}"
        );
        assert!(
            said.message
                .starts_with("the service's answer cannot be written as JSON"),
            "{}",
            said.message
        );
        for method in ["Act", "List"] {
            let answer = send(&single, wire.request(method, &[Item::default()], &[])).await;
            assert_eq!(wire.read(method, &answer).code, 13, "{wire:?}");
            if wire.is_rest() {
                assert_eq!(answer.status, 500);
            }
        }
    }
}

#[tokio::test]
async fn frames_that_are_none() {
    let cases: [(&str, Vec<u8>, i32); 5] = [
        ("a torn frame", vec![0, 0, 0, 0, 9, 1], 13),
        ("a torn prefix", vec![0, 0, 0], 13),
        ("unknown flags", vec![4, 0, 0, 0, 0], 13),
        ("no such encoding", vec![1, 0, 0, 0, 1, 0], 13),
        ("4 GB", vec![0, 255, 255, 255, 255], 8),
    ];
    for (name, bytes, code) in cases {
        let gateway =
            answering(move || reply(futures_util::stream::iter([Ok(bytes.clone().into())]), ok()));
        for wire in ALL.into_iter().filter(|wire| {
            name != "no such encoding" || !matches!(wire, Wire::Grpc | Wire::Web | Wire::WebText)
        }) {
            for method in ["Act", "List"] {
                // What passed before the end was noticed is no whole frame, so
                // only clients of other protocols can be asked.
                let answer = send(&gateway, wire.request(method, &[Item::default()], &[])).await;
                assert_eq!(
                    answer.ended().map(|code| code as i32),
                    Some(code),
                    "{wire:?} {method} {name}"
                );
                if !matches!(wire, Wire::Grpc | Wire::Web | Wire::WebText) {
                    assert_eq!(
                        wire.read(method, &answer).code,
                        code,
                        "{wire:?} {method} {name}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_over_the_limit() {
    let options = Options {
        max_message_size: 100,
        ..Options::default()
    };
    let gateway = before(options, |_| async {
        Ok(said(
            &[Item::named("a"), Item::named(&"n".repeat(101))],
            &[("grpc-status", "0")],
        ))
    });
    for wire in ALL {
        let answer = send(&gateway, wire.request("List", &[Item::default()], &[])).await;
        assert_eq!(answer.ended().map(|code| code as i32), Some(8), "{wire:?}");
        // Both are in one piece, which does not pass.
        if wire.is_json() {
            let said = wire.read("List", &answer);
            assert_eq!(
                said.message, "the message has 103 bytes, which is over the limit of 100 bytes",
                "{wire:?}"
            );
        }
    }
}
