//! All kinds of calls, and what ends them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use portolan_client::Channel;
use portolan_rpc::{Body, Code, Status};

use crate::server::{
    Echo, Server, begin, call, channel, echo, message, request, status_of, within, writable,
};

#[tokio::test]
async fn unary_calls_go_out_and_come_back() {
    let server = Server::start().await;
    let channel = server.channel();
    for text in ["", "hello", &"x".repeat(1 << 20)] {
        assert_eq!(echo(&channel, text).await.unwrap(), "one");
    }
}

#[tokio::test]
async fn a_status_of_the_server_comes_back() {
    let server = Server::start().await;
    let failing = request("Unary", message(""), &[("x-code", "5")]);
    let status = call(&server.channel(), failing).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "as asked")
    );
}

#[tokio::test]
async fn messages_flow_both_ways_at_once() {
    let server = Server::start().await;
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, mut answer) = begin(&server.channel(), request("Bidi", body, &[]))
        .await
        .unwrap();
    for at in 0..100 {
        let piece = within(answer.frame()).await.unwrap().unwrap();
        assert_eq!(piece.into_data().unwrap(), message(&at.to_string()));
        sender
            .send(Ok(message(&(at + 1).to_string())))
            .await
            .unwrap();
    }
    drop(sender);
    let rest = within(answer.collect()).await.unwrap();
    assert_eq!(rest.trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_body_that_is_dropped_cancels_its_call() {
    let server = Server::start().await;
    let channel = server.channel();
    let (_, mut body) = begin(&channel, request("Count", message("10"), &[]))
        .await
        .unwrap();
    within(body.frame()).await.unwrap().unwrap();
    drop(body);
    server
        .seen
        .until(|seen| seen.cancelled.load(Ordering::SeqCst) == 1)
        .await;
    echo(&channel, "and goes on").await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled() {
    let server = Server::start().await;
    let channel = server.channel();
    let hanging = tokio::spawn({
        let channel = channel.clone();
        async move { begin(&channel, request("Unary", message(""), &[("x-hang", "1")])).await }
    });
    server
        .seen
        .until(|seen| seen.calls.load(Ordering::SeqCst) == 1)
        .await;
    hanging.abort();
    server
        .seen
        .until(|seen| seen.cancelled.load(Ordering::SeqCst) == 1)
        .await;
}

#[tokio::test]
async fn a_request_that_breaks_off_resets_its_call() {
    let server = Server::start().await;
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, mut answer) = begin(&server.channel(), request("Bidi", body, &[]))
        .await
        .unwrap();
    within(answer.frame()).await.unwrap().unwrap();
    sender.send(Err("gone".into())).await.unwrap();
    let status = status_of(within(answer.frame()).await.unwrap().unwrap_err());
    assert_eq!(status.code(), Code::Cancelled);
    // And before there is an answer.
    let (sender, body) = writable();
    sender.send(Err("gone".into())).await.unwrap();
    let status = begin(&server.channel(), request("Unary", body, &[]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    assert_eq!(status.message(), "the request broke off: gone");
}

#[tokio::test]
async fn a_slow_reader_holds_back_the_server() {
    let server = Server::start().await;
    let size = 100_000;
    let text = size.to_string();
    let (_, mut body) = begin(&server.channel(), request("Count", message(&text), &[]))
        .await
        .unwrap();
    // The server produces until the windows are full, and then stands still.
    let mut before = usize::MAX;
    within(async {
        loop {
            let produced = server.seen.produced.load(Ordering::SeqCst);
            if produced == before {
                return;
            }
            before = produced;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    assert!(before * size < 16 << 20, "{before} messages are under way");
    // It goes on as soon as somebody reads.
    let mut read = 0;
    while read < 32 << 20 {
        read += within(body.frame())
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
    }
    assert!(server.seen.produced.load(Ordering::SeqCst) > before);
}

#[tokio::test]
async fn a_deadline_ends_a_call_and_is_told_to_the_server() {
    let server = Server::start().await;
    let channel = server.channel();
    let timeout = [("grpc-timeout", "50m"), ("x-hang", "1")];
    let status = begin(&channel, request("Unary", message(""), &timeout))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    server
        .seen
        .until(|seen| seen.cancelled.load(Ordering::SeqCst) == 1)
        .await;
    // In the middle of a stream.
    let timeout = [("grpc-timeout", "200m")];
    let status = match begin(&channel, request("Count", message("1"), &timeout)).await {
        // A machine that is busy may not get there.
        Err(status) => status,
        Ok((_, mut body)) => within(end(&mut body)).await,
    };
    // The server may be the first to notice.
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status}"
    );
    // A default holds where a call says nothing.
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let channel = builder
        .default_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let hang = [("x-hang", "1")];
    let status = begin(&channel, request("Unary", message(""), &hang))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

/// Reads to the end, and gives the status there.
async fn end(body: &mut Body) -> Status {
    loop {
        match body.frame().await.unwrap() {
            Ok(frame) if frame.is_data() => {}
            Ok(frame) => return Status::take_from(&mut frame.into_trailers().unwrap()).unwrap(),
            Err(error) => return status_of(error),
        }
    }
}

#[tokio::test]
async fn bad_deadlines_are_refused() {
    let server = Server::start().await;
    let bad = request("Unary", message(""), &[("grpc-timeout", "soon")]);
    let status = begin(&server.channel(), bad).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint() {
    let folder = std::env::temp_dir().join(format!("portolan-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("echo.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(Echo {
        name: "unix",
        ..Echo::default()
    });
    let task = tokio::spawn(server.serve_with_incoming(incoming));
    let channel = channel(&format!("unix:{}", path.display()));
    assert_eq!(echo(&channel, "hello").await.unwrap(), "unix");
    task.abort();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn an_empty_body_ends_with_its_headers() {
    let server = Server::start().await;
    let status = call(&server.channel(), request("Unary", Bytes::new(), &[])).await;
    assert_eq!(
        status.unwrap_err().code(),
        Code::Internal,
        "tonic misses the message"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_share_a_channel() {
    let server = Server::start().await;
    let channel = server.channel();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let channel = channel.clone();
        tasks.spawn(async move {
            for round in 0..20 {
                let size = [0, 10, 3_000, 20_000, 200_000][(task + round) % 5];
                echo(&channel, &"x".repeat(size)).await.unwrap();
                if round % 10 == 0 {
                    let stream = request("Count", message("5000"), &[]);
                    let (_, mut body) = begin(&channel, stream).await.unwrap();
                    for _ in 0..round {
                        within(body.frame()).await.unwrap().unwrap();
                    }
                }
            }
        });
    }
    within(async {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    })
    .await;
    assert_eq!(channel.addresses()[0].calls, 0);
}
