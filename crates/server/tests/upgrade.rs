//! Connections and streams that become something else, and how they end.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan_server::{RequestBody, Server};
use support::Running;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

const SOON: Duration = Duration::from_secs(5);
/// Longer than a connection without calls would be kept by a draining server.
const LONG: Duration = Duration::from_secs(6);

/// Becomes an echo, by either kind of HTTP, and says so first.
async fn become_an_echo(
    mut request: Request<RequestBody>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut echo = TokioIo::new(upgrade.await.unwrap());
        echo.write_all(b"hello").await.unwrap();
        let mut said = [0; 64];
        while let Ok(count @ 1..) = echo.read(&mut said).await {
            echo.write_all(&said[..count]).await.unwrap();
        }
    });
    let mut response = Response::new(Empty::new());
    if request.method() != Method::CONNECT {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("echo"));
    } else if request.extensions().get::<Protocol>().map(Protocol::as_str) != Some("echo") {
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    }
    Ok(response)
}

/// What a client holds of an upgraded connection.
type Echo = TokioIo<hyper::upgrade::Upgraded>;

async fn upgraded(server: &Running, http2: bool) -> Echo {
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let request = || Request::builder().uri(server.url("/"));
    let empty = Empty::<Bytes>::new();
    let response = if http2 {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        // The client has to hear first that the server is for it.
        loop {
            let request = request().method(Method::CONNECT);
            let request = request.extension(Protocol::from_static("echo"));
            match sender.send_request(request.body(empty).unwrap()).await {
                Err(error) if error.is_user() => tokio::task::yield_now().await,
                answer => break answer.unwrap(),
            }
        }
    } else {
        let handshake = hyper::client::conn::http1::handshake(stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = request()
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "echo");
        let request = request.body(empty).unwrap();
        sender.send_request(request).await.unwrap()
    };
    let expected = if http2 {
        StatusCode::OK
    } else {
        StatusCode::SWITCHING_PROTOCOLS
    };
    assert_eq!(response.status(), expected);
    let mut echo = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut hello = [0; 5];
    echo.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
    echo
}

async fn talk(echo: &mut Echo) {
    echo.write_all(b"again").await.unwrap();
    let mut again = [0; 5];
    echo.read_exact(&mut again).await.unwrap();
    assert_eq!(&again, b"again");
}

async fn goes_on_until_its_client_ends_it(http2: bool) {
    let mut server = Running::start(Server::new(service_fn(become_an_echo)));
    let mut echo = upgraded(&server, http2).await;
    talk(&mut echo).await;
    server.stop();
    tokio::time::sleep(LONG).await;
    talk(&mut echo).await;
    drop(echo);
    assert_eq!(server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn a_connection_goes_on_until_its_client_ends_it() {
    goes_on_until_its_client_ends_it(false).await;
}

#[tokio::test]
async fn a_stream_goes_on_until_its_client_ends_it() {
    goes_on_until_its_client_ends_it(true).await;
}

#[tokio::test]
async fn at_the_limit_both_are_cut() {
    for http2 in [false, true] {
        let service = service_fn(become_an_echo);
        let limit = Duration::from_millis(300);
        let mut server = Running::start(Server::new(service).drain_timeout(limit));
        let mut echo = upgraded(&server, http2).await;
        server.stop();
        let begin = Instant::now();
        let mut rest = Vec::new();
        // A reset is an end too.
        let end = tokio::time::timeout(SOON, echo.read_to_end(&mut rest));
        let _ = end.await.expect("the connection ends");
        assert!(begin.elapsed() >= limit && rest.is_empty());
        assert_eq!(server.drained(SOON).await.cut, 1);
    }
}
