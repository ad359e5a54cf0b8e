//! Anything at all as a request: no panic, and always a whole response.

use std::sync::LazyLock;

use http::Request;
use portolan_gateway::{Body, Gateway};
use proptest::prelude::*;

use crate::client::{ALL, Answer, Wire, send};
use crate::contract::Item;
use crate::upstream::{Upstream, shelf};

static GATEWAY: LazyLock<Gateway<Upstream>> = LazyLock::new(shelf);

fn answer(request: Request<Body>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(send(&GATEWAY, request))
}

/// Bytes near to what a protocol expects: parts of real bodies, or anything.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(Item::full().json().into_bytes()),
        Just(Item::full().wire().to_vec()),
        Just(crate::upstream::frame(0, &Item::full().wire()).to_vec()),
        Just(crate::upstream::frame(0, Item::full().json().as_bytes()).to_vec()),
        Just(crate::upstream::frame(1, &crate::client::gzip(b"{}")).to_vec()),
        Just(b"[".to_vec()),
        Just(b",".to_vec()),
        Just(b"]\n".to_vec()),
        Just(b"AAAAAAA=".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn text(pattern: &'static str) -> impl Strategy<Value = String> {
    proptest::string::string_regex(pattern).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_body_gets_an_answer(
        wire in proptest::sample::select(ALL.to_vec()),
        method in proptest::sample::select(vec!["Act", "Collect", "List", "Chat", "Put", "PutTo"]),
        compressed in any::<bool>(),
        body in bytes(),
    ) {
        let more: &[(&str, &str)] = match (compressed, wire.protocol()) {
            (false, _) => &[],
            (true, "rest") => &[("content-encoding", "gzip")],
            (true, "connect") => &[("connect-content-encoding", "gzip"), ("content-encoding", "gzip")],
            (true, _) => &[("grpc-encoding", "gzip")],
        };
        // The service of the tests believes its messages to be valid.
        let readable = wire.is_json() || matches!(method, "Act" | "Chat");
        prop_assume!(readable);
        for streams in [false, true] {
            let answer = answer(wire.raw(method, streams, more, body.clone()));
            prop_assert!(answer.status.is_success() || answer.status.as_u16() >= 400);
            if let Some(outcome) = &answer.outcome {
                prop_assert!(outcome.status().is_some());
            }
            if answer.status.is_client_error() && wire.is_rest() {
                prop_assert!(answer.json()["message"].is_string());
            }
        }
    }

    #[test]
    fn any_path_gets_an_answer(
        method in proptest::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "REPORT", "QUERY"]),
        path in text("(/(v1|items|shelves|x|special|places|files|rooms|grpc|shelf|act|shelf\\.v1\\.ShelfService|Echo|[a-z%:=*{}.~]{0,6}|%[0-9a-f]{2})){0,6}(:(collect|chat|touch|x))?"),
        query in text("([a-zA-Z.\\[\\]_]{0,8}(=[a-z0-9%+&=]{0,8})?&?){0,4}"),
    ) {
        let uri = format!("/{}?{query}", path.trim_start_matches('/'));
        if let Ok(uri) = uri.parse() {
            let mut request = Wire::RestArray.raw("Act", false, &[], b"{}".to_vec());
            *request.uri_mut() = uri;
            *request.method_mut() = method.parse().unwrap();
            let answer = answer(request);
            prop_assert!(matches!(answer.status.as_u16(), 200 | 400 | 404 | 405 | 501), "{answer:?}");
            prop_assert!(answer.status != 405 || !answer.header("allow").is_empty());
        }
    }

    #[test]
    fn any_query_of_a_get_gets_an_answer(
        query in text("((message|encoding|base64|compression|connect|name|tags|labels\\[k\\]|place\\.row|count|kind)=[a-zA-Z0-9%_=-]{0,8}&){0,5}"),
        path in proptest::sample::select(vec!["/shelf.v1.ShelfService/Echo", "/v1/items/n", "/v1/items", "/grpc/shelf/echo"]),
    ) {
        let answer = answer(crate::client::get(&format!("{path}?{query}")));
        prop_assert!(matches!(answer.status.as_u16(), 200 | 400 | 405 | 415 | 501), "{answer:?}");
    }

    #[test]
    fn any_header_gets_an_answer(
        wire in proptest::sample::select(ALL.to_vec()),
        name in text("(grpc|connect|x|accept|content|grpc-metadata)-(timeout|encoding|timeout-ms|accept-encoding|protocol-version|request-timeout|x|te|status|bin)"),
        value in proptest::collection::vec(any::<u8>().prop_filter("allowed in a header", |byte| *byte >= 32 && *byte != 127), 0..12),
    ) {
        let mut request = wire.request("Act", &[Item::default()], &[]);
        let value = http::HeaderValue::from_bytes(&value).unwrap();
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), value);
        let answer = answer(request);
        prop_assert!(answer.outcome.is_none_or(|outcome| outcome.status().is_some()));
    }
}
