//! Interceptors around a service, alone and behind a gateway: what they see of
//! calls of every kind, what they may change, and that each call ends once.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, BoxError, Code, GatewayLayer, Options, Status};
use portolan_schema::Schema;
use portolan_server::interceptor::{
    Admission, CallHead, Direction, InterceptedBody, Interceptor, InterceptorLayer, Refusal, Watch,
};
use portolan_server::{Health, RecoverLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// Frames of 0 and 3 bytes.
const TWO: &[u8] = b"\0\0\0\0\0\0\0\0\0\x03abc";

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// Notes everything under its name.
#[derive(Clone)]
struct Notes {
    name: &'static str,
    log: Log,
}

impl Notes {
    fn say(&self, what: &str) {
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {what}", self.name));
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Tenant(String);

#[async_trait::async_trait]
impl Interceptor for Notes {
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
        self.say(&format!("sees {}", call.method()));
        if let Some(reason) = call.metadata().get("refuse")
            && reason == self.name
        {
            let status = Status::new(Code::FailedPrecondition, "not now");
            return Err(Refusal::from(status)
                .with("retry-after", "7")
                .with("why", "so"));
        }
        call.metadata_mut()
            .insert("seen-by", HeaderValue::from_static(self.name));
        call.extensions_mut().insert(Tenant(self.name.to_owned()));
        Ok(Admission::watched(self.clone()))
    }
}

impl Watch for Notes {
    fn metadata(&mut self, metadata: &mut HeaderMap) {
        self.say("metadata");
        metadata.append("by", HeaderValue::from_static(self.name));
    }

    fn message(&mut self, direction: Direction, bytes: usize) {
        self.say(&format!("{direction:?} {bytes}"));
    }

    fn trailers(&mut self, status: &Status, trailers: &mut HeaderMap) {
        self.say(&format!("trailers {}", status.code()));
        trailers.append("by", HeaderValue::from_static(self.name));
    }

    fn end(&mut self, status: &Status) {
        self.say(&format!("ends {}", status.code()));
    }
}

fn two(log: &Log) -> InterceptorLayer {
    let notes = |name| Notes {
        name,
        log: Arc::clone(log),
    };
    InterceptorLayer::new()
        .with(notes("outer"))
        .with(notes("inner"))
}

fn said(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

fn request(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(CHECK).header("content-type", "application/grpc");
    request.body(body.into()).unwrap()
}

fn trailers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    pairs.collect()
}

/// A reply of these frames and trailers.
fn reply(frames: &'static [u8], end: HeaderMap) -> Response<Body> {
    let frames = [
        Frame::data(Bytes::from_static(frames)),
        Frame::trailers(end),
    ];
    let frames = stream::iter(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

/// A service that reads all and answers with two messages.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(reply(TWO, trailers(&[("grpc-status", "0")])))
}

async fn whole(response: Response<InterceptedBody<Body>>) -> (HeaderMap, HeaderMap) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    (head.headers, body.trailers().cloned().unwrap_or_default())
}

fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn all_of_a_call_is_seen_in_order() {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let service = two(&log).layer(service_fn(move |request: Request<Body>| {
        let by = values(request.headers(), "seen-by").join(",");
        let tenant = request.extensions().get::<Tenant>().cloned().unwrap();
        seen.lock()
            .unwrap()
            .push(format!("service {by} {}", tenant.0));
        echo(request)
    }));
    let response = service.oneshot(request(TWO.to_vec())).await.unwrap();
    let (headers, trailers) = whole(response).await;
    assert_eq!(values(&headers, "by"), ["inner", "outer"]);
    assert_eq!(values(&trailers, "by"), ["inner", "outer"]);
    assert_eq!(values(&trailers, "grpc-status"), ["0"]);
    assert_eq!(
        said(&log),
        [
            "outer sees /grpc.health.v1.Health/Check",
            "inner sees /grpc.health.v1.Health/Check",
            "service inner inner",
            "outer Request 0",
            "inner Request 0",
            "outer Request 3",
            "inner Request 3",
            "inner metadata",
            "outer metadata",
            "outer Reply 0",
            "inner Reply 0",
            "outer Reply 3",
            "inner Reply 3",
            "inner trailers OK",
            "outer trailers OK",
            "inner ends OK",
            "outer ends OK",
        ]
    );
}

#[tokio::test]
async fn a_refusal_is_an_answer_that_those_outside_see() {
    let log = Log::default();
    let service = two(&log).layer(service_fn(async |_: Request<Body>| {
        panic!("a refused call does not reach the service");
        #[expect(unreachable_code, reason = "the type has to be known")]
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let mut request = request(Body::new(StreamBody::new(stream::pending::<
        Result<Frame<Bytes>, Infallible>,
    >())));
    request
        .headers_mut()
        .insert("refuse", HeaderValue::from_static("inner"));
    let (headers, trailers) = whole(service.oneshot(request).await.unwrap()).await;
    assert_eq!(values(&headers, "grpc-status"), ["9"]);
    assert_eq!(values(&headers, "grpc-message"), ["not now"]);
    assert_eq!(values(&headers, "retry-after"), ["7"]);
    assert_eq!(values(&headers, "why"), ["so"]);
    assert_eq!(values(&headers, "by"), ["outer"]);
    assert_eq!(values(&headers, "content-type"), ["application/grpc"]);
    assert!(trailers.is_empty());
    assert_eq!(
        said(&log)[1..],
        [
            "inner sees /grpc.health.v1.Health/Check",
            "outer trailers FAILED_PRECONDITION",
            "outer ends FAILED_PRECONDITION",
        ]
    );
}

#[tokio::test]
async fn a_call_ends_once_however_it_ends() {
    let trailers_only = || {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = trailers(&[("grpc-status", "5")]);
        response
    };
    type Answer = Result<Response<Body>, BoxError>;
    let broken = || -> Answer {
        let frames = [Err::<Frame<Bytes>, _>(Status::new(Code::DataLoss, "torn"))];
        Ok(Response::new(Body::new(StreamBody::new(stream::iter(
            frames,
        )))))
    };
    type Service = Arc<dyn Fn() -> Answer + Send + Sync>;
    let cases: [(&str, Service); 6] = [
        ("NOT_FOUND", Arc::new(move || Ok(trailers_only()))),
        (
            "ABORTED",
            Arc::new(|| Ok(reply(b"", trailers(&[("grpc-status", "10")])))),
        ),
        ("UNKNOWN", Arc::new(|| Ok(reply(b"", HeaderMap::new())))),
        ("INTERNAL", Arc::new(|| Ok(Response::new(Body::empty())))),
        ("DATA_LOSS", Arc::new(broken)),
        (
            "RESOURCE_EXHAUSTED",
            Arc::new(|| Err(Status::new(Code::ResourceExhausted, "full").into())),
        ),
    ];
    for (code, answer) in cases {
        let log = Log::default();
        let service = two(&log).layer(service_fn(move |_: Request<Body>| {
            std::future::ready(answer())
        }));
        if let Ok(response) = service.oneshot(request(Body::empty())).await {
            let _ = response.into_body().collect().await;
        }
        let ends: Vec<_> = said(&log);
        let ends: Vec<_> = ends.iter().filter(|line| line.contains(" ends ")).collect();
        assert_eq!(
            ends,
            [&format!("inner ends {code}"), &format!("outer ends {code}")]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_seen_when_the_client_leaves() {
    let log = Log::default();
    let silent = two(&log).layer(service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, Infallible>>()
    }));
    let mut call = silent.clone().oneshot(request(Body::empty())).boxed();
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    assert_eq!(said(&log).last().unwrap(), "outer ends CANCELLED");

    let mut late = request(Body::empty());
    late.headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("1S"));
    let mut call = silent.oneshot(late).boxed();
    assert!((&mut call).now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(call);
    assert_eq!(said(&log).last().unwrap(), "outer ends DEADLINE_EXCEEDED");

    let streaming = two(&log).layer(service_fn(async |_: Request<Body>| {
        let first = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(TWO)))]);
        let frames = futures_util::StreamExt::chain(first, stream::pending());
        Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
    }));
    let mut response = streaming.oneshot(request(Body::empty())).await.unwrap();
    assert!(response.body_mut().frame().await.is_some());
    drop(response);
    let said = said(&log);
    let ends = said.iter().filter(|line| line.contains(" ends "));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        ["inner ends CANCELLED", "outer ends CANCELLED"]
    );
}

#[tokio::test]
async fn a_panic_is_an_end_too() {
    let log = Log::default();
    let falls = RecoverLayer.layer(two(&log).layer(service_fn(async |_: Request<Body>| {
        if true {
            panic!("on purpose");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    })));
    let response = falls.oneshot(request(Body::empty())).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "13");
    assert_eq!(
        said(&log)[2..],
        ["inner ends INTERNAL", "outer ends INTERNAL"]
    );

    let falls = RecoverLayer.layer(two(&log).layer(service_fn(async |_: Request<Body>| {
        let frames = stream::poll_fn(
            |_| -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                panic!("on purpose")
            },
        );
        Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
    })));
    let response = falls.oneshot(request(Body::empty())).await.unwrap();
    let _ = response.into_body().collect().await;
    let said = said(&log);
    assert_eq!(
        said[said.len() - 2..],
        ["inner ends INTERNAL", "outer ends INTERNAL"]
    );
}

