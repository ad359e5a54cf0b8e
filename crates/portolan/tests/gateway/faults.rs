//! What goes wrong around a gateway: upstreams die, clients vanish, signals
//! come.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portolan::memory::proto::GetMetricsRequest;
use portolan::memory::proto::metrics_client::MetricsClient;
use tonic::{Code, Status};

use crate::support::{Folder, PATIENCE, Server, portolan, signal, wait};

/// Calls through a gateway again and again until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    fine: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<Code>>>,
}

impl Load {
    async fn begin(gateway: &Server, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let fine = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for _ in 0..clients {
            let mut client = MetricsClient::new(gateway.channel().await);
            let (stop, fine) = (Arc::clone(&stop), Arc::clone(&fine));
            tasks.push(tokio::spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match client.get_metrics(GetMetricsRequest {}).await {
                        Ok(_) => {
                            fine.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(status) => {
                            if !was_never_sent(&status) {
                                failed.push(status.code());
                            }
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                }
                failed
            }));
        }
        Self {
            stop,
            fine,
            clients: tasks,
        }
    }

    /// Waits until so many more calls were fine.
    async fn flows(&self, calls: usize) {
        let (begin, before) = (Instant::now(), self.fine.load(Ordering::Relaxed));
        while self.fine.load(Ordering::Relaxed) < before + calls {
            assert!(begin.elapsed() < PATIENCE, "no calls get through");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The codes of the calls that failed.
    async fn end(self) -> Vec<Code> {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for client in self.clients {
            failed.extend(client.await.unwrap());
        }
        failed
    }
}

/// Whether the client gave up before it sent anything, since the connection had
/// gone meanwhile.
fn was_never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_canceled();
        }
        source = error.source();
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_is_unavailable_at_once_and_named() {
    let front = Folder::new();
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let arguments = ["--upstream", "http://127.0.0.1:1", "--proto", proto];
    let gateway = Server::gateway(&front, &arguments);
    let begin = Instant::now();
    let answer = gateway.http("GET /v1/metrics", &[], "");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("127.0.0.1:1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_killed_and_comes_back_fails_with_unavailable_only() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let address = upstream.address().to_string();
    let gateway = Server::gateway(&front, &["--upstream", &upstream.url()]);
    let load = Load::begin(&gateway, 8).await;
    load.flows(200).await;
    upstream.kill();
    let _upstream = Server::start_at(&behind, &[&address], &[]);
    load.flows(200).await;
    let failed = load.end().await;
    assert!(
        failed.iter().all(|code| *code == Code::Unavailable),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_end_fails_no_call_that_runs() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let gateway = Server::gateway(&front, &["--upstream", &upstream.url()]);
    let load = Load::begin(&gateway, 8).await;
    load.flows(200).await;
    gateway.signal("TERM");
    // A call that was not taken any more says so; none breaks off.
    let (status, _) = gateway.wait();
    let failed = load.end().await;
    assert!(status.success());
    assert!(
        failed.iter().all(|code| *code == Code::Unavailable),
        "{failed:?}"
    );
}

/// Nor does its end wait for an upstream that takes calls and never answers,
/// and would be given up after half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_still_waits_for_contracts_can_be_ended() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut gateway = portolan(["gateway", "--listen", "127.0.0.1:0", "--upstream", &url])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let asked = connection.accept().await.unwrap().unwrap();
    let begin = Instant::now();
    signal(&gateway, "TERM");
    // The connection has to be worked on for as long as it is there.
    let serving = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let status = tokio::task::spawn_blocking(move || wait(&mut gateway));
    assert!(status.await.unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(20));
    drop(asked);
    serving.await.unwrap();
}

/// Nor does its start wait for one: it serves what it can and says what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_answers_holds_up_no_start() {
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = format!("http://{}", hung.local_addr().unwrap());
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let arguments = ["--upstream", &hung, "--upstream", &upstream.url()];
    let gateway = Server::gateway(&front, &arguments);
    let answer = gateway.http("GET /v1/metrics", &[], "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // What is not found may be its.
    let answer = gateway.http("GET /nowhere", &[], "");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains(&hung), "{answer}");
    gateway.stop();
}
