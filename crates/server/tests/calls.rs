//! Calls through a gateway: how they are counted, however they end, and what
//! the service behind is told of the client.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portolan_gateway::{Body, Gateway, GatewayLayer};
use portolan_schema::Schema;
use portolan_server::{Health, Metrics, Peer, RequestBody, Server};
use support::{HttpClient, Running, http1, http2};
use tokio::sync::mpsc;
use tower::{Layer, service_fn};

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// A frame with an empty message.
const EMPTY: &[u8] = b"\0\0\0\0\0";
const SOON: Duration = Duration::from_secs(10);

/// The contract of health checks in front of any service.
fn gateway<S>(service: S) -> Gateway<S> {
    let schema = Schema::from_descriptor_sets([Health::FILE_DESCRIPTOR_SET]).unwrap();
    GatewayLayer::new(Arc::new(schema)).layer(service)
}

/// A gRPC answer that says only this status.
fn status(code: &'static str) -> Response<Full<Bytes>> {
    Response::builder()
        .header(CONTENT_TYPE, "application/grpc")
        .header("grpc-status", code)
        .body(Full::default())
        .unwrap()
}

fn call(
    server: &Running,
    path: &str,
    content_type: &str,
    body: &'static [u8],
) -> Request<Full<Bytes>> {
    Request::post(server.url(path))
        .header(CONTENT_TYPE, content_type)
        .body(Full::from(body))
        .unwrap()
}

/// Reads an answer to its end.
async fn whole(client: &HttpClient, request: Request<Full<Bytes>>) {
    let response = client.request(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Names without a pattern, the same in every run.
fn made_up() -> impl Iterator<Item = String> {
    std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |seed| {
        Some(
            seed.wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    })
    .map(|seed| format!("/made.up.S{seed:016x}/M{:x}", seed >> 40))
}

/// The values that a label has.
fn values<'a>(figures: &'a str, label: &str) -> BTreeSet<&'a str> {
    let begin = format!("{label}=\"");
    figures
        .lines()
        .filter_map(|line| line.split_once(&begin)?.1.split('"').next())
        .collect()
}

fn requests(method: &str, protocol: &str, status: &str, count: u32) -> String {
    format!(
        "portolan_rpc_requests_total{{method=\"{method}\",protocol=\"{protocol}\",status=\"{status}\"}} {count}"
    )
}

