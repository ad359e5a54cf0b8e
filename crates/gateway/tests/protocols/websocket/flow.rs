//! Who is slow slows the other, and who goes ends the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, SinkExt, StreamExt};
use portolan_gateway::{BoxError, Options};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::meet::{LONGEST, connect, connect_http2, serve};
use crate::contract::Item;
use crate::flow::{MUCH, PIECE, settled};
use crate::upstream::{Messages, before, frame, headers, reply};

#[tokio::test]
async fn a_slow_reader_holds_up_the_service() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let gateway = before(Options::default(), move |_| {
        let counter = Arc::clone(&counter);
        async move {
            let item = Item::named(&"x".repeat(PIECE));
            let message = frame(0, &item.wire());
            let frames = futures_util::stream::iter(0..MUCH / PIECE).map(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok::<_, BoxError>(message.clone())
            });
            Ok(reply(frames, headers(&[("grpc-status", "0")])))
        }
    });
    let address = serve(gateway).await;
    let mut talk = connect(address, "/v1/items?name=x", &[]).await;
    let held = settled(&sent).await;
    assert!(held < MUCH / PIECE / 2, "{held} of {} pieces", MUCH / PIECE);
    // As soon as it reads, all of it comes.
    for _ in 0..MUCH / PIECE {
        talk.next_text().await;
    }
    assert_eq!(talk.rest().await.code(), 1000);

    sent.store(0, Ordering::Relaxed);
    let talk = connect_http2(address, "/v1/items?name=x", &[]).await;
    let held = settled(&sent).await;
    assert!(held < MUCH / PIECE / 2, "{held} of {} pieces", MUCH / PIECE);
    let heard = talk.rest().await;
    assert_eq!((heard.texts.len(), heard.code()), (MUCH / PIECE, 1000));
}

#[tokio::test]
async fn a_slow_service_holds_up_the_client() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let gateway = before(Options::default(), move |request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            let mut messages = Messages::of(request.into_body());
            let mut sum = Item::default();
            while let Some(message) = messages.next().await {
                message?;
                sum.count += 1;
            }
            let frames = futures_util::stream::iter([Ok(frame(0, &sum.wire()))]);
            Ok(reply(frames, headers(&[("grpc-status", "0")])))
        }
    });
    let address = serve(gateway).await;
    let talk = connect(address, "/v1/items:collect", &[]).await;
    let (mut sink, mut stream) = talk.socket.split();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        let message = Item::named(&"x".repeat(PIECE)).wire();
        for _ in 0..MUCH / PIECE {
            sink.send(Message::Binary(message.clone())).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
        sink.send(Message::text("")).await.unwrap();
        sink
    });
    let held = settled(&sent).await;
    assert!(held < MUCH / PIECE / 2, "{held} of {} pieces", MUCH / PIECE);
    go.notify_one();
    let text = tokio::time::timeout(LONGEST, stream.next()).await.unwrap();
    let text = text.unwrap().unwrap().into_text().unwrap();
    let item = Item::of_json(text.as_bytes());
    assert_eq!(usize::try_from(item.count).unwrap(), MUCH / PIECE);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_service_that_has_heard_enough_ends_the_upload() {
    let gateway = before(Options::default(), |request| async {
        let mut messages = Messages::of(request.into_body());
        messages.next().await.unwrap()?;
        let frames = futures_util::stream::iter([Ok(frame(0, &Item::named("enough").wire()))]);
        Ok(reply(frames, headers(&[("grpc-status", "0")])))
    });
    let address = serve(gateway).await;
    let talk = connect(address, "/v1/items:collect", &[]).await;
    let (mut sink, mut stream) = talk.socket.split();
    // For ever, unless it is ended.
    let sending = tokio::spawn(async move {
        let message = Item::named(&"x".repeat(PIECE)).wire();
        while sink.send(Message::Binary(message.clone())).await.is_ok() {}
    });
    let listening = async {
        let mut texts = Vec::new();
        let mut close = 0;
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Close(Some(frame)) => close = frame.code.into(),
                _ => {}
            }
        }
        (texts, close)
    };
    let (texts, close) = tokio::time::timeout(LONGEST, listening).await.unwrap();
    assert_eq!(texts, [r#"{"name":"enough"}"#]);
    assert_eq!(close, 1000_u16);
    let sent = tokio::time::timeout(LONGEST, sending).await;
    sent.expect("the client cannot go on").unwrap();
}

/// How a service sees a client go: what its request ends with, and that its
/// answer is dropped.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    RequestFailed,
    RequestEnded,
    ReplyDropped,
}

struct Tells(mpsc::UnboundedSender<Seen>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::ReplyDropped);
    }
}

#[tokio::test]
async fn a_client_that_goes_is_no_client_that_is_done() {
    let (teller, mut told) = mpsc::unbounded_channel();
    let gateway = before(Options::default(), move |request| {
        let teller = teller.clone();
        async move {
            let tells = Tells(teller.clone());
            let mut messages = Messages::of(request.into_body());
            // As a connection to a server does, it reads on in a task of its own.
            tokio::spawn(async move {
                loop {
                    match messages.next().await {
                        Some(Ok(_)) => {}
                        Some(Err(_)) => break teller.send(Seen::RequestFailed),
                        None => break teller.send(Seen::RequestEnded),
                    }
                }
            });
            let first = frame(0, &Item::named("hello").wire());
            let frames = futures_util::stream::iter([Ok(first)])
                .chain(futures_util::stream::pending())
                .map(move |frame| {
                    let _ = &tells;
                    frame
                });
            Ok(reply(frames, headers(&[("grpc-status", "0")])))
        }
    });
    let address = serve(gateway).await;
    for way in ["vanish", "close", "close http2", "reset http2"] {
        let seen = async {
            if way.ends_with("http2") {
                let mut talk = connect_http2(address, "/v1/items:chat", &[]).await;
                talk.say("{}").await;
                talk.next_text().await;
                if way == "reset http2" {
                    drop(talk);
                } else {
                    talk.socket.close(None).await.unwrap();
                    assert_eq!(talk.rest().await.code(), 0);
                }
            } else {
                let mut talk = connect(address, "/v1/items:chat", &[]).await;
                talk.say("{}").await;
                talk.next_text().await;
                if way == "vanish" {
                    drop(talk);
                } else {
                    talk.socket.close(None).await.unwrap();
                    assert_eq!(talk.rest().await.code(), 0);
                }
            }
            [told.recv().await.unwrap(), told.recv().await.unwrap()]
        };
        let seen = tokio::time::timeout(LONGEST, seen).await.expect(way);
        assert!(seen.contains(&Seen::ReplyDropped), "{way}: {seen:?}");
        assert!(seen.contains(&Seen::RequestFailed), "{way}: {seen:?}");
        assert!(told.recv().now_or_never().is_none());
    }
}
