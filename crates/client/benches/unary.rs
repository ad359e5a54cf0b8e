//! What a small unary call costs the client: processor time per call, from body
//! to body, against a tonic server in a process of its own.
//!
//! `cargo bench -p portolan-client --bench unary [-- CALLS AT_A_TIME]`
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on should stop"
)]
#![allow(dead_code, reason = "the server is that of the tests")]

#[path = "../tests/channel/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use portolan_rpc::Body;
use tower_service::Service;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    if std::env::args().any(|text| text == "serve") {
        runtime.block_on(async {
            let server = server::Server::start().await;
            println!("{}", server.url());
            std::future::pending::<()>().await;
        });
    }
    let calls = numbers.first().copied().unwrap_or(100_000);
    let at_a_time = numbers.get(1).copied().unwrap_or(64);
    let mut peer = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let output = peer.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut url).unwrap();
    for _ in 0..3 {
        let (user, system) = processor_time();
        let begun = Instant::now();
        runtime.block_on(run(url.trim(), calls, at_a_time));
        let wall = begun.elapsed();
        let after = processor_time();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / calls as f64;
        println!(
            "{calls} calls, {at_a_time} at a time: {:.2} µs user, {:.2} µs system each, {:.0} calls/s",
            each(after.0 - user),
            each(after.1 - system),
            calls as f64 / wall.as_secs_f64(),
        );
    }
    let _ = peer.kill();
    let _ = peer.wait();
}

async fn run(url: &str, calls: usize, at_a_time: usize) {
    let channel = server::channel(url);
    let left = Arc::new(AtomicUsize::new(calls));
    let message = server::message("hello, how are you");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_a_time {
        let (mut channel, left, message) = (channel.clone(), Arc::clone(&left), message.clone());
        tasks.spawn(async move {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                let mut request = Request::new(Body::from(message.clone()));
                *request.method_mut() = http::Method::POST;
                *request.uri_mut() = http::Uri::from_static("/test.Echo/Unary");
                let headers = request.headers_mut();
                let plain = http::HeaderValue::from_static;
                headers.insert("te", plain("trailers"));
                headers.insert("content-type", plain("application/grpc"));
                let mut body = channel.call(request).await.unwrap().into_body();
                let mut frames = 0;
                while let Some(frame) = body.frame().await {
                    frame.unwrap();
                    frames += 1;
                }
                assert_eq!(frames, 2);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// The time that this process has had, for itself and in the system.
fn processor_time() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // In hundredths of a second on every Linux.
    let time = |at: usize| Duration::from_millis(fields[at].parse::<u64>().unwrap() * 10);
    (time(11), time(12))
}
