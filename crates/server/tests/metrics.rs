//! `GET /metrics`: what is counted, and that others can read it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use portolan_server::{BuildInfo, Metrics, RequestBody, Server};
use support::{Running, get, http1, http2, text};
use tower::service_fn;

/// Answers at once, or on `/endless` never stops.
async fn service(
    request: Request<RequestBody>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let body = if request.uri().path() == "/endless" {
        let ticks = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 1024]))));
        BoxBody::new(StreamBody::new(ticks))
    } else {
        BoxBody::new(Full::from("fine"))
    };
    Ok(Response::new(body))
}

#[tokio::test]
async fn requests_that_are_no_calls_share_one_label() {
    let metrics = Metrics::new(BuildInfo { version: "1.2.3" });
    let server = Running::start(Server::new(service_fn(service)).metrics(metrics.clone()));
    for client in [http1(), http2()] {
        for path in ["/a", "/b?c=d", "/metricsx"] {
            text(client.request(get(&server.url(path))).await.unwrap()).await;
        }
        let head = Request::builder()
            .method(Method::HEAD)
            .uri(server.url("/a"))
            .body(Full::default())
            .unwrap();
        text(client.request(head).await.unwrap()).await;
    }
    let response = http1().request(get(&server.url("/metrics"))).await.unwrap();
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = text(response).await;
    for line in [
        r#"portolan_rpc_requests_total{method="unmatched",protocol="http",status="200"} 8"#,
        r#"portolan_rpc_duration_seconds_count{method="unmatched",protocol="http"} 8"#,
        r#"portolan_rpc_duration_seconds_bucket{le="+Inf",method="unmatched",protocol="http"} 8"#,
        "portolan_requests_in_flight 0",
        r#"portolan_build_info{version="1.2.3"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("/b"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_as_cancelled() {
    let metrics = Metrics::default();
    let server = Running::start(Server::new(service_fn(service)).metrics(metrics.clone()));
    for client in [http1(), http2()] {
        let mut response = client.request(get(&server.url("/endless"))).await.unwrap();
        response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(metrics.calls().in_flight(), 1);
        drop((response, client));
        let ended = async {
            while metrics.calls().in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .expect("the end is noticed");
    }
    let text = metrics.open_metrics();
    let cancelled =
        r#"portolan_rpc_requests_total{method="unmatched",protocol="http",status="CANCELLED"} 2"#;
    assert!(text.contains(cancelled), "{text}");
}

#[tokio::test]
async fn open_metrics_is_given_to_who_asks() {
    let server = Running::start(Server::new(service_fn(service)));
    let mut request = get(&server.url("/metrics"));
    request.headers_mut().insert(
        ACCEPT,
        "application/openmetrics-text;version=1.0.0"
            .parse()
            .unwrap(),
    );
    let response = http1().request(request).await.unwrap();
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(text(response).await.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_passes_and_what_runs_is_counted_by_method_and_protocol() {
    let metrics = Metrics::default();
    let echo = service_fn(async |request: Request<RequestBody>| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::from([&body[..], b"!"].concat())))
    });
    let server = Running::start(Server::new(echo).metrics(metrics.clone()));
    for client in [http1(), http2()] {
        let request = Request::post(server.url("/a"));
        let request = request.body(Full::from(vec![b'x'; 1000])).unwrap();
        let answer = text(client.request(request).await.unwrap()).await;
        assert_eq!(answer.len(), 1001);
    }
    let mut stuck = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let half = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stuck, half)
        .await
        .unwrap();
    while metrics.calls().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let text = metrics.open_metrics();
    for line in [
        r#"portolan_rpc_request_bytes_total{method="unmatched",protocol="http"} 2000"#,
        r#"portolan_rpc_response_bytes_total{method="unmatched",protocol="http"} 2002"#,
        r#"portolan_rpc_in_flight{method="unmatched",protocol="http"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}
