//! Handshakes that are refused, and how: by an HTTP status.

use portolan_gateway::Options;
use serde_json::Value;
use tower_service::Service;

use super::meet::{connect, refusal, serve};
use crate::client::request;
use crate::upstream::shelf;

fn error(body: Option<Vec<u8>>) -> Value {
    serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default()
}

#[tokio::test]
async fn what_is_wrong_is_said_by_http() {
    let address = serve(shelf()).await;
    let chat = "/v1/items:chat";
    for (path, headers, status, code) in [
        ("/v1/nowhere", vec![], 404, 5),
        ("/v1/items:chat?nothing=1", vec![], 400, 3),
        ("/v1/items:chat?count=many", vec![], 400, 3),
        (chat, vec![("x-request-timeout", "soon")], 400, 3),
        (chat, vec![("origin", "https://elsewhere.example")], 403, 7),
        (chat, vec![("origin", "null")], 403, 7),
    ] {
        let response = refusal(address, path, &headers).await;
        assert_eq!(response.status(), status, "{path} {headers:?}");
        let body = error(response.into_body());
        assert_eq!(body["code"], code, "{path} {headers:?}: {body}");
    }
    // The kind of route decides the form of the error, as ever.
    let elsewhere = [("origin", "https://elsewhere.example")];
    let response = refusal(address, "/grpc/shelf/chat", &elsewhere).await;
    assert!(error(response.into_body())["detail"].is_string());
}

#[tokio::test]
async fn a_page_of_the_same_origin_may() {
    let address = serve(shelf()).await;
    let own = format!("http://{address}");
    let mut talk = connect(address, "/v1/items:chat", &[("origin", &own)]).await;
    talk.done().await;
    assert_eq!(talk.rest().await.code(), 1000);
}

#[tokio::test]
async fn another_version_is_told_which_one() {
    let request = || {
        let headers = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "8"),
        ];
        let mut request = request(
            "GET",
            "/v1/items:chat",
            &headers,
            portolan_gateway::Body::empty(),
        );
        *request.version_mut() = http::Version::HTTP_11;
        request
    };
    // A connection that cannot be upgraded is said to be one.
    let Ok(response) = shelf().call(request()).await;
    assert_eq!(response.status(), 501);
    let address = serve(shelf()).await;
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request()).await.unwrap();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
}

#[tokio::test]
async fn where_no_websocket_is_asked_for_all_is_as_before() {
    let gateway = shelf();
    let options = Options::default();
    assert!(options.keep_alive.as_secs() > 0);
    for (name, value) in [("upgrade", "h2c"), ("connection", "upgrade")] {
        let mut plain = request(
            "GET",
            "/v1/items?count=1",
            &[(name, value)],
            portolan_gateway::Body::empty(),
        );
        *plain.version_mut() = http::Version::HTTP_11;
        let answer = crate::client::send(&gateway, plain).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "[{}]"));
    }
}
