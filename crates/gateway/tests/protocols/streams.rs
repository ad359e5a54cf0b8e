//! Streams while they flow.

use bytes::Bytes;
use http_body_util::BodyExt;
use portolan_gateway::{Body, Options};
use tower_service::Service;

use crate::client::{Wire, post_json, request, send};
use crate::contract::{Item, Place};
use crate::flow::fed;
use crate::upstream::{shelf, shelf_with};

#[tokio::test]
async fn a_reply_comes_before_the_request_has_ended() {
    for wire in [
        Wire::Grpc,
        Wire::GrpcJson,
        Wire::Web,
        Wire::WebText,
        Wire::ConnectProto,
        Wire::ConnectJson,
        Wire::RestLines,
        Wire::RestEvents,
    ] {
        let gateway = shelf();
        let (sender, body) = fed();
        let piece = |n: i64| -> Bytes {
            let payload = wire.payload(&Item::counted("n", n));
            match wire {
                Wire::RestLines => [&payload[..], b"\n"].concat().into(),
                // An array, piece by piece.
                Wire::RestEvents => [
                    if n == 0 { &b"["[..] } else { b"," },
                    &payload,
                    if n == 19 { b"]" } else { b"" },
                ]
                .concat()
                .into(),
                _ => wire.pack(true, &[payload]).into(),
            }
        };
        sender.send(piece(0)).await.unwrap();
        let Ok(mut response) = gateway
            .clone()
            .call(wire.raw("Chat", true, &[], body))
            .await;
        for n in 1..20 {
            // The answer to the last one is here, and the next is not yet sent.
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            assert!(!frame.into_data().unwrap().is_empty(), "{wire:?}");
            sender.send(piece(n)).await.unwrap();
        }
        drop(sender);
        let rest = response.into_body().collect().await.unwrap();
        assert!(!rest.to_bytes().is_empty());
    }
}

#[tokio::test]
async fn client_streams_take_arrays_and_lines() {
    let gateway = shelf();
    let lines = [("content-type", "application/x-ndjson")];
    for (content, body, names) in [
        (None, r#"[{"name":"a"},{"name":"b"}]"#, vec!["a", "b"]),
        (None, " [ ] ", vec![]),
        (None, "", vec![]),
        (None, r#"{"name":"a"}"#, vec!["a"]),
        (None, "{\"name\":\"a\"}\n{\"name\":\"]}\"}", vec!["a", "]}"]),
        (
            Some(lines),
            "{\"name\":\"a\"}\r\n\r\n{\"name\":\"b\"}\r\n",
            vec!["a", "b"],
        ),
        (Some(lines), "", vec![]),
    ] {
        let request = match content {
            None => post_json("/v1/items:collect", body),
            Some(content) => request(
                "POST",
                "/v1/items:collect",
                &content,
                body.as_bytes().to_vec(),
            ),
        };
        let answer = send(&gateway, request).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(Item::of_json(&answer.body).tags, names, "{body}");
    }
    for body in [
        "[", "[{}", "[{},", "[{},]", "[,{}]", "[{}{}]", "[{}]x", "{}x", "{", "]", "{},{}", "[[]]",
    ] {
        let answer = send(&gateway, post_json("/v1/items:collect", body)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &3.into()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn path_and_query_go_into_every_message_of_a_stream() {
    let gateway = shelf();
    let accept = [
        ("content-type", "application/x-ndjson"),
        ("accept", "application/x-ndjson"),
    ];
    let body = b"{\"shelf\":\"a\"}\n{\"row\":2}\n".to_vec();
    let answer = send(
        &gateway,
        request("POST", "/v1/rooms/r:chat?count=3", &accept, body),
    )
    .await;
    let said: Vec<Item> = answer
        .text()
        .lines()
        .map(|line| Item::of_json(line.as_bytes()))
        .collect();
    let expected = [
        Place {
            shelf: "a".into(),
            row: 0,
        },
        Place {
            shelf: String::new(),
            row: 2,
        },
    ]
    .map(|place| Item {
        place: Some(place),
        ..Item::counted("r", 3)
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn the_forms_of_a_stream() {
    let gateway = shelf();
    for (accept, content_type, body) in [
        (
            "",
            "application/json",
            r#"[{"name":"n"},{"name":"n","count":"1"}]"#,
        ),
        (
            "*/*",
            "application/json",
            r#"[{"name":"n"},{"name":"n","count":"1"}]"#,
        ),
        (
            "application/x-ndjson",
            "application/x-ndjson",
            "{\"name\":\"n\"}\n{\"name\":\"n\",\"count\":\"1\"}\n",
        ),
        (
            "text/event-stream",
            "text/event-stream",
            "id: 1\ndata: {\"name\":\"n\"}\n\nid: 2\ndata: {\"name\":\"n\",\"count\":\"1\"}\n\nevent: end\ndata: {}\n\n",
        ),
    ] {
        let answer = send(
            &gateway,
            request(
                "GET",
                "/v1/items?name=n&count=2",
                &[("accept", accept)],
                Body::empty(),
            ),
        )
        .await;
        assert_eq!(
            (answer.header("content-type"), answer.text()),
            (content_type, body),
            "{accept}"
        );
        assert_eq!(answer.trailers["x-tail"], "end");
    }
    for (accept, body) in [
        ("", "[]"),
        ("application/x-ndjson", ""),
        ("text/event-stream", "event: end\ndata: {}\n\n"),
    ] {
        let answer = send(
            &gateway,
            request("GET", "/v1/items", &[("accept", accept)], Body::empty()),
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, body),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn events_are_numbered_from_the_last_one_that_a_browser_had() {
    let (gateway, seen) = shelf_with(Options::default());
    for (last, numbers) in [
        (None, ["id: 1", "id: 2"]),
        (Some("7"), ["id: 8", "id: 9"]),
        (Some("no number"), ["id: 1", "id: 2"]),
        (
            Some("18446744073709551615"),
            ["id: 18446744073709551615", "id: 18446744073709551615"],
        ),
    ] {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let asked = request("GET", "/v1/items?count=2", &headers, Body::empty());
        let answer = send(&gateway, asked).await;
        let found: Vec<&str> = answer
            .text()
            .lines()
            .filter(|line| line.starts_with("id:"))
            .collect();
        assert_eq!(found, numbers, "{last:?}");
        assert_eq!(answer.header("x-accel-buffering"), "no");
        // The service may go on from there.
        let (_, metadata) = seen.lock().unwrap().pop_front().unwrap();
        let told = metadata.get("last-event-id");
        assert_eq!(told.map(|value| value.to_str().unwrap()), last);
    }
}
