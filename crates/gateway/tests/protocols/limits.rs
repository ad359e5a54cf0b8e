//! What is too large is refused early, and said so.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, Code, Options};
use tower_service::Service;

use crate::client::{ALL, Wire, gzip, request, send};
use crate::contract::Item;
use crate::upstream::{Messages, before, frame, headers, reply, shelf_with};

fn small() -> portolan_gateway::Gateway<crate::upstream::Upstream> {
    shelf_with(Options {
        max_message_size: 100,
        ..Options::default()
    })
    .0
}

/// A body that ends only when it is dropped.
fn endless(first: Vec<u8>) -> Body {
    let stream = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from(first)))]);
    Body::new(StreamBody::new(
        stream.chain(futures_util::stream::pending()),
    ))
}

#[tokio::test]
async fn requests_over_the_limit() {
    let gateway = small();
    let fits = Item::named(&"n".repeat(80));
    let large = Item::named(&"n".repeat(200));
    for wire in ALL {
        for method in ["Act", "Collect", "Chat"] {
            let answer = send(
                &gateway,
                wire.request(method, std::slice::from_ref(&fits), &[]),
            )
            .await;
            assert_eq!(wire.read(method, &answer).code, 0, "{wire:?} {method}");
            let answer = send(
                &gateway,
                wire.request(
                    method,
                    &[fits.clone(), large.clone()][usize::from(method == "Act")..],
                    &[],
                ),
            )
            .await;
            let said = wire.read(method, &answer);
            assert_eq!(said.code, 8, "{wire:?} {method} {said:?}");
            assert!(
                said.message.contains("over the limit of 100 bytes"),
                "{}",
                said.message
            );
            let size = said
                .message
                .split(' ')
                .find_map(|word| word.parse::<usize>().ok())
                .unwrap();
            assert!((101..300).contains(&size), "{}", said.message);
            if wire.is_rest() && method != "Chat" {
                assert_eq!(answer.status, 413, "{wire:?} {method}");
            }
        }
    }
}

#[tokio::test]
async fn what_json_becomes_is_held_to_the_limit() {
    let gateway = small();
    // Three bytes of JSON for each of these, and ten on the wire.
    let json = format!("{{\"kinds\":[{}]}}", ["-1"; 28].join(","));
    assert!(json.len() < 100);
    for wire in ALL.into_iter().filter(|wire| wire.is_json()) {
        for method in ["Act", "Collect", "Chat"] {
            let streams = method != "Act";
            let body = wire.pack(streams, &[Bytes::from(json.clone())]);
            let answer = send(&gateway, wire.raw(method, streams, &[], body)).await;
            let said = wire.read(method, &answer);
            assert_eq!(
                (said.code, said.message.as_str()),
                (
                    8,
                    "the message has 283 bytes, which is over the limit of 100 bytes"
                ),
                "{wire:?} {method}"
            );
            if wire.is_rest() && method != "Chat" {
                assert_eq!(answer.status, 413, "{wire:?} {method}");
            }
        }
    }
    // What comes by the path and the query counts too.
    let name = "n".repeat(60);
    let uri = format!("/v1/items/{name}?tags={name}");
    let answer = send(&gateway, request("GET", &uri, &[], Body::empty())).await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (413.try_into().unwrap(), &8.into())
    );
}

#[tokio::test]
async fn a_length_of_4_gb_is_refused_at_once() {
    let (gateway, _) = shelf_with(Options::default());
    for wire in ALL.into_iter().filter(|wire| !wire.is_rest()) {
        for method in ["Act", "Chat"] {
            if wire.is_connect() && method == "Act" {
                continue;
            }
            let prefix = vec![0, 255, 255, 255, 255];
            let body = if wire == Wire::WebText {
                b"AP////8A".to_vec()
            } else {
                prefix
            };
            let answer = send(&gateway, wire.raw(method, true, &[], endless(body))).await;
            let said = wire.read(method, &answer);
            assert_eq!(
                (said.code, said.message.as_str()),
                (
                    8,
                    "the message has 4294967295 bytes, which is over the limit of 4194304 bytes"
                ),
                "{wire:?}"
            );
        }
    }
    // A declared length is as good as the bytes.
    struct Declared;
    impl http_body::Body for Declared {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Pending
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(1 << 32)
        }
    }
    for wire in [Wire::ConnectProto, Wire::ConnectJson, Wire::RestArray] {
        let answer = send(&gateway, wire.raw("Act", false, &[], Body::new(Declared))).await;
        assert_eq!(
            wire.read("Act", &answer).message,
            "the message has 4294967296 bytes, which is over the limit of 4194304 bytes"
        );
    }
}

