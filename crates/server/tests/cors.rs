//! Web pages of other origins, over both kinds of HTTP.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use portolan_server::{Cors, Metrics, RequestBody, Server};
use support::{HttpClient, Running, http1, http2, text};
use tower::service_fn;

/// Answers every request that reaches it.
async fn reached(_: Request<RequestBody>) -> Result<Response<String>, Infallible> {
    let response = Response::builder().header("x-cost", "3");
    Ok(response.body("reached".to_owned()).unwrap())
}

async fn ask(
    client: &HttpClient,
    server: &Running,
    method: Method,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(server.url("/a.B/C"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client
        .request(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, text(response).await)
}

const PAGE: (&str, &str) = ("origin", "https://app.example.com");
const STRANGER: (&str, &str) = ("origin", "https://evil.example.org");
const PREFLIGHT: (&str, &str) = ("access-control-request-method", "POST");

#[tokio::test]
async fn pages_of_the_list_are_let_in() {
    let metrics = Metrics::default();
    let cors = Cors::new(["https://*.example.com".parse().unwrap()]);
    let cors = cors.allow_credentials().unwrap();
    let service = service_fn(reached);
    let server = Server::new(service).cors(cors).metrics(metrics.clone());
    let server = Running::start(server);
    for client in [http1(), http2()] {
        let (status, headers, body) =
            ask(&client, &server, Method::OPTIONS, &[PAGE, PREFLIGHT]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(headers["access-control-allow-origin"], PAGE.1);
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert!(headers.contains_key("access-control-allow-methods"));
        assert!(headers.contains_key("x-request-id"));

        let (status, headers, body) = ask(&client, &server, Method::POST, &[PAGE]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "reached"));
        assert_eq!(headers["access-control-allow-origin"], PAGE.1);
        let exposed = headers["access-control-expose-headers"].to_str().unwrap();
        assert!(
            exposed.contains("x-cost") && exposed.contains("x-request-id"),
            "{exposed}"
        );

        let (status, headers, body) =
            ask(&client, &server, Method::OPTIONS, &[STRANGER, PREFLIGHT]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body.starts_with("this origin is not among"), "{body}");
        assert!(!headers.contains_key("access-control-allow-origin"));

        for origin in [&[STRANGER][..], &[]] {
            let (status, headers, _) = ask(&client, &server, Method::POST, origin).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers["vary"], "origin");
            assert!(!headers.contains_key("access-control-allow-origin"));
        }
    }
    let figures = metrics.open_metrics();
    for line in [
        r#"portolan_rpc_requests_total{method="unmatched",protocol="http",status="204"} 2"#,
        r#"portolan_rpc_requests_total{method="unmatched",protocol="http",status="403"} 2"#,
        "portolan_requests_in_flight 0",
    ] {
        assert!(figures.contains(line), "{figures}");
    }
    assert_eq!(server.drained(Duration::from_secs(5)).await.cut, 0);
}

#[tokio::test]
async fn by_default_no_page_of_another_origin_is_let_in() {
    let server = Running::start(Server::new(service_fn(reached)));
    for client in [http1(), http2()] {
        let (status, headers, body) =
            ask(&client, &server, Method::OPTIONS, &[PAGE, PREFLIGHT]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "reached"));
        assert!(!headers.contains_key("access-control-allow-origin"));
        assert!(!headers.contains_key("vary"));
    }
}