/// Health checks, whose requests name a service, behind a gateway.
fn gateway<S>(service: S) -> portolan_gateway::Gateway<S> {
    let schema = Schema::from_descriptor_sets([Health::FILE_DESCRIPTOR_SET]).unwrap();
    let options = Options {
        read_on_demand: true,
        ..Options::default()
    };
    GatewayLayer::with_options(Arc::new(schema), options).layer(service)
}

fn json(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(CHECK).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_call_is_refused_before_its_body_is_read() {
    let log = Log::default();
    let service = gateway(two(&log).layer(Health::new(["a"]).service()));
    for connect in [false, true] {
        let never = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        let mut request = json(Body::new(StreamBody::new(never)));
        let headers = request.headers_mut();
        headers.insert("refuse", HeaderValue::from_static("outer"));
        if connect {
            headers.insert("connect-protocol-version", HeaderValue::from_static("1"));
        }
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 400);
        // HTTP's own, and metadata like any other.
        assert_eq!(response.headers()["retry-after"], "7");
        let why = ["grpc-trailer-why", "trailer-why"][usize::from(connect)];
        assert_eq!(response.headers()[why], "so");
        drop(response);
        assert_eq!(said(&log), [format!("outer sees {CHECK}")]);
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_is_told_behind_the_interceptors() {
    let log = Log::default();
    let mut service = gateway(two(&log).layer(Health::new(["a"]).service()));
    for (body, status, end) in [
        ("{\"service\":\"a\"}", 200, "OK"),
        ("{\"service\":\"b\"}", 404, "NOT_FOUND"),
        ("{\"service\":1}", 400, "INVALID_ARGUMENT"),
        ("{", 400, "INVALID_ARGUMENT"),
    ] {
        for connect in [false, true] {
            let mut request = json(body.as_bytes().to_vec());
            if connect {
                let one = HeaderValue::from_static("1");
                request
                    .headers_mut()
                    .insert("connect-protocol-version", one);
            }
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status(), status, "{body}");
            let _ = response.into_body().collect().await.unwrap();
            assert_eq!(
                said(&log).last().unwrap(),
                &format!("outer ends {end}"),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn without_interceptors_nothing_is_in_the_way() {
    let service = InterceptorLayer::new().layer(service_fn(echo));
    let response = service.oneshot(request(TWO.to_vec())).await.unwrap();
    let (_, trailers) = whole(response).await;
    assert_eq!(values(&trailers, "grpc-status"), ["0"]);
}

/// A tonic service goes on being one: it has a name, and a router takes it.
#[tokio::test]
async fn a_tonic_service_can_be_served_with_interceptors() {
    let log = Log::default();
    let service = two(&log).layer(Health::new(["a"]).service());
    let routes = tonic::service::Routes::new(service);
    let response = routes.oneshot(request(vec![0; 5])).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(said(&log).last().unwrap(), "outer ends OK");
}
