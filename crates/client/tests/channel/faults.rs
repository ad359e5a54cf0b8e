//! Servers that are not there, go away and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use portolan_client::{Backoff, Channel, KeepAlive, Policy, ServiceConfig};
use portolan_rpc::{Body, Code};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{
    Mortal, Server, anywhere, begin, call, channel, echo, message, request, status_of, within,
    writable,
};

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

/// Calls without a pause until it is told to stop; what went well and what not.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<Vec<portolan_rpc::Status>>,
}

impl Load {
    fn start(channel: &Channel, at_a_time: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let done = Arc::<AtomicUsize>::default();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..at_a_time {
            let (channel, stop, done) = (channel.clone(), Arc::clone(&stop), Arc::clone(&done));
            tasks.spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match echo(&channel, "hello").await {
                        Ok(_) => drop(done.fetch_add(1, Ordering::Relaxed)),
                        Err(status) => {
                            failed.push(status);
                            // Somebody who fails at once should not spin.
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                }
                failed
            });
        }
        Self { stop, done, tasks }
    }

    /// Waits until so many more calls have gone well.
    async fn more(&self, calls: usize) {
        let goal = self.done.load(Ordering::Relaxed) + calls;
        within(async {
            while self.done.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn end(self) -> Vec<portolan_rpc::Status> {
        self.stop.store(true, Ordering::Relaxed);
        within(self.tasks.join_all()).await.concat()
    }
}

/// Retries as a gateway would be given them.
fn retrying() -> ServiceConfig {
    ServiceConfig::from_json(
        r#"{"methodConfig": [{"name": [{}], "retryPolicy": {
            "maxAttempts": 5, "initialBackoff": "0.02s", "maxBackoff": "0.2s",
            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}"#,
    )
    .unwrap()
}

fn quick() -> Backoff {
    Backoff {
        initial: Duration::from_millis(5),
        max: Duration::from_millis(20),
        ..Backoff::default()
    }
}

#[tokio::test]
async fn calls_under_way_outlive_a_graceful_end() {
    let server = Server::start().await;
    let channel = server.channel();
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, mut answer) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    within(answer.frame()).await.unwrap().unwrap();
    // It says that it ends (GOAWAY), and waits for this call.
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    within(async {
        while channel.addresses()[0].connections > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let status = echo(&channel, "new").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    // Another process takes over, with the first still at work.
    let second = Server::on(address, "two").await;
    let again = within(async {
        loop {
            if let Ok(name) = echo(&channel, "new").await {
                return name;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(again.await, "two");
    sender.send(Ok(message("1"))).await.unwrap();
    let frame = within(answer.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), message("1"));
    drop(sender);
    let end = within(answer.collect()).await.unwrap();
    assert_eq!(end.trailers().unwrap()["grpc-status"], "0");
    within(stopping).await.unwrap();
    drop(second);
}

#[tokio::test]
async fn a_killed_server_fails_what_is_under_way_and_nothing_later() {
    let mut server = Mortal::on(anywhere(), "one");
    let address = server.address;
    let builder = Channel::builder([format!("http://{address}").parse().unwrap()]);
    let channel = builder.backoff(quick()).build().unwrap();
    for _ in 0..3 {
        let load = Load::start(&channel, 16);
        load.more(200).await;
        server.kill().await;
        server = Mortal::on(address, "one");
        load.more(200).await;
        // All goes well from here on.
        let failed = load.end().await;
        for status in &failed {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(
                status.message().starts_with(&format!("http://{address}: ")),
                "{status}"
            );
        }
        let load = Load::start(&channel, 16);
        load.more(200).await;
        assert_eq!(load.end().await, []);
    }
}

#[tokio::test]
async fn a_rolling_restart_of_two_fails_no_call_that_is_tried_again() {
    for policy in [Policy::RoundRobin, Policy::LeastRequest, Policy::PickFirst] {
        let mut servers = [Mortal::on(anywhere(), "one"), Mortal::on(anywhere(), "two")];
        let endpoints: Vec<_> = servers
            .iter()
            .map(|server| format!("http://{}", server.address).parse().unwrap())
            .collect();
        let builder = Channel::builder(endpoints).policy(policy).backoff(quick());
        let channel = builder.service_config(retrying()).build().unwrap();
        let load = Load::start(&channel, 16);
        for round in 0..4 {
            load.more(100).await;
            let at = round % 2;
            let (address, name) = (servers[at].address, ["one", "two"][at]);
            // Now gently, now not.
            let dead = std::mem::replace(&mut servers[at], Mortal::on(anywhere(), name));
            if round < 2 {
                dead.stop().await;
            } else {
                dead.kill().await;
            }
            load.more(100).await;
            servers[at] = Mortal::on(address, name);
        }
        load.more(100).await;
        assert_eq!(load.end().await, [], "{policy:?}");
    }
}

#[tokio::test]
async fn what_is_to_take_for_ever_may() {
    let server = Server::start().await;
    let keep_alive = KeepAlive {
        interval: Duration::MAX,
        timeout: Duration::MAX,
        without_calls: true,
    };
    let builder = Channel::builder([server.url().parse().unwrap()])
        .keep_alive(Some(keep_alive))
        .idle_timeout(Some(Duration::MAX))
        .connect_timeout(Duration::MAX)
        .resolve_every(Duration::MAX, Duration::MAX);
    echo(&builder.build().unwrap(), "").await.unwrap();
}

/// A proxy that can be told to stop passing anything on, without closing.
struct Proxy {
    address: std::net::SocketAddr,
    frozen: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(server: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let frozen = Arc::<AtomicBool>::default();
        let ice = Arc::clone(&frozen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                // Those that are frozen stay so.
                let mine = Arc::new(AtomicBool::new(false));
                for (mut from, mut to) in [(client_read, server_write), (server_read, client_write)]
                {
                    let (ice, mine) = (Arc::clone(&ice), Arc::clone(&mine));
                    tokio::spawn(async move {
                        let mut buffer = vec![0; 64 * 1024];
                        loop {
                            let read = from.read(&mut buffer).await.unwrap_or(0);
                            if ice.load(Ordering::SeqCst) {
                                mine.store(true, Ordering::SeqCst);
                            }
                            if mine.load(Ordering::SeqCst) {
                                if read == 0 {
                                    std::future::pending::<()>().await;
                                }
                                continue;
                            }
                            if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        Self { address, frozen }
    }
}

#[tokio::test]
async fn a_connection_to_nobody_is_noticed_by_pings() {
    let server = Server::start().await;
    let proxy = Proxy::before(server.address).await;
    let endpoint = format!("http://{}", proxy.address).parse().unwrap();
    let keep_alive = KeepAlive {
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(1),
        without_calls: false,
    };
    let builder = Channel::builder([endpoint]).keep_alive(Some(keep_alive));
    let channel = builder.build().unwrap();
    // Pings are answered while a call takes its time.
    let hang = [("x-hang", "1"), ("grpc-timeout", "1500m")];
    let status = begin(&channel, request("Unary", message(""), &hang))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(*channel.connected().borrow(), 1);
    // And then not any more.
    proxy.frozen.store(true, Ordering::SeqCst);
    let hang = [("x-hang", "1")];
    let status = begin(&channel, request("Unary", message(""), &hang))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let address = proxy.address;
    let text = format!("http://{address}: the server does not answer pings");
    assert_eq!(status.message(), text);
    proxy.frozen.store(false, Ordering::SeqCst);
    echo(&channel, "over a new one").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed() {
    let server = Server::start().await;
    let builder = Channel::builder([server.url().parse().unwrap()]);
    let channel = builder
        .idle_timeout(Some(Duration::from_millis(200)))
        .build()
        .unwrap();
    echo(&channel, "first").await.unwrap();
    within(async {
        while channel.addresses()[0].connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let before = *channel.connected().borrow();
    echo(&channel, "second").await.unwrap();
    assert!(*channel.connected().borrow() > before);
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_back_the_request() {
    let server = Server::start().await;
    let channel = server.channel();
    let (sender, body) = writable();
    // The answers are not read, so tonic stops reading, too.
    sender.send(Ok(message("begin"))).await.unwrap();
    let (_, answer) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    let piece = message(&"x".repeat(100_000));
    let mut sent = 0;
    while let Ok(more) =
        tokio::time::timeout(Duration::from_millis(500), sender.send(Ok(piece.clone()))).await
    {
        more.unwrap();
        sent += piece.len();
        assert!(sent < 64 << 20, "the request goes on without an end");
    }
    // Other calls do not mind.
    echo(&channel, &"y".repeat(100_000)).await.unwrap();
    drop(answer);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unavailable() {
    let server = Mortal::on(anywhere(), "one");
    let channel = channel(&format!("http://{}", server.address));
    let (sender, body) = writable();
    sender.send(Ok(message("0"))).await.unwrap();
    let (_, mut answer) = begin(&channel, request("Bidi", body, &[])).await.unwrap();
    within(answer.frame()).await.unwrap().unwrap();
    server.kill().await;
    let status = status_of(within(answer.frame()).await.unwrap().unwrap_err());
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

/// Reads until a call has begun, or nothing more comes.
async fn until_called(stream: &mut TcpStream, heard: &mut Vec<u8>) {
    // The head of the first request, a frame of type 1 on stream 1.
    let is_called = |part: &[u8]| part[0] == 1 && part[2..] == [0, 0, 0, 1];
    while !heard.windows(6).any(is_called) {
        if stream.read_buf(heard).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Somebody who is no server, and what he says: first, and once he is called.
pub(crate) async fn says(
    first: &[u8],
    then: &[u8],
) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (first, then) = (first.to_vec(), then.to_vec());
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = Vec::new();
            let _ = stream.read_buf(&mut heard).await;
            let _ = stream.write_all(&first).await;
            if !then.is_empty() {
                until_called(&mut stream, &mut heard).await;
            }
            let _ = stream.write_all(&then).await;
            open.push(stream);
        }
    });
    (address, task)
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&[0, 0, 0, stream]);
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn a_connection_that_ends_is_closed_with_its_last_call() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let channel = channel(&format!("http://{}", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        until_called(&mut stream, &mut heard).await;
        // No call after this one, and its answer.
        let end = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
        let answer = frame(1, 5, 1, b"\x88\x40\x0bgrpc-status\x010");
        stream.write_all(&[end, answer].concat()).await.unwrap();
        // It leaves it to the client to close.
        stream.read_to_end(&mut heard).await.unwrap();
    });
    begin(&channel, request("Unary", message(""), &[]))
        .await
        .unwrap();
    within(server).await.unwrap();
}

#[tokio::test]
async fn who_speaks_no_http_2_is_told_apart() {
    let at_first = [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "speaks HTTP/1.1 and not HTTP/2",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP/2"),
        (&[0; 100], "does not speak HTTP/2"),
        (&frame(4, 0, 0, &[0; 5]), "a frame of the wrong size"),
    ];
    for (bytes, reason) in at_first {
        hears(bytes, &[], reason).await;
    }
    let head = frame(1, 0, 1, &[0x88]);
    let large: Vec<u8> = vec![frame(9, 0, 1, &[0; 60_000]); 18].concat();
    let when_called = [
        (frame(0, 0, 7, b"x"), "a stream that is none"),
        (frame(1, 4, 1, &[0xff; 20]), "headers that cannot be read"),
        (frame(5, 4, 1, &[0; 10]), "pushed what nobody asked for"),
        (frame(9, 4, 1, &[]), "continued a header block that is none"),
        (frame(8, 0, 1, &[0; 4]), "enlarged a window by nothing"),
        (
            frame(8, 0, 1, &[0x7f, 255, 255, 255]),
            "a window larger than one can be",
        ),
        (
            vec![0x7f, 0xff, 0xff, 0, 0, 0, 0, 0, 1],
            "a frame that is too large",
        ),
        (frame(0, 8, 1, &[9, 0]), "more padding than there is"),
        (
            [head.clone(), frame(6, 0, 0, &[0; 8])].concat(),
            "broke off a header block",
        ),
        (
            [head.clone(), frame(9, 0, 1, &[])].concat(),
            "empty parts of a header block",
        ),
        ([head, large].concat(), "headers that are too large"),
        (
            frame(7, 0, 0, b"\0\0\0\0\0\0\0\x0btoo_many_pings"),
            "ends the connection (ENHANCE_YOUR_CALM): too_many_pings",
        ),
    ];
    for (bytes, reason) in when_called {
        hears(&frame(4, 0, 0, &[]), &bytes, reason).await;
    }
}

/// Calls somebody who is no server, and looks for the reason in what comes of
/// it.
async fn hears(first: &[u8], then: &[u8], reason: &str) {
    let (address, task) = says(first, then).await;
    let builder = Channel::builder([format!("http://{address}").parse().unwrap()]);
    let channel = builder.max_connections(1).build().unwrap();
    let status = within(echo(&channel, "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let text = status.message();
    assert!(text.contains(reason), "{text} is not `{reason}`");
    task.abort();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let builder = Channel::builder([format!("http://{address}").parse().unwrap()]);
    let channel = builder
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let status = within(echo(&channel, "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        format!("http://{address}: no connection within 100ms")
    );
    // A deadline is kept in the meantime.
    let late = request("Unary", message(""), &[("grpc-timeout", "20m"), ("x", "y")]);
    let builder = Channel::builder([format!("http://{address}").parse().unwrap()]);
    let status = call(&builder.build().unwrap(), late).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn whoever_wants_to_wait_for_a_server_may() {
    let address = nowhere().await;
    let builder = Channel::builder([format!("http://{address}").parse().unwrap()]);
    let channel = builder
        .wait_for_ready(true)
        .backoff(quick())
        .build()
        .unwrap();
    let waiting = tokio::spawn({
        let channel = channel.clone();
        async move { echo(&channel, "patience").await }
    });
    let timeout = [("grpc-timeout", "100m")];
    let status = call(&channel, request("Unary", Body::empty(), &timeout))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let server = Server::on(address, "late").await;
    assert_eq!(within(waiting).await.unwrap().unwrap(), "late");
    drop(server);
}
