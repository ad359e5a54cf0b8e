//! Servers that are not there, go away and come back.

use std::time::{Duration, Instant};

use portolan_rpc::Code;

use crate::server::{Server, begin, channel, echo, message, request};

/// An address that nobody listens on.
pub(crate) async fn nowhere() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_dead_server_is_unavailable_at_once_and_by_name() {
    let address = nowhere().await;
    let channel = channel(&format!("http://{address}"));
    let begun = Instant::now();
    for _ in 0..100 {
        let status = begin(&channel, request("Unary", message(""), &[]))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(
            status.message(),
            format!("http://{address}: connection refused")
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let server = Server::start().await;
    let (address, channel) = (server.address, server.channel());
    echo(&channel, "before").await.unwrap();
    server.stop().await;
    let status = echo(&channel, "in between").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let server = Server::on(address, "two").await;
    let begun = Instant::now();
    loop {
        match echo(&channel, "after").await {
            Ok(name) => break assert_eq!(name, "two"),
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(server);
}

#[tokio::test]
async fn a_name_that_is_none_is_unavailable() {
    let channel = channel("http://no-such-host.invalid:1");
    let status = echo(&channel, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let message = status.message();
    assert!(
        message.starts_with("http://no-such-host.invalid:1: "),
        "{message}"
    );
}