#[tokio::test]
async fn paths_that_strangers_make_up_share_one_label() {
    let metrics = Metrics::default();
    let unimplemented = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(status("12")));
    let server = Running::start(Server::new(gateway(unimplemented)).metrics(metrics.clone()));
    let client = http2();
    let protocols = ["grpc", "grpc-web"].into_iter().cycle().take(2000);
    let calls = made_up().zip(protocols).map(|(path, protocol)| {
        let content_type = format!("application/{protocol}");
        whole(&client, call(&server, &path, &content_type, EMPTY))
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(server.drained(SOON).await.cut, 0);
    let figures = metrics.open_metrics();
    assert_eq!(
        values(&figures, "method"),
        BTreeSet::from(["unmatched"]),
        "{}",
        figures.len()
    );
    for protocol in ["grpc", "grpc-web"] {
        let line = requests("unmatched", protocol, "UNIMPLEMENTED", 1000);
        assert!(figures.contains(&line), "{line} is not in\n{figures}");
    }
    assert_eq!(metrics.calls().methods(), []);
}

/// gRPC itself is for HTTP/2 only, the others are for both.
async fn a_call_given_up_before_its_answer_is_counted_as_itself(
    new_client: fn() -> HttpClient,
    protocols: &[&str],
) {
    let metrics = Metrics::default();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let endless = service_fn(move |_: Request<Body>| {
        begun.send(()).unwrap();
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    });
    let server = Running::start(Server::new(gateway(endless)).metrics(metrics.clone()));
    for (path, protocol) in protocols
        .iter()
        .map(|protocol| (CHECK, *protocol))
        .chain([("/made.up.Service/Method", "grpc-web")])
    {
        let (content_type, body) = match protocol {
            "grpc" => ("application/grpc", EMPTY),
            "grpc-web" => ("application/grpc-web", EMPTY),
            _ => ("application/proto", &b""[..]),
        };
        let client = new_client();
        let request = call(&server, path, content_type, body);
        let asked = tokio::spawn(client.request(request));
        tokio::time::timeout(SOON, begins.recv())
            .await
            .expect("the service is asked");
        asked.abort();
        drop(client);
        let ended = async {
            while metrics.calls().in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, ended)
            .await
            .expect("the end is noticed");
    }
    let figures = metrics.open_metrics();
    for (method, protocol) in protocols
        .iter()
        .map(|protocol| (CHECK, *protocol))
        .chain([("unmatched", "grpc-web")])
    {
        let line = requests(method, protocol, "CANCELLED", 1);
        assert!(figures.contains(&line), "{line} is not in\n{figures}");
    }
    assert_eq!(
        values(&figures, "method"),
        BTreeSet::from([CHECK, "unmatched"])
    );
}

#[tokio::test]
async fn a_call_given_up_before_its_answer_is_counted_as_itself_on_http1() {
    a_call_given_up_before_its_answer_is_counted_as_itself(http1, &["grpc-web", "connect"]).await;
}

#[tokio::test]
async fn a_call_given_up_before_its_answer_is_counted_as_itself_on_http2() {
    a_call_given_up_before_its_answer_is_counted_as_itself(http2, &["grpc", "grpc-web", "connect"])
        .await;
}

#[tokio::test]
async fn the_service_behind_the_gateway_sees_the_peer() {
    let (seen, mut peers) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<Body>| {
        seen.send(request.extensions().get::<Peer>().copied())
            .unwrap();
        std::future::ready(Ok::<_, Infallible>(status("0")))
    });
    let server = Running::start(Server::new(gateway(service)));
    for (client, is_http2) in [(http1(), false), (http2(), true)] {
        for (content_type, body) in [
            ("application/grpc", EMPTY),
            ("application/grpc-web", EMPTY),
            ("application/proto", b""),
        ] {
            if content_type == "application/grpc" && !is_http2 {
                continue;
            }
            let request = call(&server, CHECK, content_type, body);
            whole(&client, request).await;
            let peer = tokio::time::timeout(SOON, peers.recv())
                .await
                .expect("the service is asked")
                .unwrap();
            assert!(
                peer.and_then(Peer::address)
                    .is_some_and(|peer| peer.ip().is_loopback() && peer.port() != 0),
                "{content_type}: {peer:?}"
            );
        }
    }
}

/// A request whose frames all come at once, and cost work one by one, does not
/// hold up those beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_upload_does_not_hold_up_its_connection() {
    const FRAMES: usize = 5000;
    const WORK: Duration = Duration::from_micros(200);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<RequestBody>| {
        let begun = begun.clone();
        async move {
            let mut body = request.into_body();
            let mut size = 0;
            while let Some(Ok(frame)) = body.frame().await {
                if size == 0 {
                    begun.send(()).unwrap();
                }
                size += frame.data_ref().map_or(0, Bytes::len);
                let begin = Instant::now();
                while begin.elapsed() < WORK {
                    std::hint::spin_loop();
                }
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(size.to_string())))
        }
    });
    let server = Running::start(Server::new(service));
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let get = || {
        let nothing = Full::<Bytes>::default().boxed();
        client.request(Request::get(server.url("/fast")).body(nothing).unwrap())
    };
    // The connection is there before all of this begins.
    get().await.unwrap();
    let frames = std::iter::repeat_with(|| Ok(Frame::data(Bytes::from_static(EMPTY))));
    let upload = StreamBody::new(tokio_stream::iter(frames.take(FRAMES))).boxed();
    let upload = Request::post(server.url("/slow")).body(upload).unwrap();
    let upload = tokio::spawn(client.request(upload));
    tokio::time::timeout(SOON, begins.recv())
        .await
        .expect("the upload begins");
    for number in 0..10 {
        let begin = Instant::now();
        get().await.unwrap();
        let took = begin.elapsed();
        assert!(took < Duration::from_millis(100), "{number}: {took:?}");
    }
    assert!(!upload.is_finished(), "it takes a second at the least");
    let answer = upload.await.unwrap().unwrap();
    assert_eq!(
        support::text(answer).await,
        (FRAMES * EMPTY.len()).to_string()
    );
}
