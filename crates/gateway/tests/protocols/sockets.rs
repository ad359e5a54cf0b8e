//! Streams of REST over real connections of both kinds of HTTP: both directions
//! at once, and who is slow or goes is felt on the other side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan_gateway::{Body, BoxError, Options};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::contract::Item;
use crate::flow::{MUCH, PIECE, fed, settled};
use crate::upstream::{Messages, before, frame, headers, reply, shelf};
use crate::websocket::meet::{LONGEST, serve};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Http {
    One,
    Two,
}

/// Sends a request on a connection of its own.
async fn ask(http: Http, address: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let asked = async {
        match http {
            Http::One => {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
            Http::Two => {
                let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
                let (mut sender, connection) = handshake.await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
        }
    };
    tokio::time::timeout(LONGEST, asked).await.expect("a head")
}

fn request(http: Http, method: &str, address: SocketAddr, path: &str) -> http::request::Builder {
    let uri = match http {
        Http::One => path.to_owned(),
        Http::Two => format!("http://{address}{path}"),
    };
    let request = Request::builder().method(method).uri(uri);
    match http {
        Http::One => request.header("host", address.to_string()),
        Http::Two => request,
    }
}

async fn next(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = tokio::time::timeout(LONGEST, body.frame()).await;
        let frame = frame.expect("something comes")?.unwrap();
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}

#[tokio::test]
async fn both_directions_flow_at_once() {
    let address = serve(shelf()).await;
    for http in [Http::One, Http::Two] {
        for (content, accept) in [
            ("application/x-ndjson", "application/x-ndjson"),
            ("application/json", "application/x-ndjson"),
            ("application/x-ndjson", "text/event-stream"),
            ("application/x-ndjson", "application/json"),
        ] {
            let (sender, body) = fed();
            let asked = request(http, "POST", address, "/v1/items:chat")
                .header("content-type", content)
                .header("accept", accept)
                .body(body)
                .unwrap();
            let piece = |n: i64| -> Bytes {
                let json = Item::counted("n", n).json();
                match content {
                    "application/json" => format!("{}{json}", if n == 1 { '[' } else { ',' }),
                    _ => format!("{json}\n"),
                }
                .into()
            };
            sender.send(piece(1)).await.unwrap();
            let mut response = ask(http, address, asked).await;
            assert_eq!(response.status(), 200, "{http:?} {content} {accept}");
            for n in 1..20 {
                // The answer is here, and the next message is not yet sent.
                let said = next(response.body_mut()).await.expect("an answer");
                let said = String::from_utf8(said.to_vec()).unwrap();
                assert!(said.contains(&format!(r#""count":"{n}""#)), "{said}");
                sender.send(piece(n + 1)).await.unwrap();
            }
            if content == "application/json" {
                sender.send(Bytes::from_static(b"]")).await.unwrap();
            }
            drop(sender);
            let last = next(response.body_mut()).await.expect("the last answer");
            assert!(last.windows(12).any(|part| part == br#""count":"20""#));
            while next(response.body_mut()).await.is_some() {}
        }
    }
}

#[tokio::test]
async fn a_slow_reader_stops_the_service() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let gateway = before(Options::default(), move |_| {
        let counter = Arc::clone(&counter);
        async move {
            let message = frame(0, &Item::named(&"x".repeat(PIECE)).wire());
            let frames = futures_util::stream::iter(0..MUCH / PIECE).map(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok::<_, BoxError>(message.clone())
            });
            Ok(reply(frames, headers(&[("grpc-status", "0")])))
        }
    });
    let address = serve(gateway).await;
    for http in [Http::One, Http::Two] {
        for accept in [
            "application/json",
            "application/x-ndjson",
            "text/event-stream",
        ] {
            sent.store(0, Ordering::Relaxed);
            let asked = request(http, "GET", address, "/v1/items")
                .header("accept", accept)
                .body(Body::empty())
                .unwrap();
            let mut response = ask(http, address, asked).await;
            let held = settled(&sent).await;
            let all = MUCH / PIECE;
            assert!(held < all / 2, "{http:?} {accept}: {held} of {all} pieces");
            // As soon as it is read, all of it comes.
            let mut size = 0;
            while let Some(data) = next(response.body_mut()).await {
                size += data.len();
            }
            assert!(size > MUCH, "{http:?} {accept}: {size}");
        }
    }
}

#[tokio::test]
async fn a_slow_service_stops_the_upload() {
    let gateway = before(Options::default(), |request| async move {
        std::future::pending::<()>().await;
        drop(request);
        Err("never".into())
    });
    let address = serve(gateway).await;
    for http in [Http::One, Http::Two] {
        let (sender, body) = fed();
        let asked = request(http, "POST", address, "/v1/items:collect")
            .header("content-type", "application/x-ndjson")
            .body(body)
            .unwrap();
        tokio::spawn(ask(http, address, asked));
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let sending = tokio::spawn(async move {
            let line = Item::named(&"x".repeat(PIECE)).json() + "\n";
            let line = Bytes::from(line);
            while sender.send(line.clone()).await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let held = settled(&sent).await;
        assert!(held < MUCH / PIECE / 2, "{http:?}: {held}");
        sending.abort();
    }
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
    for http in [Http::One, Http::Two] {
        let (sender, body) = fed();
        let asked = request(http, "POST", address, "/v1/items:collect")
            .header("content-type", "application/x-ndjson")
            .body(body)
            .unwrap();
        // For ever, unless it is ended.
        let sending = tokio::spawn(async move {
            let line = Bytes::from(Item::named(&"x".repeat(PIECE)).json() + "\n");
            while sender.send(line.clone()).await.is_ok() {}
        });
        if http == Http::Two {
            let response = ask(http, address, asked).await;
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(Item::of_json(&body), Item::named("enough"));
        } else {
            // HTTP/1.1 has no other way to stop it than to close, and who goes on
            // writing then may miss the answer.
            tokio::spawn(ask(http, address, asked));
        }
        let sent = tokio::time::timeout(LONGEST, sending).await;
        sent.expect("the client cannot go on").unwrap();
    }
}

#[tokio::test]
async fn a_client_that_goes_ends_the_call() {
    let (teller, mut told) = mpsc::unbounded_channel::<()>();
    let gateway = before(Options::default(), move |request| {
        // Dropped with the reply.
        let alive = DropTells(teller.clone());
        async move {
            let first = frame(0, &Item::named("hello").wire());
            let frames = futures_util::stream::iter([Ok(first)])
                .chain(futures_util::stream::pending())
                .map(move |frame| {
                    let _ = (&alive, &request);
                    frame
                });
            Ok(reply(frames, headers(&[("grpc-status", "0")])))
        }
    });
    let address = serve(gateway).await;
    for http in [Http::One, Http::Two] {
        for accept in [
            "application/json",
            "application/x-ndjson",
            "text/event-stream",
        ] {
            let asked = request(http, "GET", address, "/v1/items")
                .header("accept", accept)
                .body(Body::empty())
                .unwrap();
            let mut response = ask(http, address, asked).await;
            next(response.body_mut()).await.expect("the first message");
            assert!(told.try_recv().is_err(), "{http:?} {accept}");
            drop(response);
            tokio::time::timeout(LONGEST, told.recv())
                .await
                .expect("the service learns of it");
        }
    }
}

struct DropTells(mpsc::UnboundedSender<()>);

impl Drop for DropTells {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
