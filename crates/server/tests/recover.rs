//! A panic fails one call; the server lives, and tells the client in its words.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use portolan_server::{Metrics, RequestBody, Server};
use support::{Running, get, http1, http2, text};
use tower::service_fn;

type Ticks = stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

/// Panics as the path says: at once, after a while, or while the body flows.
#[allow(clippy::needless_pass_by_value, reason = "a service takes its request")]
fn falling(
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<StreamBody<Ticks>>, Infallible>> {
    let path = request.uri().path().to_owned();
    assert_ne!(path, "/call", "fell in the call");
    async move {
        tokio::task::yield_now().await;
        assert_ne!(path, "/future", "fell in the future");
        let ticks = stream::unfold(0, move |count| {
            let path = path.clone();
            async move {
                // The first frame must be on its way before the fall.
                tokio::time::sleep(Duration::from_millis(20)).await;
                assert!(path != "/body" || count == 0, "fell in the body");
                (count < 2).then(|| (Ok(Frame::data(Bytes::from_static(b"tick"))), count + 1))
            }
        });
        let ticks: Ticks = Box::pin(ticks);
        Ok(Response::new(StreamBody::new(ticks)))
    }
}

fn grpc(url: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header(CONTENT_TYPE, "application/grpc+proto")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn a_panic_before_the_response_is_an_internal_error() {
    let server = Running::start(Server::new(service_fn(falling)));
    for client in [http1(), http2()] {
        for path in ["/call", "/future"] {
            let response = client.request(get(&server.url(path))).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(
                text(response).await,
                r#"{"code":13,"message":"internal error","details":[]}"#
            );

            let response = client.request(grpc(&server.url(path))).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["grpc-status"], "13");
            assert_eq!(response.headers()["grpc-message"], "internal error");
        }
        let response = client.request(get(&server.url("/fine"))).await.unwrap();
        assert_eq!(text(response).await, "ticktick", "the connection lives");
    }
}

#[tokio::test]
async fn each_protocol_is_told_in_its_own_words() {
    const TRAILERS: &[u8] = b"\x80\0\0\0\x2fgrpc-status: 13\r\ngrpc-message: internal error\r\n";
    const CONNECT: &[u8] = br#"{"code":"internal","message":"internal error"}"#;
    const END: &[u8] =
        b"\x02\0\0\0\x38{\"error\":{\"code\":\"internal\",\"message\":\"internal error\"}}";
    let text = base64::engine::general_purpose::STANDARD.encode(TRAILERS);
    let server = Running::start(Server::new(service_fn(falling)));
    for client in [http1(), http2()] {
        for path in ["/call", "/future"] {
            for (asked, status, answered, body) in [
                (
                    "application/grpc-web",
                    200,
                    "application/grpc-web+proto",
                    TRAILERS,
                ),
                (
                    "application/grpc-web-text",
                    200,
                    "application/grpc-web-text+proto",
                    text.as_bytes(),
                ),
                ("application/proto", 500, "application/json", CONNECT),
                (
                    "application/connect+json",
                    200,
                    "application/connect+json",
                    END,
                ),
            ] {
                let mut request = grpc(&server.url(path));
                request
                    .headers_mut()
                    .insert(CONTENT_TYPE, asked.parse().unwrap());
                let response = client.request(request).await.unwrap();
                assert_eq!(response.status(), status, "{asked}");
                assert_eq!(response.headers()[CONTENT_TYPE], answered);
                assert!(!response.headers().contains_key("grpc-status"));
                let given = response.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(given, body, "{asked}");
            }
        }
    }
}

#[tokio::test]
async fn a_panic_in_the_body_breaks_grpc_web_off() {
    let server = Running::start(Server::new(service_fn(falling)));
    for client in [http1(), http2()] {
        let mut request = grpc(&server.url("/body"));
        request
            .headers_mut()
            .insert(CONTENT_TYPE, "application/grpc-web".parse().unwrap());
        let response = client.request(request).await.unwrap();
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn a_panic_in_the_body_ends_a_grpc_call_with_its_status() {
    let server = Running::start(Server::new(service_fn(falling)));
    let response = http2().request(grpc(&server.url("/body"))).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "13");
    assert_eq!(body.to_bytes(), "tick");
}

#[tokio::test]
async fn a_panic_in_the_body_breaks_any_other_response_off() {
    let metrics = Metrics::default();
    let server = Running::start(Server::new(service_fn(falling)).metrics(metrics.clone()));
    for client in [http1(), http2()] {
        let response = client.request(get(&server.url("/body"))).await.unwrap();
        assert!(
            response.into_body().collect().await.is_err(),
            "half a body must not look whole"
        );
        let response = client.request(get(&server.url("/fine"))).await.unwrap();
        assert_eq!(text(response).await, "ticktick");
    }
    assert_eq!(server.drained(Duration::from_secs(5)).await.cut, 0);
    let text = metrics.open_metrics();
    let internal =
        r#"portolan_rpc_requests_total{method="unmatched",protocol="http",status="INTERNAL"} 2"#;
    assert!(text.contains(internal), "{text}");
}
