//! REST: `google.api.http` rules, automatic and named routes, query strings.

use portolan_gateway::{Code, Options};
use serde_json::json;

use crate::client::{get, request, send};
use crate::contract::{Item, Place, StringValue, Timestamp};
use crate::upstream::{shelf, shelf_with};

/// The message that a request becomes, as Echo gives it back.
async fn echoed(method: &str, uri: &str, body: &str) -> Item {
    let content = [("content-type", "application/json")];
    let answer = send(
        &shelf(),
        request(method, uri, &content, body.as_bytes().to_vec()),
    )
    .await;
    assert_eq!(answer.status, 200, "{method} {uri}: {}", answer.text());
    assert_eq!(answer.ended(), Some(Code::Ok));
    Item::of_json(&answer.body)
}

#[tokio::test]
async fn rules_bind_path_and_body() {
    for (method, uri, body, expected) in [
        ("GET", "/v1/items/a%20b%2Fc", "", Item::named("a b/c")),
        (
            "POST",
            "/v1/items",
            r#"{"name":"n","count":"5"}"#,
            Item::counted("n", 5),
        ),
        ("POST", "/v1/items", "", Item::default()),
        (
            "PUT",
            "/v1/items/n/place?count=4",
            r#"{"shelf":"s"}"#,
            Item {
                place: Some(Place {
                    shelf: "s".into(),
                    row: 0,
                }),
                ..Item::counted("n", 4)
            },
        ),
        (
            "PATCH",
            "/v1/shelves/x/items/n",
            r#"{"place":{"row":3,"shelf":"lost to the path"},"name":"lost too"}"#,
            Item {
                place: Some(Place {
                    shelf: "shelves/x".into(),
                    row: 3,
                }),
                ..Item::named("n")
            },
        ),
        (
            "POST",
            "/v1/items/n:touch",
            r#"{"count":1}"#,
            Item::counted("n", 1),
        ),
        ("GET", "/v1/files/a/b%2Fc/d", "", Item::named("a/b%2Fc/d")),
        ("GET", "/v1/files", "", Item::named("")),
        // The literal comes before the variable.
        ("GET", "/v1/items/special", "", Item::named("")),
        ("GET", "/v1/items/x:y", "", Item::named("x:y")),
        ("REPORT", "/v1/items/n", "", Item::named("n")),
        ("DELETE", "/v1/any/n", "", Item::named("n")),
        ("OPTIONS", "/v1/any/n", "", Item::named("n")),
        (
            "POST",
            "/shelf.v1.ShelfService/Act",
            r#"{"name":"n"}"#,
            Item::named("n"),
        ),
        (
            "POST",
            "/grpc/shelf/act",
            r#"{"name":"n"}"#,
            Item::named("n"),
        ),
        (
            "PUT",
            "/grpc/shelfservice/act",
            r#"{"name":"n"}"#,
            Item::named("n"),
        ),
        ("GET", "/grpc/shelf/echo?name=n", "", Item::named("n")),
    ] {
        assert_eq!(echoed(method, uri, body).await, expected, "{method} {uri}");
    }
}

#[tokio::test]
async fn a_partial_update_names_what_it_sets() {
    for (method, uri, body, mask) in [
        (
            "PATCH",
            "/v1/changes/n",
            r#"{"count":5,"place":{"shelf":"s"},"tags":[],"note":null}"#,
            json!("count,place.shelf,tags,note"),
        ),
        (
            "PATCH",
            "/v1/changes/n",
            r#"{"madeAt":null}"#,
            json!("madeAt"),
        ),
        // A client that gives a mask knows better, and an empty one is a mask.
        (
            "PATCH",
            "/v1/changes/n?updateMask=weight",
            r#"{"count":5}"#,
            json!("weight"),
        ),
        (
            "PATCH",
            "/v1/changes/n?update_mask=",
            r#"{"count":5}"#,
            json!(""),
        ),
        // Nothing to set, and nothing said: as the client has it.
        ("PATCH", "/v1/changes/n", "", json!(null)),
        ("PATCH", "/v1/changes/n", "{}", json!(null)),
        // What replaces the whole needs none.
        ("PUT", "/v1/changes/n", r#"{"count":5}"#, json!(null)),
    ] {
        let content = [("content-type", "application/json")];
        let request = request(method, uri, &content, body.as_bytes().to_vec());
        let answer = send(&shelf(), request).await;
        assert_eq!(answer.status, 200, "{method} {uri}: {}", answer.text());
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["updateMask"], mask, "{method} {uri} {body}");
        assert_eq!(answer["item"]["name"], "n");
    }
}

