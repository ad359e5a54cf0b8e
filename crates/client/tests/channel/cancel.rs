//! Many calls that nobody waits for any more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use portolan_client::Channel;

use crate::server::{Mortal, Seen, anywhere, begin, channel, echo, message, request, within};

/// Begins calls and drops them, many at a time and one after the other.
async fn begin_and_drop(channel: &Channel, calls: usize, metadata: &'static [(&str, &str)]) {
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..16 {
        let channel = channel.clone();
        tasks.spawn(async move {
            for round in 0..calls / 16 {
                let request = request("Unary", message("hello"), metadata);
                let call = begin(&channel, request);
                // Sometimes before it has gone out, sometimes after.
                let pause = Duration::from_micros(50 * ((at + round) % 8) as u64);
                let _ = tokio::time::timeout(pause, call).await;
            }
        });
    }
    within(tasks.join_all()).await;
}

fn calls(seen: &Seen) -> usize {
    seen.calls.load(Ordering::SeqCst)
}

#[tokio::test]
async fn thousands_of_cancelled_calls_harm_nobody() {
    let server = Mortal::on(anywhere(), "one");
    let channel = channel(&format!("http://{}", server.address));
    // Somebody has a stream all the while.
    let (_, mut stream) = begin(&channel, request("Count", message("1"), &[]))
        .await
        .unwrap();
    within(stream.frame()).await.unwrap().unwrap();
    for metadata in [&[][..], &[("x-yield", "1")]] {
        begin_and_drop(&channel, 4000, metadata).await;
        echo(&channel, "all is well").await.unwrap();
    }
    for _ in 0..100 {
        within(stream.frame()).await.unwrap().unwrap();
    }
    assert!(calls(server.seen()) > 1000);
    assert!(
        *channel.connected().borrow() < 100,
        "a few connections were enough"
    );
}

#[tokio::test]
async fn calls_that_hang_and_are_cancelled_do_not_pile_up() {
    let server = Mortal::on(anywhere(), "one");
    let channel = channel(&format!("http://{}", server.address));
    for _ in 0..3 {
        begin_and_drop(&channel, 1600, &[("x-hang", "1")]).await;
        echo(&channel, "all is well").await.unwrap();
    }
    // Each of them hears of it in the end, though resets are rationed.
    let begun = calls(server.seen()) - 3;
    server
        .seen()
        .until(|seen| seen.cancelled.load(Ordering::SeqCst) + 100 >= begun)
        .await;
}

#[tokio::test]
async fn streams_that_are_dropped_do_not_pile_up() {
    let server = Mortal::on(anywhere(), "one");
    let channel = channel(&format!("http://{}", server.address));
    for _ in 0..500 {
        let (_, mut body) = begin(&channel, request("Count", message("1000"), &[]))
            .await
            .unwrap();
        within(body.frame()).await.unwrap().unwrap();
    }
    echo(&channel, "all is well").await.unwrap();
    server
        .seen()
        .until(|seen| seen.cancelled.load(Ordering::SeqCst) >= 400)
        .await;
}

#[tokio::test]
async fn calls_wait_until_cancelled_ones_have_made_room() {
    let server = crate::server::Server::with(anywhere(), "one", |builder| {
        builder.max_concurrent_streams(4)
    })
    .await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let channel = builder.max_connections(1).build().unwrap();
    for _ in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let channel = channel.clone();
            tasks.spawn(async move {
                let hang = [("x-hang", "1"), ("grpc-timeout", "20m")];
                begin(&channel, request("Unary", message(""), &hang))
                    .await
                    .map(drop)
            });
        }
        within(tasks.join_all()).await;
        // Nobody but these gives room to this one.
        within(echo(&channel, "next")).await.unwrap();
    }
}
