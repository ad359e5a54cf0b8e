//! Deadlines, and calls that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use http::Version;
use http_body_util::BodyExt;
use portolan_gateway::{Body, Code, Gateway, Options, Outcome};
use tower_service::Service;

use crate::client::{ALL, Wire, request, send};
use crate::contract::Item;
use crate::upstream::{Upstream, before, frame, headers, reply, shelf_with};

/// Counts what is alive.
#[derive(Clone)]
struct Alive(Arc<AtomicUsize>);

struct Guard(Alive);

impl Alive {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn guard(&self) -> Guard {
        self.0.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A service that never answers, or says one thing and then nothing.
fn silent(alive: &Alive, speaks_first: bool) -> Gateway<Upstream> {
    silent_with(Options::default(), alive, speaks_first)
}

fn silent_with(options: Options, alive: &Alive, speaks_first: bool) -> Gateway<Upstream> {
    let alive = alive.clone();
    before(options, move |request| {
        let guard = alive.guard();
        async move {
            if !speaks_first {
                std::future::pending::<()>().await;
            }
            let first = futures_util::stream::iter([Ok(frame(0, &Item::named("a").wire()))]);
            let silence = futures_util::stream::pending().map(move |never: ()| {
                let _ = (&guard, &request);
                let () = never;
                Ok(bytes::Bytes::new())
            });
            Ok(reply(
                first.chain(silence),
                headers(&[("grpc-status", "0")]),
            ))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn deadlines_end_a_call() {
    for wire in ALL {
        for (method, speaks_first) in [
            ("Act", false),
            ("Act", true),
            ("List", false),
            ("List", true),
        ] {
            let alive = Alive::new();
            let gateway = silent(&alive, speaks_first);
            let (name, value) = wire.timeout(2500);
            let begin = tokio::time::Instant::now();
            let said = wire
                .call(&gateway, method, &[Item::default()], &[(name, &value)])
                .await;
            assert_eq!(
                (said.code, said.message.as_str()),
                (4, "the deadline passed before the call was over"),
                "{wire:?} {method}"
            );
            assert!(
                (2500..2510).contains(&begin.elapsed().as_millis()),
                "{wire:?}"
            );
            assert_eq!(
                said.messages.len(),
                usize::from(
                    speaks_first && (method == "List" || wire.protocol().starts_with("grpc"))
                )
            );
            assert_eq!(alive.count(), 0, "{wire:?} {method} {speaks_first}");
        }
    }
}

/// Holds calls to three seconds that say nothing themselves.
fn three_seconds() -> Options {
    Options {
        default_timeout: Some(Duration::from_secs(3)),
        ..Options::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_default_ends_calls_that_name_no_deadline() {
    for wire in ALL {
        for (method, speaks_first) in [
            ("Act", false),
            ("Act", true),
            ("List", false),
            ("List", true),
        ] {
            let alive = Alive::new();
            let gateway = silent_with(three_seconds(), &alive, speaks_first);
            // What a client says counts, be it shorter or longer.
            for (timeout, ends_at) in [(None, 3000), (Some(1000), 1000), (Some(9000), 9000)] {
                let timeout = timeout.map(|millis| wire.timeout(millis));
                let headers = timeout.iter();
                let headers: Vec<_> = headers.map(|(name, value)| (*name, &**value)).collect();
                let begin = tokio::time::Instant::now();
                let said = wire
                    .call(&gateway, method, &[Item::default()], &headers)
                    .await;
                assert_eq!(said.code, 4, "{wire:?} {method}");
                let waited = begin.elapsed().as_millis();
                assert!(
                    (ends_at..ends_at + 10).contains(&waited),
                    "{wire:?} {waited}"
                );
                assert_eq!(alive.count(), 0, "{wire:?} {method}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_default_is_passed_on_unless_the_client_says_otherwise() {
    let (gateway, seen) = shelf_with(three_seconds());
    for wire in ALL {
        for (said, passed_on) in [(None, "3000000u"), (Some(9000), "9000000u")] {
            let said = said.map(|millis| wire.timeout(millis));
            let headers: Vec<_> = said.iter().map(|(name, value)| (*name, &**value)).collect();
            wire.call(&gateway, "Act", &[Item::default()], &headers)
                .await;
            let (_, headers) = seen.lock().unwrap().pop_front().unwrap();
            assert_eq!(headers["grpc-timeout"], passed_on, "{wire:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_default_holds_for_what_the_contracts_do_not_have() {
    let alive = Alive::new();
    let gateway = silent_with(three_seconds(), &alive, false);
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let mut unknown = request("POST", "/other.v1.Service/Act", &headers, Body::empty());
    *unknown.version_mut() = Version::HTTP_2;
    let begin = tokio::time::Instant::now();
    let answer = send(&gateway, unknown).await;
    assert_eq!(answer.header("grpc-status"), "4");
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_while_the_request_is_still_coming() {
    for wire in ALL {
        let alive = Alive::new();
        let (gateway, _) = shelf_with(Options::default());
        let guard = alive.guard();
        let never = futures_util::stream::pending::<()>().map(move |()| {
            let _ = &guard;
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::new()))
        });
        let (name, value) = wire.timeout(100);
        let body = Body::new(http_body_util::StreamBody::new(never));
        let answer = send(&gateway, wire.raw("Act", false, &[(name, &value)], body)).await;
        assert_eq!(wire.read("Act", &answer).code, 4, "{wire:?}");
        assert_eq!(alive.count(), 0, "{wire:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_time_is_passed_on() {
    let (gateway, seen) = shelf_with(Options::default());
    for wire in ALL {
        let (name, value) = wire.timeout(5000);
        wire.call(&gateway, "Act", &[Item::default()], &[(name, &value)])
            .await;
        let (_, headers) = seen.lock().unwrap().pop_front().unwrap();
        assert_eq!(headers["grpc-timeout"], "5000000u", "{wire:?}");
        wire.call(&gateway, "Act", &[Item::default()], &[]).await;
        let (_, headers) = seen.lock().unwrap().pop_front().unwrap();
        assert!(!headers.contains_key("grpc-timeout"));
    }
    let seconds = request(
        "GET",
        "/v1/items/n",
        &[("x-request-timeout", "1.5")],
        Body::empty(),
    );
    send(&gateway, seconds).await;
    assert_eq!(
        seen.lock().unwrap().pop_front().unwrap().1["grpc-timeout"],
        "1500000u"
    );
    let grpc = request(
        "GET",
        "/v1/items/n",
        &[("grpc-timeout", "7S")],
        Body::empty(),
    );
    send(&gateway, grpc).await;
    assert_eq!(
        seen.lock().unwrap().pop_front().unwrap().1["grpc-timeout"],
        "7000000u"
    );
}

#[tokio::test]
async fn timeouts_that_are_none_are_refused() {
    let (gateway, seen) = shelf_with(Options::default());
    for wire in ALL {
        let (name, _) = wire.timeout(1);
        for value in ["", "soon", "-1", "1x", "99999999999999999999", "1 S"] {
            let said = wire
                .call(&gateway, "Act", &[Item::default()], &[(name, value)])
                .await;
            if value == "99999999999999999999" && wire.is_rest() {
                // A very long time, but one that can be waited.
                continue;
            }
            assert_eq!(said.code, 3, "{wire:?} {value}");
            assert_eq!(
                said.message,
                format!("the header {name} has no valid timeout: `{value}`")
            );
        }
    }
    assert!(seen.lock().unwrap().len() <= 3);
}

fn every_wire_and_version() -> impl Iterator<Item = (Wire, Version)> {
    ALL.into_iter()
        .flat_map(|wire| [Version::HTTP_11, Version::HTTP_2].map(|version| (wire, version)))
        .filter(|(wire, version)| wire.protocol() != "grpc" || *version == Version::HTTP_2)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_response_lets_go_of_the_service() {
    for (wire, version) in every_wire_and_version() {
        let alive = Alive::new();
        let gateway = silent(&alive, true);
        let mut request = wire.request("List", &[Item::default()], &[]);
        *request.version_mut() = version;
        let Ok(mut response) = gateway.clone().call(request).await;
        let first = response.body_mut().frame().await.unwrap().unwrap();
        assert!(first.is_data());
        assert_eq!(alive.count(), 1, "{wire:?}");
        let outcome = response.extensions().get::<Outcome>().unwrap().clone();
        assert_eq!(outcome.status(), None);
        drop(response);
        assert_eq!(alive.count(), 0, "{wire:?}");
        assert_eq!(outcome.status(), Some(Code::Cancelled), "{wire:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_over_at_its_deadline() {
    for wire in ALL {
        let alive = Alive::new();
        let gateway = silent(&alive, true);
        let (name, value) = wire.timeout(2500);
        let request = wire.request("List", &[Item::default()], &[(name, &value)]);
        let Ok(response) = gateway.clone().call(request).await;
        let outcome = response.extensions().get::<Outcome>().unwrap().clone();
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(response);
        assert_eq!(alive.count(), 0, "{wire:?}");
        assert_eq!(outcome.status(), Some(Code::DeadlineExceeded), "{wire:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_lets_go_of_the_service() {
    for (wire, version) in every_wire_and_version() {
        for (method, speaks_first) in [("Act", false), ("List", false), ("Act", true)] {
            let alive = Alive::new();
            let gateway = silent(&alive, speaks_first);
            let mut request = wire.request(method, &[Item::default()], &[]);
            *request.version_mut() = version;
            let call = gateway.clone().call(request);
            let waited = tokio::time::timeout(Duration::from_secs(5), call).await;
            // Whether it is still waiting or has an answer of headers, it goes.
            drop(waited);
            assert_eq!(alive.count(), 0, "{wire:?} {method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_does_not_wait_for_ever_for_its_first_message() {
    for (wire, waits) in [
        (Wire::RestLines, 1),
        (Wire::RestEvents, 1),
        (Wire::ConnectJson, 0),
        (Wire::Web, 0),
    ] {
        let gateway = before(Options::default(), |_| async {
            Ok(reply(
                futures_util::stream::pending(),
                headers(&[("grpc-status", "0")]),
            ))
        });
        let begin = tokio::time::Instant::now();
        let Ok(response) = gateway
            .clone()
            .call(wire.request("List", &[Item::default()], &[]))
            .await;
        assert_eq!(
            (response.status().as_u16(), begin.elapsed().as_secs()),
            (200, waits),
            "{wire:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn events_keep_the_line_alive() {
    let gateway = before(Options::default(), |_| async {
        let later = futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            Ok(frame(0, &Item::named("late").wire()))
        });
        Ok(reply(later, headers(&[("grpc-status", "0")])))
    });
    let answer = send(
        &gateway,
        Wire::RestEvents.request("List", &[Item::default()], &[]),
    )
    .await;
    assert_eq!(
        answer.text(),
        ": keep-alive\n\n: keep-alive\n\nid: 1\ndata: {\"name\":\"late\"}\n\nevent: end\ndata: {}\n\n"
    );
    assert_eq!(
        (
            answer.header("content-type"),
            answer.header("cache-control")
        ),
        ("text/event-stream", "no-cache")
    );
}
