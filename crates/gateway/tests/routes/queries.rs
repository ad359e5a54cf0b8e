//! Query parameters as fields.

use serde_json::json;

use crate::contract::Contract;

fn contract() -> Contract {
    Contract::of(&[r#"package p;
    enum Color { NONE = 0; RED = 1; }
    message Inner { string a = 1; int64 n = 2; Inner inner = 3; repeated string tags = 4; }
    message M {
      string s = 1; int64 big_number = 2; bool b = 3; Color color = 4; repeated Color colors = 5; repeated int32 ns = 6;
      google.protobuf.Timestamp time = 8; google.protobuf.Duration span = 9; google.protobuf.FieldMask mask = 10;
      google.protobuf.Int64Value wrapped = 11; google.protobuf.BoolValue maybe = 12;
      Inner inner = 13; repeated Inner list = 14; repeated string tags = 15; map<string, int32> counts = 16;
      map<bool, string> flags = 17; map<string, Inner> inners = 18; repeated google.protobuf.Timestamp times = 19;
      map<string, google.protobuf.Duration> spans = 20; optional string o = 21;
      oneof either { string left = 22; int32 right = 23; }
    }
    service S {
      rpc Do(M) returns (M) {
        option (google.api.http) = {
          get: "/v1"
          additional_bindings { get: "/s/{s}/{inner.a}" }
          additional_bindings { put: "/inner" body: "inner" }
          additional_bindings { post: "/all" body: "*" }
        };
      }
    }"#])
}

#[tokio::test]
async fn fields_of_every_kind() {
    let contract = contract();
    for (query, seen) in [
        ("bigNumber=7", json!({ "bigNumber": "7" })),
        ("big_number=7", json!({ "bigNumber": "7" })),
        ("s=a+b%2Bc%26d", json!({ "s": "a b+c&d" })),
        ("s=a=b", json!({ "s": "a=b" })),
        ("s", json!({})),
        ("o=", json!({ "o": "" })),
        ("b=true&color=RED", json!({ "b": true, "color": "RED" })),
        (
            "colors=RED&colors=0&colors=5",
            json!({ "colors": ["RED", "NONE", 5] }),
        ),
        ("ns=1&s=x&ns=2", json!({ "ns": [1, 2], "s": "x" })),
        (
            "tags[]=a&tags%5B%5D=b&tags=c",
            json!({ "tags": ["a", "b", "c"] }),
        ),
        (
            "time=2024-01-01T00:00:00Z&span=1.5s&mask=a,b.cD",
            json!({ "time": "2024-01-01T00:00:00Z", "span": "1.500s", "mask": "a,b.cD" }),
        ),
        (
            "wrapped=0&maybe=false",
            json!({ "wrapped": "0", "maybe": false }),
        ),
        (
            "times=1970-01-01T00:00:01Z&times=1970-01-01T00:00:02Z",
            json!({ "times": ["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"] }),
        ),
        (
            "inner.a=x&inner.inner.n=2&inner.inner.tags=t&inner.inner.tags=u",
            json!({ "inner": { "a": "x", "inner": { "n": "2", "tags": ["t", "u"] } } }),
        ),
        (
            "counts[a.b]=1&counts.c=2&counts%5B%5D=3",
            json!({ "counts": { "a.b": 1, "c": 2, "": 3 } }),
        ),
        ("flags[true]=yes", json!({ "flags": { "true": "yes" } })),
        ("spans[x]=2s", json!({ "spans": { "x": "2s" } })),
        ("left=x&&", json!({ "left": "x" })),
        // The last one stays, as on the wire.
        ("s=a&s=b&left=x&right=2", json!({ "s": "b", "right": 2 })),
        ("", json!({})),
    ] {
        let request = format!("GET /v1?{query}");
        assert_eq!(contract.seen(&request, "").await, seen, "{query}");
    }
    // With a whole body too: more than the specification asks for.
    let seen = contract.seen("POST /all?tags=q", r#"{"tags":["b"]}"#).await;
    assert_eq!(seen, json!({ "tags": ["b", "q"] }));
}

#[tokio::test]
async fn what_is_no_parameter_is_refused_by_its_name() {
    let contract = contract();
    for (request, text) in [
        (
            "GET /v1?nope=1",
            "query parameter `nope`: unknown field `nope` in p.M",
        ),
        ("GET /v1?inner=x", "query parameter `inner`: "),
        (
            "GET /v1?inner.nope=x",
            "query parameter `inner.nope`: unknown field `nope` in p.Inner",
        ),
        ("GET /v1?list=x", "query parameter `list`: "),
        (
            "GET /v1?list.a=x",
            "query parameter `list.a`: unknown field",
        ),
        ("GET /v1?inners[k]=x", "query parameter `inners[k]`: "),
        (
            "GET /v1?inners[k].a=x",
            "query parameter `inners[k].a`: unknown field",
        ),
        ("GET /v1?counts=1", "query parameter `counts`: "),
        ("GET /v1?flags[maybe]=1", "query parameter `flags[maybe]`: "),
        (
            "GET /v1?tags[1]=a",
            "query parameter `tags[1]`: unknown field",
        ),
        ("GET /v1?s[=a", "query parameter `s[`: unknown field `s[`"),
        ("GET /v1?s[]=a", "query parameter `s[]`: unknown field"),
        (
            "GET /v1?counts[a]b=1",
            "query parameter `counts[a]b`: unknown field",
        ),
        ("GET /v1?color=BLUE", "query parameter `color`: "),
        ("GET /v1?ns=1,2", "query parameter `ns`: "),
        // What the path or the body says is no parameter.
        (
            "GET /s/x/y?s=z",
            "query parameter `s`: the path says what this field is",
        ),
        (
            "GET /s/x/y?inner.a=z",
            "query parameter `inner.a`: the path says what this field is",
        ),
        (
            "PUT /inner?inner.a=z",
            "query parameter `inner.a`: the body says what this field is",
        ),
    ] {
        let body = if request.starts_with("PUT") { "{}" } else { "" };
        let refusal = contract.refusal(request, body).await;
        assert!(refusal.starts_with(text), "{request}: {refusal}");
    }
    let seen = contract.seen("GET /s/x/y?inner.n=2", "").await;
    assert_eq!(seen, json!({ "s": "x", "inner": { "a": "y", "n": "2" } }));
}
