//! Calls with messages as types, and what is no answer to one.

use std::time::Duration;

use http::HeaderMap;
use portolan_client::{Bounds, unary};
use portolan_rpc::{Code, Status};

use crate::server::{Server, Text, within};

const BOUNDS: Bounds = Bounds {
    timeout: Some(Duration::from_secs(20)),
    answer: 1024,
};

async fn ask(path: &str, text: &str, code: Option<&str>, bounds: Bounds) -> Result<Text, Status> {
    let server = Server::start().await;
    let metadata: HeaderMap = code
        .map(|code| {
            (
                http::HeaderName::from_static("x-code"),
                code.parse().unwrap(),
            )
        })
        .into_iter()
        .collect();
    let message = Text { text: text.into() };
    within(unary(server.channel(), path, &metadata, &message, bounds)).await
}

#[tokio::test]
async fn one_message_is_answered_with_one() {
    let answer = ask("/test.Echo/Unary", "hello", None, BOUNDS)
        .await
        .unwrap();
    assert_eq!(answer.text, "hello");
    let unbound = Bounds {
        timeout: None,
        ..BOUNDS
    };
    assert!(
        ask("/test.Echo/Unary", "hello", None, unbound)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn anything_else_is_a_status() {
    let small = Bounds {
        answer: 1,
        ..BOUNDS
    };
    for (path, text, code, bounds, expected) in [
        ("/test.Echo/Unary", "", Some("5"), BOUNDS, Code::NotFound),
        ("/test.None/Unary", "", None, BOUNDS, Code::Unimplemented),
        (
            "/test.Echo/Unary",
            "hello",
            None,
            small,
            Code::ResourceExhausted,
        ),
        // One message after the other, each of so many bytes.
        ("/test.Echo/Count", "2", None, BOUNDS, Code::Internal),
    ] {
        let status = ask(path, text, code, bounds).await.unwrap_err();
        assert_eq!(status.code(), expected, "{path} {text}: {status}");
    }
}

#[tokio::test]
async fn a_call_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let bounds = Bounds {
        timeout: Some(Duration::from_millis(50)),
        ..BOUNDS
    };
    let (channel, message) = (crate::server::channel(&url), Text::default());
    let metadata = HeaderMap::new();
    let call = unary::<_, _, Text>(channel, "/a.S/M", &metadata, &message, bounds);
    let status = within(call).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}
