//! What a service hears of the trace that a request belongs to.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use portolan_server::{RequestBody, Server};
use portolan_telemetry::{Sampler, Settings, Telemetry, TraceContext};
use support::{Running, get, http1, http2, text};
use tower::service_fn;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Says what it hears: the headers, and whether the extension agrees.
async fn service(request: Request<RequestBody>) -> Result<Response<String>, Infallible> {
    let said = |name: &str| {
        let values = request.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        values.join(" and ")
    };
    let context = request.extensions().get::<TraceContext>();
    assert_eq!(
        context.map(ToString::to_string).unwrap_or_default(),
        if context.is_some() {
            said("traceparent")
        } else {
            String::new()
        }
    );
    let known = if context.is_some() {
        "known"
    } else {
        "unknown"
    };
    Ok(Response::new(format!(
        "{known}|{}|{}",
        said("traceparent"),
        said("tracestate")
    )))
}

/// A collector where there is none: what is not sent is lost.
fn telemetry(change: impl FnOnce(&mut Settings)) -> Telemetry {
    let mut settings = Settings::new("http://127.0.0.1:9".parse().unwrap());
    settings.flush_timeout = Duration::from_millis(100);
    change(&mut settings);
    Telemetry::new(settings).unwrap()
}

/// What the service heard of a request with these headers, in three parts.
async fn heard(telemetry: Option<Telemetry>, headers: &[(&'static str, String)]) -> [String; 3] {
    let mut server = Server::new(service_fn(service));
    if let Some(telemetry) = telemetry {
        server = server.telemetry(telemetry);
    }
    let server = Running::start(server);
    let mut answers = Vec::new();
    for client in [http1(), http2()] {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = server.url("/").parse().unwrap();
        let headers = headers.iter().map(|(name, value)| {
            let name: http::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        *request.headers_mut() = all;
        answers.push(text(client.request(request).await.unwrap()).await);
    }
    let [first, second] = answers.try_into().unwrap();
    let known = |answer: &str| answer.split('|').next().unwrap().to_owned();
    assert_eq!(known(&first), known(&second));
    let parts: Vec<_> = second.split('|').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

fn parent(flags: &str) -> (&'static str, String) {
    ("traceparent", format!("00-{TRACE}-{CALLER}-{flags}"))
}

#[tokio::test]
async fn without_telemetry_a_trace_passes_as_it_comes() {
    let headers = [parent("01"), ("tracestate", "a=1".to_owned())];
    let [known, said, state] = heard(None, &headers).await;
    assert_eq!((known.as_str(), state.as_str()), ("unknown", "a=1"));
    assert_eq!(said, headers[0].1);
    let [_, said, _] = heard(
        Some(telemetry(|settings| settings.traces = false)),
        &headers,
    )
    .await;
    assert_eq!(said, headers[0].1);
}

#[tokio::test]
async fn a_service_hears_of_the_servers_own_span() {
    let states = [
        ("tracestate", "a=1".to_owned()),
        ("tracestate", "b=2".to_owned()),
    ];
    for flags in ["00", "01"] {
        let headers = [&[parent(flags)][..], &states].concat();
        let [known, said, state] = heard(Some(telemetry(|_| {})), &headers).await;
        assert_eq!((known.as_str(), state.as_str()), ("known", "a=1,b=2"));
        assert!(said.starts_with(&format!("00-{TRACE}-")), "{said}");
        assert!(said.ends_with(&format!("-{flags}")), "{said}");
        assert!(!said.contains(CALLER), "{said}");
    }
}

#[tokio::test]
async fn a_trace_begins_where_there_is_none() {
    let twice = [parent("01"), parent("01")];
    let malformed = [
        ("traceparent", "00-x".to_owned()),
        ("tracestate", "a=1".to_owned()),
    ];
    for headers in [&[][..], &twice, &malformed] {
        for (ratio, flags) in [(1.0, "-03"), (0.0, "-02")] {
            let sampler = Sampler::ratio(ratio).unwrap();
            let telemetry = telemetry(|settings| settings.sampler = sampler);
            let [known, said, state] = heard(Some(telemetry.clone()), headers).await;
            assert_eq!((known.as_str(), state.as_str()), ("known", ""));
            assert!(said.len() == 55 && !said.contains(TRACE), "{said}");
            assert!(said.ends_with(flags), "{said}");
        }
    }
}

#[tokio::test]
async fn strangers_decide_nothing_where_they_are_not_to() {
    let sampler = Sampler::ratio(0.0).unwrap().ignoring_parents();
    let telemetry = telemetry(|settings| settings.sampler = sampler);
    let [_, said, _] = heard(Some(telemetry), &[parent("01")]).await;
    assert!(
        said.starts_with(&format!("00-{TRACE}-")) && said.ends_with("-00"),
        "{said}"
    );
}

#[tokio::test]
async fn who_serves_again_sends_again() {
    let telemetry = telemetry(|settings| settings.delay = Duration::from_secs(3600));
    for count in 1..=2 {
        let server = Server::new(service_fn(service)).telemetry(telemetry.clone());
        let server = Running::start(server);
        text(http1().request(get(&server.url("/"))).await.unwrap()).await;
        assert!(telemetry.start(Vec::new()).is_none(), "the server sends");
        let _ = server.drained(Duration::from_secs(20)).await;
        // There is no collector, so what is sent is lost.
        assert_eq!(telemetry.lost(), count);
    }
    assert!(telemetry.start(Vec::new()).is_some());
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let telemetry = telemetry(|settings| {
        settings.queue = 3;
        settings.delay = Duration::from_secs(3600);
        settings.batch = 100;
    });
    let server = Running::start(Server::new(service_fn(service)).telemetry(telemetry.clone()));
    for _ in 0..5 {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = server.url("/").parse().unwrap();
        text(http1().request(request).await.unwrap()).await;
    }
    let figures = text(http1().request(get(&server.url("/metrics"))).await.unwrap()).await;
    assert!(
        figures.contains("\nportolan_spans_lost_total "),
        "{figures}"
    );
    let _ = server.drained(Duration::from_secs(20)).await;
    // Two found no room, or a batch was full at three; nobody took the others.
    assert_eq!(telemetry.lost(), 5);
}
