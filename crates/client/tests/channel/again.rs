//! Calls that are sent again, and those that must not be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portolan_client::{Channel, OutlierDetection, Policy};
use portolan_rpc::{BoxError, Code, Status};
use tokio::net::TcpListener;
use tower_service::Service;

use crate::balance::{calls, retrying};
use crate::faults::{frame, says};
use crate::server::{
    Server, anywhere, begin, call, echo, message, request, status_of, within, writable,
};

fn broken() -> Result<Bytes, BoxError> {
    Err(Box::new(Status::new(Code::Unavailable, "the client left")))
}

#[tokio::test]
async fn a_request_that_breaks_off_is_neither_sent_again_nor_held_against_the_server() {
    let servers = [Server::start().await, Server::start().await];
    let endpoints = servers
        .each_ref()
        .map(|server| server.url().parse().unwrap());
    let outliers = OutlierDetection {
        consecutive_failures: 1,
        ..OutlierDetection::default()
    };
    let channel = Channel::builder(endpoints)
        .service_config(retrying(5, "14", ""))
        .policy(Policy::RoundRobin)
        .outlier_detection(outliers)
        .build()
        .unwrap();
    // Before there is anything of an answer.
    let (sender, body) = writable();
    let mut calling = channel.clone();
    let calling = tokio::spawn(calling.call(request("Unary", body, &[])));
    sender.send(Ok(message("half of it"))).await.unwrap();
    within(async {
        while servers.iter().map(calls).sum::<usize>() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sender.send(broken()).await.unwrap();
    drop(sender);
    let status = within(calling).await.unwrap().unwrap_err();
    assert_eq!(status.message(), "the client left");
    assert_eq!(servers.iter().map(calls).sum::<usize>(), 1);
    // While the answer comes.
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, mut answer) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    within(answer.frame()).await.unwrap().unwrap();
    sender.send(broken()).await.unwrap();
    let status = status_of(within(answer.frame()).await.unwrap().unwrap_err());
    assert_eq!(status.message(), "the client left");
    assert!(channel.addresses().iter().all(|address| !address.ejected));
}

/// A proxy that says that it is busy, so many times, and then answers itself.
async fn busy(times: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let count = Arc::clone(&count);
                async move {
                    let _ = request.into_body().collect().await;
                    let response = http::Response::builder();
                    if count.fetch_add(1, Ordering::SeqCst) < times {
                        let busy = Full::new(Bytes::from_static(b"busy"));
                        return response.status(503).body(busy);
                    }
                    let response = response.header("content-type", "application/grpc");
                    response.header("grpc-status", "0").body(Full::default())
                }
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(serving);
        }
    });
    (address, asked)
}

#[tokio::test]
async fn what_a_proxy_says_by_http_is_tried_again_as_the_config_says() {
    for (attempts, wanted) in [(3, 200), (2, 503)] {
        let (address, asked) = busy(2).await;
        let channel = Channel::builder([format!("http://{address}").parse().unwrap()])
            .service_config(retrying(attempts, "14", ""))
            .build()
            .unwrap();
        let calling = channel.clone().call(request("Unary", message(""), &[]));
        let response = within(calling).await.unwrap();
        assert_eq!(response.status(), wanted);
        assert_eq!(asked.load(Ordering::SeqCst), attempts as usize);
        let body = within(response.into_body().collect()).await.unwrap();
        // What it says besides comes through.
        let said = if wanted == 503 { "busy" } else { "" };
        assert_eq!(body.to_bytes(), said);
    }
}

#[tokio::test]
async fn what_a_server_refuses_is_sent_again_once() {
    // It ends every connection, and says that it has taken no call.
    let settings = frame(4, 0, 0, &[]);
    let (address, task) = says(&settings, &frame(7, 0, 0, &[0; 8])).await;
    let endpoint = || format!("http://{address}").parse().unwrap();
    let channel = Channel::connect_lazy(endpoint()).unwrap();
    let status = within(echo(&channel, "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(*channel.connected().borrow(), 2);
    // And then as often as the config says.
    let builder = Channel::builder([endpoint()]).service_config(retrying(3, "14", ""));
    let channel = builder.build().unwrap();
    let status = within(echo(&channel, "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(*channel.connected().borrow(), 4);
    task.abort();
}

#[tokio::test]
async fn a_deadline_ends_an_answer_that_is_read_late() {
    let server = Server::start().await;
    let channel = server.channel();
    let endless = request("Count", message("10"), &[("grpc-timeout", "100m")]);
    let (_, mut answer) = begin(&channel, endless).await.unwrap();
    within(answer.frame()).await.unwrap().unwrap();
    // There is more to read all the while.
    tokio::time::sleep(Duration::from_millis(120)).await;
    let status = status_of(within(answer.frame()).await.unwrap().unwrap_err());
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let status = call(
        &channel,
        request("Count", message("10"), &[("grpc-timeout", "50m")]),
    );
    assert_eq!(status.await.unwrap_err().code(), Code::DeadlineExceeded);
}