#[tokio::test]
async fn a_gzip_bomb_does_not_go_off() {
    let (gateway, _) = shelf_with(Options::default());
    let bomb = gzip(&vec![b' '; 100_000_000]);
    assert!(bomb.len() < 200_000);
    for wire in [Wire::ConnectProto, Wire::ConnectJson, Wire::RestArray] {
        let answer = send(
            &gateway,
            wire.raw("Act", false, &[("content-encoding", "gzip")], bomb.clone()),
        )
        .await;
        let said = wire.read("Act", &answer);
        assert_eq!(
            (said.code, said.message.as_str()),
            (
                8,
                "the message has at least 4194305 bytes, which is over the limit of 4194304 bytes"
            )
        );
        assert_eq!(answer.status, if wire.is_rest() { 413 } else { 429 });
    }
    for wire in [
        Wire::ConnectProto,
        Wire::ConnectJson,
        Wire::GrpcJson,
        Wire::WebJson,
    ] {
        let name = if wire.is_connect() {
            "connect-content-encoding"
        } else {
            "grpc-encoding"
        };
        let answer = send(
            &gateway,
            wire.raw("Chat", true, &[(name, "gzip")], frame(1, &bomb)),
        )
        .await;
        assert_eq!(wire.read("Chat", &answer).code, 8, "{wire:?}");
    }
}

#[tokio::test]
async fn a_stream_has_no_limit_and_is_not_kept() {
    // 200 MB of messages through each protocol, one at a time; were they
    // gathered, the test would show it by its memory and its time.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let ahead = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (given, seen) = (Arc::clone(&ahead), Arc::clone(&most));
    let gateway = before(Options::default(), move |request| {
        let (ahead, most) = (Arc::clone(&given), Arc::clone(&seen));
        async move {
            let mut messages = Messages::of(request.into_body());
            let mut sum = Item::default();
            while let Some(message) = messages.next().await {
                let message = message?;
                sum.count += i64::from(message.len() > 100_000);
                let now = ahead.fetch_sub(1, Ordering::SeqCst);
                most.fetch_max(now, Ordering::SeqCst);
            }
            Ok(reply(
                futures_util::stream::iter([Ok(frame(0, &sum.wire()))]),
                headers(&[("grpc-status", "0")]),
            ))
        }
    });
    let item = Item::named(&"n".repeat(200_000));
    for wire in [
        Wire::Grpc,
        Wire::Web,
        Wire::ConnectProto,
        Wire::ConnectJson,
        Wire::RestLines,
    ] {
        COUNT.store(0, Ordering::SeqCst);
        ahead.store(0, Ordering::SeqCst);
        let one: Bytes = match wire {
            Wire::RestLines => [wire.payload(&item), Bytes::from_static(b"\n")]
                .concat()
                .into(),
            _ => frame(0, &wire.payload(&item)),
        };
        let counter = Arc::clone(&ahead);
        let pieces = futures_util::stream::iter(0..200).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Frame::data(one.clone()))
        });
        let answer = send(
            &gateway,
            wire.raw("Collect", true, &[], Body::new(StreamBody::new(pieces))),
        )
        .await;
        assert_eq!(
            wire.read("Collect", &answer).messages[0].count,
            200,
            "{wire:?}"
        );
        assert!(
            most.load(Ordering::SeqCst) <= 2,
            "{wire:?} read {most:?} ahead"
        );
    }
}

#[tokio::test]
async fn a_slow_reader_slows_the_service() {
    for wire in ALL {
        let produced = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&produced);
        let gateway = before(Options::default(), move |_| {
            let counter = Arc::clone(&counter);
            async move {
                let items = futures_util::stream::repeat_with(move || {
                    counter.fetch_add(1, Ordering::SeqCst);
                    Ok(frame(0, &Item::named("n").wire()))
                });
                Ok(reply(items, headers(&[("grpc-status", "0")])))
            }
        });
        let Ok(mut response) = gateway
            .clone()
            .call(wire.request("List", &[Item::default()], &[]))
            .await;
        for _ in 0..10 {
            response.body_mut().frame().await.unwrap().unwrap();
        }
        tokio::task::yield_now().await;
        assert!(
            (10..=12).contains(&produced.load(Ordering::SeqCst)),
            "{wire:?} {produced:?}"
        );
    }
}

#[tokio::test]
async fn what_comes_in_many_pieces_takes_no_longer_for_its_length() {
    // Sixteen times the length may take sixteen times the time; looked at anew
    // with every piece it would take 256 times as long.
    let gateway = shelf_with(Options {
        max_message_size: 64 << 20,
        ..Options::default()
    })
    .0;
    let mut times = Vec::new();
    for size in [200_000_usize, 3_200_000] {
        let json = format!("[{{\"name\":\"{}\"}}]", "n".repeat(size));
        let body = Bytes::from(json);
        let pieces: Vec<_> = (0..body.len())
            .step_by(64)
            .map(|at| Ok::<_, Infallible>(Frame::data(body.slice(at..(at + 64).min(body.len())))))
            .collect();
        let begin = std::time::Instant::now();
        let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        let answer = send(
            &gateway,
            request(
                "POST",
                "/v1/items:collect",
                &[("content-type", "application/json")],
                body,
            ),
        )
        .await;
        assert_eq!(answer.ended(), Some(Code::Ok));
        times.push(begin.elapsed().as_secs_f64());
    }
    assert!(times[1] < 80.0 * times[0].max(0.002), "{times:?}");
}
