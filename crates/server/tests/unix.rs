//! A Unix socket speaks what a port speaks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan_server::{Listener, Peer, RequestBody, Server};
use tokio::net::UnixStream;
use tower::service_fn;

async fn who(request: Request<RequestBody>) -> Result<Response<String>, Infallible> {
    let peer = request.extensions().get::<Peer>().unwrap();
    Ok(Response::new(format!("{:?} {peer}", request.version())))
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_file_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(listener.url(), format!("unix:{}", path.display()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = Server::new(service_fn(who)).listen(listener);
    let served = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    for http2 in [false, true] {
        let stream = TokioIo::new(UnixStream::connect(&path).await.unwrap());
        let request = Request::builder().uri("http://localhost/");
        let request = request.header("host", "localhost");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = if http2 {
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
            let (mut sender, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let handshake = hyper::client::conn::http1::handshake(stream);
            let (mut sender, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let version = if http2 { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(answer, format!("{version} unix"));
    }
    stop.send(()).unwrap();
    let drained = tokio::time::timeout(Duration::from_secs(10), served);
    assert_eq!(drained.await.unwrap().unwrap().cut, 0);
    assert!(!path.exists());
}