#[tokio::test]
async fn queries_fill_every_kind_of_field() {
    let query = "count=7&tags=a&tags=b%26c&labels[k.1]=v+w&labels.l=%C3%A9&kind=KIND_VASE&place.shelf=s&place.row=-2\
                 &madeAt=2023-11-14T22:13:20.120Z&note=hi&active=true&weight=1.5&raw=AP8-&kinds=KIND_BOOK&kinds=2&";
    let item = echoed("GET", &format!("/v1/items/n?{query}"), "").await;
    let expected = Item {
        tags: vec!["a".into(), "b&c".into()],
        labels: [("k.1", "v w"), ("l", "é")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        kind: 2,
        place: Some(Place {
            shelf: "s".into(),
            row: -2,
        }),
        made_at: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 120_000_000,
        }),
        note: Some(StringValue { value: "hi".into() }),
        active: true,
        weight: 1.5,
        raw: vec![0, 255, 62],
        kinds: vec![1, 2],
        ..Item::counted("n", 7)
    };
    assert_eq!(item, expected);
    // Names as the contract has them will do too.
    let item = echoed("GET", "/v1/items/n?made_at=1970-01-01T00:00:01Z", "").await;
    assert_eq!(
        item.made_at,
        Some(Timestamp {
            seconds: 1,
            nanos: 0
        })
    );
}

#[tokio::test]
async fn what_a_query_cannot_say_is_refused_with_the_field() {
    let gateway = shelf();
    for (query, part) in [
        ("nope=1", "nope"),
        ("place.nope=1", "nope"),
        ("place=1", "place"),
        ("count=x", "count"),
        ("count=", "count"),
        ("kind=KIND_NOPE", "kind"),
        ("active=1", "active"),
        ("madeAt=yesterday", "madeAt"),
        ("raw=%2A", "raw"),
        ("labels=v", "labels"),
        ("name=%ff", "UTF-8"),
        ("%ff=1", "UTF-8"),
        ("=1", "unknown field"),
        ("place.shelf.deep=1", "shelf"),
    ] {
        let answer = send(&gateway, get(&format!("/v1/items/n?{query}"))).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.json()["code"], 3, "{query}");
        assert!(
            answer.json()["message"].as_str().unwrap().contains(part),
            "{query}: {}",
            answer.text()
        );
    }
    let answer = send(&gateway, get("/v1/items/%ff")).await;
    assert_eq!(answer.status, 400);
    let (lenient, _) = shelf_with(Options {
        read: portolan_transcode::ReadOptions {
            ignore_unknown: true,
            ..Default::default()
        },
        ..Options::default()
    });
    let answer = send(&lenient, get("/v1/items/n?nope=1&count=2")).await;
    assert_eq!(Item::of_json(&answer.body), Item::counted("n", 2));
}

#[tokio::test]
async fn a_rule_may_answer_with_a_part() {
    let gateway = shelf();
    let answer = send(&gateway, get("/v1/places/n?place.shelf=s&place.row=1")).await;
    assert_eq!(answer.json(), json!({ "shelf": "s", "row": 1 }));
    let answer = send(&gateway, get("/v1/tags/n?tags=a&tags=b")).await;
    assert_eq!(answer.json(), json!(["a", "b"]));
    let answer = send(&gateway, get("/v1/tags/n")).await;
    assert_eq!(answer.json(), json!([]));
}

#[tokio::test]
async fn json_looks_as_chosen() {
    let (gateway, _) = shelf_with(Options {
        write: portolan_transcode::WriteOptions {
            proto_names: true,
            enums_as_numbers: true,
            print_defaults: portolan_transcode::PrintDefaults::WithoutPresence,
            indent: Some(2),
            ..Default::default()
        },
        ..Options::default()
    });
    let answer = send(
        &gateway,
        get("/v1/items/n?kind=2&made_at=1970-01-01T00:00:01Z"),
    )
    .await;
    let json = answer.json();
    assert_eq!(
        (&json["kind"], &json["made_at"], &json["tags"]),
        (&json!(2), &json!("1970-01-01T00:00:01Z"), &json!([]))
    );
    assert!(answer.text().contains("\n  \"name\": \"n\""));
    // A line holds a whole message all the same.
    let lines = request(
        "GET",
        "/v1/items?count=2",
        &[("accept", "application/x-ndjson")],
        Vec::new(),
    );
    let answer = send(&gateway, lines).await;
    assert_eq!(answer.text().lines().count(), 2);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let gateway = shelf();
    for uri in [
        "/v1/items/n?count=5",
        "/v1/items?count=5",
        "/v1/items/n?nope=1",
        "/v1/nowhere",
        "/v1/download/n",
    ] {
        let whole = send(&gateway, get(uri)).await;
        let head = send(&gateway, request("HEAD", uri, &[], Vec::new())).await;
        assert_eq!(head.status, whole.status, "{uri}");
        assert!(head.body.is_empty() && head.trailers.is_empty(), "{uri}");
        assert_eq!(head.header("content-type"), whole.header("content-type"));
        if !head.header("content-length").is_empty() {
            assert_eq!(head.header("content-length"), whole.body.len().to_string());
        }
        assert_eq!(
            head.outcome.map(|outcome| outcome.status()),
            whole.outcome.map(|outcome| outcome.status()),
            "{uri}"
        );
    }
}
