//! A collector: OTLP/gRPC by tonic, OTLP/HTTP by hand. It keeps what it takes,
//! and refuses or says nothing when it is told to.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use portolan::server::{Listener, RequestBody, Tls};
use portolan::telemetry::otlp::{
    ExportMetricsServiceRequest, ExportResponse, ExportTraceServiceRequest, KeyValue, METRICS_PATH,
    Metric, Span, TRACE_PATH, any_value, metric,
};
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic_prost::ProstCodec;
use tower_service::Service;

/// What was taken.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    /// Of the last export.
    pub(crate) headers: HeaderMap,
    /// How often exports were refused.
    pub(crate) refused: usize,
}

/// What happens to the next exports, in their order; then all are taken.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    Refuse(tonic::Code),
    /// HTTP only.
    Status(u16),
    /// HTTP only: and to come again after more seconds than there are.
    Never(u16),
    Silence,
}

#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    moods: Arc<Mutex<VecDeque<Mood>>>,
}

impl Collector {
    fn at(address: SocketAddr, moods: impl IntoIterator<Item = Mood>) -> Self {
        Self {
            address,
            taken: Arc::default(),
            moods: Arc::new(Mutex::new(moods.into_iter().collect())),
        }
    }

    /// One that speaks gRPC.
    pub(crate) async fn grpc(moods: impl IntoIterator<Item = Mood>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self::at(listener.local_addr().unwrap(), moods);
        let (traces, metrics) = (Traces(collector.clone()), Metrics(collector.clone()));
        let router = tonic::transport::Server::builder()
            .add_service(traces)
            .add_service(metrics);
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    /// One that speaks gRPC by TLS, and asks for a certificate; the folder is that
    /// of `portolan tls self-signed`.
    pub(crate) async fn tls(folder: &Path) -> Self {
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let identity = Identity::from_pem(read("server.pem"), read("server-key.pem"));
        let tls = ServerTlsConfig::new()
            .identity(identity)
            .client_ca_root(Certificate::from_pem(read("ca.pem")));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self::at(listener.local_addr().unwrap(), []);
        let router = tonic::transport::Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(Traces(collector.clone()))
            .add_service(Metrics(collector.clone()));
        tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    /// One that speaks HTTP by TLS, as our own server does.
    pub(crate) fn https(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        let tls = Tls::from_files(file("server.pem"), file("server-key.pem")).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap())
            .unwrap()
            .tls(tls);
        let collector = Self::at(listener.address().socket().unwrap(), []);
        let own = collector.clone();
        let service = tower::service_fn(move |request: Request<RequestBody>| {
            let own = own.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                own.keep(head.uri.path(), &head.headers, &body);
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let server = portolan::server::Server::new(service).listen(listener);
        tokio::spawn(server.serve(std::future::pending()));
        collector
    }

    /// One that speaks HTTP/1.1.
    pub(crate) fn http(moods: impl IntoIterator<Item = Mood>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self::at(listener.local_addr().unwrap(), moods);
        let own = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let own = own.clone();
                std::thread::spawn(move || own.hear(stream.unwrap()));
            }
        });
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn taken<T>(&self, read: impl FnOnce(&Taken) -> T) -> T {
        read(&self.taken.lock().unwrap())
    }

    /// All spans by their names; several of one name are a mistake of the test.
    pub(crate) fn spans(&self) -> HashMap<String, Span> {
        let mut spans = HashMap::new();
        self.taken(|taken| {
            let resources = taken
                .traces
                .iter()
                .flat_map(|export| &export.resource_spans);
            for span in resources
                .flat_map(|one| &one.scope_spans)
                .flat_map(|one| &one.spans)
            {
                let name = format!("{} {}", span.kind, span.name);
                let before = spans.insert(name.clone(), span.clone());
                assert!(before.is_none(), "{name} twice");
            }
        });
        spans
    }

    /// The figures of the last export, by their names.
    pub(crate) fn figures(&self) -> HashMap<String, Metric> {
        self.taken(|taken| {
            let last = taken.metrics.last().expect("no metrics have come");
            let scopes = last
                .resource_metrics
                .iter()
                .flat_map(|one| &one.scope_metrics);
            let metrics = scopes.flat_map(|one| &one.metrics);
            metrics.map(|one| (one.name.clone(), one.clone())).collect()
        })
    }

    fn mood(&self) -> Option<Mood> {
        self.moods.lock().unwrap().pop_front()
    }

    fn keep(&self, path: &str, headers: &HeaderMap, bytes: &[u8]) {
        let mut taken = self.taken.lock().unwrap();
        taken.headers = headers.clone();
        if path == TRACE_PATH || path.ends_with("/v1/traces") {
            taken.traces.push(Message::decode(bytes).unwrap());
        } else if path == METRICS_PATH || path.ends_with("/v1/metrics") {
            taken.metrics.push(Message::decode(bytes).unwrap());
        } else {
            panic!("nobody asked for {path}");
        }
    }

    /// Answers the requests of a connection.
    fn hear(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let path = line.split(' ').nth(1).unwrap().to_owned();
            assert!(line.starts_with("POST "), "{line}");
            let mut headers = HeaderMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim_end().split_once(": ") else {
                    break;
                };
                let name: http::HeaderName = name.parse().unwrap();
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(headers["content-type"], "application/x-protobuf");
            let length = headers["content-length"].to_str().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut after = "";
            let status = match self.mood() {
                None => 200,
                Some(Mood::Status(status)) => status,
                Some(Mood::Never(status)) => {
                    after = "retry-after: 18446744073709551615\r\n";
                    status
                }
                Some(Mood::Refuse(_)) => panic!("HTTP has no codes"),
                Some(Mood::Silence) => loop {
                    std::thread::park();
                },
            };
            if status == 200 {
                self.keep(&path, &headers, &body);
            } else {
                self.taken.lock().unwrap().refused += 1;
            }
            let answer = format!("HTTP/1.1 {status} X\r\n{after}content-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }
}

/// An attribute as text.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes
        .iter()
        .find(|pair| pair.key == key)?
        .value
        .as_ref()?;
    Some(match value.value.as_ref()? {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
    })
}

/// How many values a histogram has of points with this attribute.
pub(crate) fn count(metric: &Metric, key: &str, value: &str) -> u64 {
    let Some(metric::Data::Histogram(histogram)) = &metric.data else {
        panic!("{metric:?} is no histogram");
    };
    let points = histogram.data_points.iter();
    let wanted = points.filter(|point| text(&point.attributes, key).as_deref() == Some(value));
    wanted
        .map(|point| {
            assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
            assert!(point.start_time_unix_nano < point.time_unix_nano);
            point.count
        })
        .sum()
}

/// A message as it is, so that both services are alike.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(bytes = "vec", repeated, tag = "1")]
    parts: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct Traces(Collector);

#[derive(Clone)]
struct Metrics(Collector);

impl NamedService for Traces {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl NamedService for Metrics {
    const NAME: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
}

/// Takes one export.
struct Export(Collector, &'static str);

impl UnaryService<Encoded> for Export {
    type Response = ExportResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<ExportResponse>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Encoded>) -> Self::Future {
        let (collector, path) = (self.0.clone(), self.1);
        Box::pin(async move {
            match collector.mood() {
                None => {}
                Some(Mood::Refuse(code)) => {
                    collector.taken.lock().unwrap().refused += 1;
                    return Err(tonic::Status::new(code, "not now"));
                }
                Some(Mood::Status(_) | Mood::Never(_)) => panic!("gRPC has no such status"),
                Some(Mood::Silence) => std::future::pending().await,
            }
            let headers = request.metadata().clone().into_headers();
            let bytes = request.into_inner().encode_to_vec();
            collector.keep(path, &headers, &bytes);
            Ok(tonic::Response::new(ExportResponse::default()))
        })
    }
}

macro_rules! collects {
    ($service:ident, $path:expr) => {
        impl Service<Request<Body>> for $service {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<Body>) -> Self::Future {
                assert_eq!(request.uri().path(), $path);
                let export = Export(self.0.clone(), $path);
                let mut grpc = Grpc::new(ProstCodec::<ExportResponse, Encoded>::default());
                Box::pin(async move { Ok(grpc.unary(export, request).await) })
            }
        }
    };
}

collects!(Traces, TRACE_PATH);
collects!(Metrics, METRICS_PATH);
