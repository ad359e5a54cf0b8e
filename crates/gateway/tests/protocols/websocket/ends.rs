//! How calls on WebSockets end when they do not end well.

use std::time::Duration;

use portolan_gateway::Options;
use tokio_tungstenite::tungstenite::Message;

use super::meet::{Heard, connect, serve};
use crate::contract::{Any, Item, RpcStatus};
use crate::upstream::{answering, before, said, shelf, shelf_with, trailers_only};

fn assert_ends(heard: &Heard, code: u16, message: &str, name: &str) {
    let (close, reason) = heard.close.clone().expect("a close");
    assert_eq!(close, 4000 + code, "{name}: {heard:?}");
    let error = heard.error();
    assert_eq!(error["code"], code, "{name}");
    assert_eq!(error["message"], message, "{name}");
    assert!(message.starts_with(&reason), "{name}: {reason}");
    assert!(reason.len() <= 123, "{name}");
}

#[tokio::test]
async fn messages_that_cannot_be_read() {
    let address = serve(shelf()).await;
    for (path, text) in [
        ("/v1/items:chat", "{"),
        ("/v1/items:chat", "null null"),
        ("/v1/items:chat", r#"{"nothing":1}"#),
        ("/v1/items:chat", r#"{"count":"many"}"#),
        ("/v1/items:chat", " "),
        ("/v1/rooms/r:chat", r#"{"name":"not of a place"}"#),
        ("/shelf.v1.ShelfService/Act", "[]"),
    ] {
        let mut talk = connect(address, path, &[]).await;
        talk.say(text).await;
        let heard = talk.rest().await;
        assert_eq!(heard.code(), 4003, "{path} {text}: {heard:?}");
        assert_eq!(heard.error()["code"], 3);
    }
}

#[tokio::test]
async fn messages_too_many() {
    let address = serve(shelf()).await;
    // A service that waits with the request in its hand.
    let gateway = before(Options::default(), |request| async move {
        std::future::pending::<()>().await;
        drop(request);
        Err("never".into())
    });
    let patient = serve(gateway).await;
    for (path, first, message) in [
        (
            "/shelf.v1.ShelfService/Act",
            None,
            "this RPC takes one message, and a second one came",
        ),
        (
            "/v1/items:chat",
            Some(""),
            "a message came after the empty one that said all was said",
        ),
    ] {
        let mut talk = connect(patient, path, &[]).await;
        talk.say(first.unwrap_or("{}")).await;
        talk.say("{}").await;
        assert_ends(&talk.rest().await, 3, message, path);
    }
    let mut talk = connect(patient, "/v1/items?name=n", &[]).await;
    talk.say("{}").await;
    let message = "this route takes no messages, all is said in its URL";
    assert_ends(&talk.rest().await, 3, message, "no body");
    // To say twice that there is no more is to say it.
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    talk.done().await;
    talk.done().await;
    assert_eq!(talk.rest().await.code(), 1000);
}

#[tokio::test]
async fn a_service_that_fails() {
    let long = "no".repeat(100);
    for (status, message) in [
        ("5", "not here"),
        ("16", "who are you"),
        ("14", long.as_str()),
    ] {
        let number: u16 = status.parse().unwrap();
        let pairs = [("grpc-status", status), ("grpc-message", message)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let gateway = answering(move || {
            let [code, text] = &pairs;
            trailers_only(&[(&code.0, &code.1), (&text.0, &text.1)])
        });
        let address = serve(gateway).await;
        for path in ["/v1/items:chat", "/v1/items:collect", "/v1/items?count=1"] {
            let mut talk = connect(address, path, &[]).await;
            talk.done().await;
            assert_ends(&talk.rest().await, number, message, path);
        }
    }
}

#[tokio::test]
async fn a_service_that_fails_behind_its_messages() {
    let gateway = answering(|| {
        let items = [Item::named("a"), Item::named("b")];
        said(&items, &[("grpc-status", "8"), ("grpc-message", "enough")])
    });
    let address = serve(gateway).await;
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    talk.done().await;
    let heard = talk.rest().await;
    assert_eq!(heard.texts.len(), 3);
    assert_eq!(heard.texts[..2], [r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    assert_ends(&heard, 8, "enough", "chat");
    // In protobuf the messages are binary, and the end is text.
    let proto = [("sec-websocket-protocol", "portolan.proto")];
    let mut talk = connect(address, "/v1/items:chat", &proto).await;
    talk.done().await;
    let heard = talk.rest().await;
    assert_eq!((heard.binaries.len(), heard.texts.len()), (2, 1));
    assert_ends(&heard, 8, "enough", "chat in protobuf");
}

#[tokio::test]
async fn details_are_readable() {
    let status = RpcStatus {
        code: 3,
        message: "bad".into(),
        details: vec![Any {
            type_url: "type.googleapis.com/shelf.v1.Place".into(),
            value: b"\x0a\x01s".to_vec(),
        }],
    };
    let gateway = answering(move || {
        use base64::Engine;
        let bytes = prost::Message::encode_to_vec(&status);
        let details = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
        trailers_only(&[
            ("grpc-status", "3"),
            ("grpc-message", "bad"),
            ("grpc-status-details-bin", &details),
        ])
    });
    let address = serve(gateway).await;
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    talk.done().await;
    let heard = talk.rest().await;
    assert_eq!(
        heard.error()["details"][0],
        serde_json::json!({"@type": "type.googleapis.com/shelf.v1.Place", "shelf": "s"})
    );
}

#[tokio::test]
async fn a_service_that_falls() {
    let panics = before(Options::default(), |_| async { panic!("of the test") });
    let address = serve(panics).await;
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    talk.done().await;
    assert_ends(&talk.rest().await, 13, "internal error", "a panic");
    let absent = before(Options::default(), |_| async { Err("nobody".into()) });
    let address = serve(absent).await;
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    talk.done().await;
    let message = "the service cannot be reached: nobody";
    assert_ends(&talk.rest().await, 14, message, "nobody");
}

#[tokio::test]
async fn deadlines_are_kept() {
    let address = serve(shelf()).await;
    let message = "the deadline passed before the call was over";
    let lifted = "portolan.json, portolan.header.x-request-timeout.MjBtcw";
    for headers in [
        [("x-request-timeout", "20ms")],
        [("grpc-timeout", "20m")],
        [("sec-websocket-protocol", lifted)],
    ] {
        let talk = connect(address, "/v1/items:chat", &headers).await;
        assert_ends(&talk.rest().await, 4, message, headers[0].0);
    }
    // Also when nothing comes of the service at all.
    let silent = serve(before(Options::default(), |_| std::future::pending())).await;
    let timeout = [("x-request-timeout", "20ms")];
    let talk = connect(silent, "/v1/items?count=1", &timeout).await;
    assert_ends(&talk.rest().await, 4, message, "silence");
}

#[tokio::test]
async fn a_default_deadline_is_kept() {
    let options = Options {
        default_timeout: Some(Duration::from_millis(20)),
        ..Options::default()
    };
    let address = serve(shelf_with(options).0).await;
    let message = "the deadline passed before the call was over";
    let talk = connect(address, "/v1/items:chat", &[]).await;
    assert_ends(&talk.rest().await, 4, message, "nothing said");
    // A client may have more time, when it says so.
    let mut talk = connect(address, "/v1/items:chat", &[("grpc-timeout", "1H")]).await;
    talk.say("{}").await;
    assert_eq!(talk.next_text().await, "{}");
    talk.done().await;
    assert_eq!(talk.rest().await.code(), 1000);
}

#[tokio::test]
async fn who_does_not_answer_pings_has_gone() {
    let (told, mut end) = tokio::sync::mpsc::channel::<()>(1);
    let options = Options {
        keep_alive: Duration::from_millis(20),
        ..Options::default()
    };
    let gateway = before(options, move |_| {
        let alive = told.clone();
        async move {
            std::future::pending::<()>().await;
            drop(alive);
            Err("never".into())
        }
    });
    let address = serve(gateway.clone()).await;
    // One that answers, as its library does, stays.
    let mut talk = connect(address, "/v1/items:chat", &[]).await;
    for _ in 0..5 {
        assert!(matches!(talk.next().await, Message::Ping(_)));
    }
    drop(talk);
    // One that does not is given up: the service's call is dropped.
    let talk = connect(address, "/v1/items:chat", &[]).await;
    drop(gateway);
    let heard = tokio::time::timeout(super::meet::LONGEST, async {
        let (mut socket, rest) = {
            use tokio::io::AsyncReadExt;
            let mut stream = talk.socket.into_inner();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            (stream, all)
        };
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut socket).await;
        rest
    });
    // Nothing but pings, and then the end.
    let frames = heard.await.expect("the server gives up");
    assert!(
        frames.chunks(2).all(|frame| frame == [0x89, 0]),
        "{frames:?}"
    );
    assert!(matches!(
        end.try_recv(),
        Err(tokio::sync::mpsc::error::TryRecvError::Empty)
    ));
}
