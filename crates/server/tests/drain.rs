//! The end: running calls finish, new ones are refused, and there is a limit.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use portolan_server::{Listener, RequestBody, Server};
use support::{HttpClient, Running, get, http1, http2, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::service_fn;

const SOON: Duration = Duration::from_secs(5);

/// A server whose answers wait for a sign; counts those that are waiting.
fn waiting(server_limit: Duration) -> (Running, Arc<Notify>, Arc<AtomicUsize>) {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (sign, waiting) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (service_sign, service_waiting) = (Arc::clone(&sign), Arc::clone(&waiting));
    let service = service_fn(move |_: Request<RequestBody>| {
        let (sign, waiting) = (Arc::clone(&service_sign), Arc::clone(&service_waiting));
        async move {
            waiting.fetch_add(1, Ordering::SeqCst);
            let _count = Count(waiting);
            sign.notified().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("finished")))
        }
    });
    (
        Running::start(Server::new(service).drain_timeout(server_limit)),
        sign,
        waiting,
    )
}

async fn until(count: &AtomicUsize, expected: usize) {
    let begin = Instant::now();
    while count.load(Ordering::SeqCst) != expected {
        assert!(
            begin.elapsed() < SOON,
            "{} waiting, not {expected}",
            count.load(Ordering::SeqCst)
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn a_running_call_finishes(client: HttpClient) {
    let (mut server, sign, waiting) = waiting(Duration::from_secs(30));
    let call = tokio::spawn(client.request(get(&server.url("/"))));
    until(&waiting, 1).await;
    server.stop();
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, refused)
        .await
        .expect("new connections are refused");
    assert_eq!(waiting.load(Ordering::SeqCst), 1, "the call still runs");
    sign.notify_one();
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "finished");
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn a_running_call_finishes_on_http1() {
    a_running_call_finishes(http1()).await;
}

#[tokio::test]
async fn a_running_call_finishes_on_http2() {
    a_running_call_finishes(http2()).await;
}

async fn at_the_limit_calls_are_cut(client: HttpClient) {
    let (server, _sign, waiting) = waiting(Duration::from_millis(200));
    let call = tokio::spawn(client.request(get(&server.url("/"))));
    until(&waiting, 1).await;
    let begin = Instant::now();
    assert_eq!(server.drained(SOON).await.cut, 1);
    assert!(
        begin.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        waiting.load(Ordering::SeqCst),
        0,
        "the call was dropped, not forgotten"
    );
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn at_the_limit_calls_are_cut_on_http1() {
    at_the_limit_calls_are_cut(http1()).await;
}

#[tokio::test]
async fn at_the_limit_calls_are_cut_on_http2() {
    at_the_limit_calls_are_cut(http2()).await;
}

#[tokio::test]
async fn at_the_limit_an_endless_stream_is_cut() {
    for client in [http1(), http2()] {
        let service = service_fn(async |_: Request<RequestBody>| {
            let ticks = stream::unfold((), async |()| {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Some((
                    Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"tick"))),
                    (),
                ))
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(ticks)))
        });
        let server = Running::start(Server::new(service).drain_timeout(Duration::from_millis(200)));
        let mut response = client.request(get(&server.url("/"))).await.unwrap();
        response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(server.drained(SOON).await.cut, 1);
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end() {
    let (server, sign, _) = waiting(Duration::from_secs(30));
    // Nothing said at all, the half of a preface, half a request.
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut said = Vec::new();
    for bytes in [&b"PRI * HT"[..], b"GET / HTTP/1.1\r\nho"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes)
            .await
            .unwrap();
        said.push(stream);
    }
    // Connections that had a call and are kept alive.
    let clients = [http1(), http2()];
    for client in &clients {
        sign.notify_one();
        text(client.request(get(&server.url("/"))).await.unwrap()).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    let drained = server.drained(SOON).await;
    assert_eq!(drained.cut, 0);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
    for mut stream in said.into_iter().chain([silent]) {
        let _ = stream.read(&mut [0; 64]).await;
    }
}

#[tokio::test]
async fn a_client_that_vanishes_frees_its_call() {
    for client in [http1(), http2()] {
        let (server, _sign, waiting) = waiting(Duration::from_secs(30));
        let call = tokio::spawn(client.request(get(&server.url("/"))));
        until(&waiting, 1).await;
        call.abort();
        drop(client);
        until(&waiting, 0).await;
        assert_eq!(server.drained(SOON).await.cut, 0);
    }
}

#[tokio::test]
async fn a_client_that_sleeps_does_not_hold_the_end() {
    let (server, _sign, _) = waiting(Duration::from_secs(60));
    // A client that has said hello and answers nothing ever after.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    tokio::io::AsyncWriteExt::write_all(&mut stream, hello)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    assert_eq!(server.drained(Duration::from_secs(20)).await.cut, 0);
    assert!(
        begin.elapsed() >= Duration::from_secs(5),
        "slow clients have time to read the end"
    );
}

#[tokio::test]
async fn a_long_call_on_a_quiet_connection_is_not_cut() {
    for client in [http1(), http2()] {
        let (mut server, sign, waiting) = waiting(Duration::from_secs(60));
        let call = tokio::spawn(client.request(get(&server.url("/"))));
        until(&waiting, 1).await;
        server.stop();
        // Longer than a connection without calls would be kept.
        tokio::time::sleep(Duration::from_secs(6)).await;
        sign.notify_one();
        assert_eq!(text(call.await.unwrap().unwrap()).await, "finished");
        assert_eq!(server.drained(SOON).await.cut, 0);
    }
}

/// An answer that fits no buffer between the two.
const LARGE: usize = 16 << 20;

/// A server with a large answer, which it gives as a whole.
fn large(server_limit: Duration) -> Running {
    let service = service_fn(async |_: Request<RequestBody>| {
        let answer = Bytes::from(vec![b'x'; LARGE]);
        Ok::<_, Infallible>(Response::new(Full::new(answer)))
    });
    Running::start(Server::new(service).drain_timeout(server_limit))
}

async fn a_slow_reader_gets_its_whole_answer(client: HttpClient) {
    let mut server = large(Duration::from_secs(30));
    let response = client.request(get(&server.url("/"))).await.unwrap();
    server.stop();
    // Longer than a connection without calls would be kept.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(text(response).await.len(), LARGE);
    drop(client);
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn a_slow_reader_gets_its_whole_answer_on_http1() {
    a_slow_reader_gets_its_whole_answer(http1()).await;
}

#[tokio::test]
async fn a_slow_reader_gets_its_whole_answer_on_http2() {
    a_slow_reader_gets_its_whole_answer(http2()).await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_at_the_limit_and_counted() {
    for client in [http1(), http2()] {
        let server = large(Duration::from_millis(300));
        let response = client.request(get(&server.url("/"))).await.unwrap();
        assert_eq!(server.drained(SOON).await.cut, 1);
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_its_socket_is_cut_at_the_limit() {
    let server = large(Duration::from_millis(300));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request)
        .await
        .unwrap();
    // The head is there, so the answer is on its way.
    stream.readable().await.unwrap();
    assert_eq!(server.drained(SOON).await.cut, 1);
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_at_once() {
    let service = service_fn(|_: Request<RequestBody>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("here")))
    });
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address().socket().unwrap();
    let serving = Server::new(service)
        .listen(listener)
        .serve(std::future::pending());
    let mut kept = TcpStream::connect(address).await.unwrap();
    let talk = async {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        kept.write_all(request).await.unwrap();
        kept.read_exact(&mut [0; 16]).await.unwrap();
    };
    tokio::select! {
        _ = serving => panic!("nobody has ended it"),
        () = talk => {}
    }
    let gone = async {
        let _ = kept.read_to_end(&mut Vec::new()).await;
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, gone)
        .await
        .expect("listener and connection are closed");
}
