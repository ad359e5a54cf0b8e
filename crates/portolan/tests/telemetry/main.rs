//! What a collector hears of servers and gateways, over real sockets: spans,
//! figures, and nothing that would ever slow a call.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod collector;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use collector::{Collector, Mood, count, text};
use portolan::memory::proto::{GetMemoryRequest, StoreMemoryRequest, StreamMemoriesRequest};
use portolan::telemetry::otlp::Span;
use support::{Folder, PATIENCE, Server};
use tokio_stream::StreamExt;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SERVER: i32 = 2;
const MEMORY: &str = "somafractalmemory.v1.MemoryService";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(span: &Span, key: &str) -> Option<String> {
    text(&span.attributes, key)
}

fn serve(folder: &Folder, collector: &Collector, more: &[&str]) -> Server {
    let url = collector.url();
    let arguments = ["--otlp-endpoint", &url, "--only", "memory"];
    Server::start(folder, &[&arguments[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_a_span_and_counted() {
    let collector = Collector::grpc([]).await;
    let folder = Folder::new();
    let server = serve(&folder, &collector, &["--service-name", "memories"]);
    let mut memories = server.memories().await;
    let stored = memories
        .store_memory(StoreMemoryRequest {
            content: "a".to_owned(),
            ..StoreMemoryRequest::default()
        })
        .await;
    stored.unwrap();
    let stream = memories
        .stream_memories(StreamMemoriesRequest::default())
        .await;
    assert_eq!(
        stream.unwrap().into_inner().collect::<Vec<_>>().await.len(),
        1
    );
    let missing = GetMemoryRequest { id: "x".to_owned() };
    assert!(memories.get_memory(missing).await.is_err());
    let headers = [
        PARENT,
        "tracestate: vendor=1",
        "user-agent: test/1",
        "x-request-id: mine",
    ];
    server.http("GET /v1/metrics", &headers, "");
    server.http("GET /nowhere", &["traceparent: malformed"], "");
    server.until_logged(&format!("trace_id={TRACE}"));
    drop(memories);
    server.stop();

    let spans = collector.spans();
    assert_eq!(spans.len(), 5, "{:?}", spans.keys());
    let rest = &spans["2 somafractalmemory.v1.Metrics/GetMetrics"];
    assert_eq!(hex(&rest.trace_id), TRACE);
    assert_eq!(hex(&rest.parent_span_id), CALLER);
    assert_eq!(rest.trace_state, "vendor=1");
    assert_eq!(rest.kind, SERVER);
    assert!(rest.start_time_unix_nano < rest.end_time_unix_nano);
    assert_eq!(rest.status, None);
    let port = server_port(rest);
    for (key, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.system", "grpc"),
        ("rpc.service", "somafractalmemory.v1.Metrics"),
        ("rpc.method", "somafractalmemory.v1.Metrics/GetMetrics"),
        ("rpc.response.status_code", "OK"),
        ("rpc.grpc.status_code", "0"),
        ("portolan.protocol", "rest"),
        ("portolan.request_id", "mine"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/v1/metrics"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("network.peer.address", "127.0.0.1"),
        ("server.address", "test"),
        ("user_agent.original", "test/1"),
    ] {
        assert_eq!(said(rest, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(port, None, "the host had none");

    let stored = &spans[&format!("2 {MEMORY}/StoreMemory")];
    assert_eq!(stored.parent_span_id, b"");
    assert_eq!((stored.trace_id.len(), stored.span_id.len()), (16, 8));
    assert_eq!(
        said(stored, "network.protocol.version").as_deref(),
        Some("2")
    );
    assert_eq!(
        said(stored, "http.request.method"),
        None,
        "gRPC says nothing of HTTP"
    );
    let missing = &spans[&format!("2 {MEMORY}/GetMemory")];
    assert_eq!(
        said(missing, "rpc.response.status_code").as_deref(),
        Some("NOT_FOUND")
    );
    assert_eq!(
        missing.status, None,
        "a client's mistake is no error of the server"
    );
    let nowhere = &spans["2 GET"];
    assert_eq!(
        said(nowhere, "http.response.status_code").as_deref(),
        Some("404")
    );
    assert_eq!(said(nowhere, "rpc.method"), None);
    assert_eq!(
        nowhere.parent_span_id, b"",
        "what is malformed is no parent"
    );

    let figures = collector.figures();
    let durations = &figures["rpc.server.call.duration"];
    assert_eq!(durations.unit, "s");
    assert_eq!(
        count(durations, "rpc.method", &format!("{MEMORY}/StoreMemory")),
        1
    );
    assert_eq!(count(durations, "rpc.response.status_code", "NOT_FOUND"), 1);
    assert_eq!(count(durations, "portolan.protocol", "rest"), 1);
    let others = &figures["portolan.unmatched.duration"];
    assert_eq!(count(others, "http.response.status_code", "404"), 1);
    assert!(figures.contains_key("process.memory.usage"));
    collector.taken(|taken| {
        let resource = taken.traces[0].resource_spans[0].resource.as_ref().unwrap();
        let name = text(&resource.attributes, "service.name");
        assert_eq!(name.as_deref(), Some("memories"));
        assert!(text(&resource.attributes, "service.instance.id").is_some());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_brings_its_trace() {
    let collector = Collector::grpc([]).await;
    let folder = Folder::new();
    let server = serve(&folder, &collector, &[]);
    let trace = |at: u8| format!("{at:032x}");
    let parent = |at: u8| format!("00-{}-{CALLER}-01", trace(at));
    let path = "/somafractalmemory.v1.Metrics/GetMetrics";
    for (at, request, headers, body) in [
        (1, "GET /v1/metrics".to_owned(), &[][..], ""),
        (
            2,
            format!("POST {path}"),
            &[
                "content-type: application/json",
                "connect-protocol-version: 1",
            ],
            "{}",
        ),
        (
            3,
            format!("POST {path}"),
            &["content-type: application/grpc-web-text+proto"],
            "AAAAAAA=",
        ),
    ] {
        let parent = format!("traceparent: {}", parent(at));
        let headers = [&[&*parent], headers].concat();
        let answer = server.http(&request, &headers, body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut request = tonic::Request::new(portolan::memory::proto::GetMetricsRequest {});
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", parent(4).parse().unwrap());
    let channel = server.channel().await;
    let mut metrics = portolan::memory::proto::metrics_client::MetricsClient::new(channel);
    metrics.get_metrics(request).await.unwrap();
    drop(metrics);
    server.stop();

    let mut heard = collector.taken(|taken| {
        let resources = taken
            .traces
            .iter()
            .flat_map(|export| &export.resource_spans);
        let spans = resources.flat_map(|one| &one.scope_spans[0].spans);
        let heard = spans.map(|span| {
            assert_eq!(hex(&span.parent_span_id), CALLER);
            (
                hex(&span.trace_id),
                said(span, "portolan.protocol").unwrap(),
            )
        });
        heard.collect::<Vec<_>>()
    });
    heard.sort();
    let expected = ["rest", "connect", "grpc-web", "grpc"];
    let expected = (1..)
        .zip(expected)
        .map(|(at, name)| (trace(at), name.to_owned()));
    assert_eq!(heard, expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_reached_by_tls_if_it_is_the_one() {
    let folder = Folder::new();
    let tls = folder.join("tls");
    let made = support::run(["tls", "self-signed", "--out", &tls, "--client", "me"]);
    assert!(made.status.success(), "{made:?}");
    let files = std::path::Path::new(&tls);
    for (protocol, collector) in [
        ("grpc", Collector::tls(files).await),
        ("http", Collector::https(files)),
    ] {
        let port = collector.address.port();
        for (trusted, spans) in [(false, 0), (true, 1)] {
            let mut text = format!(
                "telemetry:\n  endpoint: https://localhost:{port}\n  protocol: {protocol}\n"
            );
            if trusted {
                text.push_str(
                    "  ca: tls/ca.pem\n  cert: tls/client-me.pem\n  key: tls/client-me-key.pem\n",
                );
            }
            let config = folder.join("portolan.yaml");
            std::fs::write(&config, text).unwrap();
            let server = Server::start(&folder, &["--config", &config, "--only", "memory"]);
            server.http("GET /v1/metrics", &[], "");
            server.signal("TERM");
            if !trusted {
                server.until_logged("certificate");
            }
            server.wait();
            assert_eq!(collector.spans().len(), spans, "{protocol}");
        }
    }
}

fn server_port(span: &Span) -> Option<String> {
    said(span, "server.port")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_a_gateway() {
    let collector = Collector::grpc([]).await;
    let folder = Folder::new();
    let backend = serve(&folder, &collector, &["--service-name", "backend"]);
    let front = Folder::new();
    let (url, otlp) = (backend.url(), collector.url());
    let gateway = Server::gateway(&front, &["--upstream", &url, "--otlp-endpoint", &otlp]);
    let answer = gateway.http("GET /v1/memories/none", &[PARENT, "tracestate: a=1"], "");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    gateway.stop();
    // By now everything of the gateway has come.
    let before = collector.spans();
    backend.stop();

    let name = format!("{MEMORY}/GetMemory");
    let server = &before[&format!("2 {name}")];
    let client = &before[&format!("3 {name}")];
    assert_eq!(hex(&server.parent_span_id), CALLER);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(server.status, None);
    assert_eq!(
        client.status.as_ref().unwrap().code,
        2,
        "it did not get what it wanted"
    );
    assert_eq!(said(client, "error.type").as_deref(), Some("NOT_FOUND"));
    let behind = collector.taken(|taken| {
        let export = taken.traces.last().unwrap();
        let spans = export.resource_spans[0].scope_spans[0].spans.iter();
        spans
            .clone()
            .find(|span| span.name == name)
            .unwrap()
            .clone()
    });
    assert_eq!(behind.parent_span_id, client.span_id);
    for span in [server, client, &behind] {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(span.trace_state, "a=1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_sent() {
    let collector = Collector::grpc([]).await;
    let folder = Folder::new();
    let server = serve(&folder, &collector, &["--trace-ratio", "0"]);
    let unsampled = PARENT.replace("-01", "-00");
    server.http("GET /v1/metrics", &[], "");
    server.http("GET /v1/metrics", &[&unsampled], "");
    // The log knows the trace all the same.
    server.until_logged(&format!("trace_id={TRACE}"));
    server.http("GET /v1/metrics", &[PARENT], "");
    server.stop();
    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "only what somebody else records");
    let figures = collector.figures();
    assert_eq!(
        count(
            &figures["rpc.server.call.duration"],
            "portolan.protocol",
            "rest"
        ),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_http_is_asked_again() {
    let refusals = [Mood::Status(503), Mood::Status(429)];
    let collector = Collector::http(refusals);
    let folder = Folder::new();
    let config = folder.join("portolan.yaml");
    let text = format!(
        "telemetry:\n  endpoint: {}/prefix\n  protocol: http\n  metrics: false\n  \
         headers: {{authorization: Bearer s3cret}}\n",
        collector.url()
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::start(&folder, &["--config", &config, "--only", "memory"]);
    server.http("GET /v1/metrics", &[], "");
    // Nothing is lost on the way to the third attempt.
    let begin = Instant::now();
    while collector.taken(|taken| taken.traces.is_empty()) {
        assert!(begin.elapsed() < PATIENCE, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = server.log();
    server.stop();
    assert_eq!(collector.spans().len(), 1);
    collector.taken(|taken| {
        assert_eq!(taken.refused, 2);
        assert_eq!(taken.headers["authorization"], "Bearer s3cret");
        assert!(taken.metrics.is_empty());
    });
    assert_eq!(
        log.matches("the collector does not take spans now").count(),
        1,
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_or_is_gone_changes_nothing() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let never = Collector::http(vec![Mood::Never(503); 9]);
    let refusing = Collector::grpc(vec![Mood::Refuse(tonic::Code::PermissionDenied); 9]).await;
    for (url, protocol) in [
        (gone, "grpc"),
        (refusing.url(), "grpc"),
        (never.url(), "http"),
    ] {
        let folder = Folder::new();
        let arguments = ["--otlp-endpoint", &url, "--otlp-protocol", protocol];
        let server = Server::start(&folder, &[&arguments[..], &["--only", "memory"]].concat());
        for _ in 0..20 {
            let answer = server.http("GET /v1/metrics", &[], "");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        server.signal("TERM");
        server.until_logged("the collector has not taken spans");
        let log = server.log();
        assert!(server.wait().0.success());
        assert_eq!(
            log.matches("the collector has not taken spans").count(),
            1,
            "{log}"
        );
        assert!(log.contains("lost=20"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_holds_nobody_up() {
    let collector = Collector::grpc(vec![Mood::Silence; 9]).await;
    let folder = Folder::new();
    let server = serve(&folder, &collector, &[]);
    // More than a batch, so that an export is under way.
    let mut memories = server.memories().await;
    for _ in 0..600 {
        let request = GetMemoryRequest { id: "x".to_owned() };
        assert_eq!(
            memories.get_memory(request).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    }
    drop(memories);
    let begin = Instant::now();
    server.signal("TERM");
    server.until_logged("the collector has not taken the last telemetry in time");
    let (status, _) = server.wait();
    assert!(status.success());
    assert!(begin.elapsed() < PATIENCE / 2);
}

#[test]
fn telemetry_that_cannot_work_is_told_at_the_start() {
    let folder = Folder::new();
    for (variable, value, part) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4317",
            "is no collector",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "is not spoken"),
    ] {
        let mut command = support::portolan(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command
            .arg(folder.data())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
            .env(variable, value);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = support::text(&output.stderr);
        assert!(
            stderr.starts_with(&format!("error: {variable}: ")),
            "{stderr}"
        );
        assert!(stderr.contains(part), "{stderr}");
    }
}
