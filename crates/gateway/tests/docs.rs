//! The contract to be read where it is served.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Read;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use portolan_gateway::{Body, DocsLayer, DocsOptions, OpenApiOptions};
use portolan_schema::Schema;
use tower_layer::Layer;
use tower_service::Service;

/// What is behind the documents.
#[derive(Clone)]
struct Behind;

impl Service<Request<Body>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::from(b"behind".to_vec()));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        ready(Ok(response))
    }
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(options: DocsOptions, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let schema = Arc::new(Schema::from_descriptor_sets([&b""[..]]).unwrap());
    let mut service = DocsLayer::new(schema, options).layer(Behind);
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = service.call(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

async fn get(path: &str) -> Answer {
    ask(DocsOptions::default(), "GET", path, &[]).await
}

#[tokio::test]
async fn documents_are_served() {
    let json = get("/openapi.json").await;
    assert_eq!(json.status, 200);
    assert_eq!(json.header("content-type"), "application/json");
    assert!(json.text().contains("\"openapi\": \"3.1.1\""));
    let yaml = get("/openapi.yaml").await;
    assert_eq!(yaml.header("content-type"), "application/yaml");
    assert!(yaml.text().starts_with("openapi: "));
    for answer in [json, yaml] {
        assert_eq!(answer.header("vary"), "accept-encoding");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let tag = get("/openapi.json").await.header("etag").to_owned();
    let strong = tag.strip_prefix("W/").unwrap();
    let several = format!("\"x\", {strong}");
    for known in [&*tag, strong, &several, "*"] {
        let headers = [("if-none-match", known)];
        let again = ask(DocsOptions::default(), "GET", "/openapi.json", &headers).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let headers = [("if-none-match", "\"x\"")];
    let other = ask(DocsOptions::default(), "GET", "/openapi.json", &headers).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn bodies_are_compressed_for_whom_that_suits() {
    let plain = get("/openapi.yaml").await;
    let headers = [("accept-encoding", "br, gzip")];
    let zipped = ask(DocsOptions::default(), "GET", "/openapi.yaml", &headers).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*zipped.body)
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, plain.body);
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let whole = get("/openapi.json").await;
    let head = ask(DocsOptions::default(), "HEAD", "/openapi.json", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert_eq!(head.header("etag"), whole.header("etag"));
}

#[tokio::test]
async fn everything_else_is_passed_on() {
    for path in [
        "/",
        "/openapi",
        "/openapi.json/",
        "/v1/docs",
        "/docsx",
        "/docs/x",
    ] {
        assert_eq!(get(path).await.text(), "behind", "{path}");
    }
    for method in ["POST", "OPTIONS", "DELETE"] {
        let answer = ask(DocsOptions::default(), method, "/openapi.json", &[]).await;
        assert_eq!(answer.text(), "behind", "{method}");
    }
}

#[tokio::test]
async fn a_base_path_stands_in_front_of_all() {
    for base in ["/api", "api/"] {
        let options = || DocsOptions {
            open_api: OpenApiOptions {
                base_path: base.to_owned(),
                ..OpenApiOptions::default()
            },
            base_path: base.to_owned(),
            ..DocsOptions::default()
        };
        let json = ask(options(), "GET", "/api/openapi.json", &[]).await;
        assert!(json.text().contains("\"url\": \"/api\""), "{}", json.text());
        let elsewhere = ask(options(), "GET", "/openapi.json", &[]).await;
        assert_eq!(elsewhere.text(), "behind");
        let near = ask(options(), "GET", "/apiopenapi.json", &[]).await;
        assert_eq!(near.text(), "behind");
    }
}

#[cfg(feature = "docs")]
#[tokio::test]
async fn the_page_loads_only_what_is_here() {
    let options = || DocsOptions {
        open_api: OpenApiOptions {
            title: Some("<Shelves> & more".to_owned()),
            servers: vec!["https://api.example.com/v1".to_owned()],
            ..OpenApiOptions::default()
        },
        ..DocsOptions::default()
    };
    let page = ask(options(), "GET", "/docs", &[]).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.text()
            .contains("<title>&lt;Shelves&gt; &amp; more</title>")
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(
        policy.contains("connect-src 'self' https://api.example.com;"),
        "{policy}"
    );
    assert!(!page.text().contains("//"), "{}", page.text());

    let links = page
        .text()
        .split(['"'])
        .filter(|text| text.starts_with("docs/"));
    let mut count = 0;
    for link in links {
        let file = ask(options(), "GET", &format!("/{link}"), &[]).await;
        assert_eq!(file.status, 200, "{link}");
        assert!(!file.body.is_empty(), "{link}");
        let content_type = file.header("content-type");
        let expected = if link.ends_with("css") {
            "text/css"
        } else {
            "text/javascript"
        };
        assert!(content_type.starts_with(expected), "{link}: {content_type}");
        count += 1;
    }
    assert_eq!(count, 4);
    assert!(get("/docs/LICENSE").await.text().contains("Apache License"));

    let slash = get("/docs/").await;
    assert_eq!((slash.status, slash.header("location")), (308, "../docs"));
}

#[tokio::test]
async fn a_page_that_is_not_wanted_is_not_there() {
    let options = DocsOptions {
        page: false,
        ..DocsOptions::default()
    };
    let answer = ask(options, "GET", "/docs", &[]).await;
    assert_eq!(answer.text(), "behind");
}
