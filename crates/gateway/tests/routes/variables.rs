//! Paths and bodies as fields.

use serde_json::json;

use crate::contract::Contract;

fn contract() -> Contract {
    Contract::of(&[r#"package p;
    enum Color { NONE = 0; RED = 1; }
    message Inner { string a = 1; int64 n = 2; Inner inner = 3; }
    message M {
      string s = 1; int64 n = 2; bool b = 3; Color color = 4; double d = 5; bytes raw = 6; uint32 u = 7;
      google.protobuf.Timestamp time = 8; google.protobuf.Duration span = 9; google.protobuf.FieldMask mask = 10;
      google.protobuf.Int64Value wrapped = 11; google.protobuf.BoolValue maybe = 12;
      Inner inner = 13; repeated Inner list = 14; repeated string tags = 15; map<string, int32> counts = 16;
      oneof either { string left = 17; int32 right = 18; }
    }
    service S {
      rpc Do(M) returns (M) {
        option (google.api.http) = {
          get: "/s/{s}"
          additional_bindings { get: "/n/{n}" } additional_bindings { get: "/b/{b}" }
          additional_bindings { get: "/color/{color}" } additional_bindings { get: "/d/{d}" }
          additional_bindings { get: "/raw/{raw}" } additional_bindings { get: "/u/{u}" }
          additional_bindings { get: "/time/{time}" } additional_bindings { get: "/span/{span}" }
          additional_bindings { get: "/mask/{mask}" } additional_bindings { get: "/wrapped/{wrapped}" }
          additional_bindings { get: "/maybe/{maybe}" } additional_bindings { get: "/left/{left}" }
          additional_bindings { get: "/inner/{inner.inner.a=x/*}/{inner.n}:go" }
          additional_bindings { put: "/inner/{inner.a}" body: "inner" }
          additional_bindings { put: "/list" body: "list" } additional_bindings { put: "/tags" body: "tags" }
          additional_bindings { put: "/counts" body: "counts" } additional_bindings { put: "/text" body: "s" }
          additional_bindings { put: "/time" body: "time" } additional_bindings { put: "/all/{s}" body: "*" }
          additional_bindings { delete: "/all/{s}" body: "*" }
        };
      }
    }"#])
}

#[tokio::test]
async fn every_scalar_has_a_form_in_a_path() {
    let contract = contract();
    for (path, seen) in [
        ("/s/%E2%82%AC%20+", json!({ "s": "€ +" })),
        ("/n/-9007199254740993", json!({ "n": "-9007199254740993" })),
        ("/n/1e3", json!({ "n": "1000" })),
        ("/b/true", json!({ "b": true })),
        ("/b/false", json!({})),
        ("/color/RED", json!({ "color": "RED" })),
        ("/color/1", json!({ "color": "RED" })),
        ("/color/7", json!({ "color": 7 })),
        ("/d/-1.5e-3", json!({ "d": -0.0015 })),
        ("/d/Infinity", json!({ "d": "Infinity" })),
        ("/raw/-_8=", json!({ "raw": "+/8=" })),
        ("/u/4294967295", json!({ "u": 4_294_967_295_u32 })),
        (
            "/time/2024-02-29T12:00:00.5%2B01:00",
            json!({ "time": "2024-02-29T11:00:00.500Z" }),
        ),
        ("/span/-1.5s", json!({ "span": "-1.500s" })),
        ("/mask/a,bC.d", json!({ "mask": "a,bC.d" })),
        ("/wrapped/0", json!({ "wrapped": "0" })),
        ("/maybe/false", json!({ "maybe": false })),
        ("/left/x", json!({ "left": "x" })),
        (
            "/inner/x/y%2Fz/5:go",
            json!({ "inner": { "inner": { "a": "x/y%2Fz" }, "n": "5" } }),
        ),
    ] {
        assert_eq!(
            contract.seen(&format!("GET {path}"), "").await,
            seen,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_a_variable_cannot_hold_is_refused_by_its_name() {
    let contract = contract();
    for (path, text) in [
        ("/n/x", "path variable `n`: \"x\" is not"),
        ("/n/9223372036854775808", "path variable `n`"),
        ("/b/TRUE", "path variable `b`"),
        ("/b/1", "path variable `b`"),
        ("/color/BLUE", "path variable `color`"),
        ("/u/-1", "path variable `u`"),
        ("/time/now", "path variable `time`"),
        ("/raw/%25", "path variable `raw`"),
        ("/s/%ff", "path variable `s` is not UTF-8"),
        ("/inner/x/y/z:go", "path variable `inner.n`"),
    ] {
        let text_of = contract.refusal(&format!("GET {path}"), "").await;
        assert!(text_of.starts_with(text), "{path}: {text_of}");
    }
}

#[tokio::test]
async fn a_body_is_any_field_of_the_request() {
    let contract = contract();
    for (request, body, seen) in [
        (
            "PUT /list",
            r#"[{"a":"x"},{"n":"2"}]"#,
            json!({ "list": [{ "a": "x" }, { "n": "2" }] }),
        ),
        ("PUT /list", "[]", json!({})),
        ("PUT /tags", r#"["a","b"]"#, json!({ "tags": ["a", "b"] })),
        ("PUT /counts", r#"{"a":1}"#, json!({ "counts": { "a": 1 } })),
        ("PUT /text", r#""some""#, json!({ "s": "some" })),
        (
            "PUT /time",
            r#""1970-01-01T00:00:01Z""#,
            json!({ "time": "1970-01-01T00:00:01Z" }),
        ),
        // The path has the last word on what is inside the body.
        (
            "PUT /inner/path",
            r#"{"a":"body","n":"1"}"#,
            json!({ "inner": { "a": "path", "n": "1" } }),
        ),
        (
            "PUT /all/path",
            r#"{"s":"body","u":1}"#,
            json!({ "s": "path", "u": 1 }),
        ),
        ("DELETE /all/x", r#"{"u":1}"#, json!({ "s": "x", "u": 1 })),
        ("DELETE /all/x", "", json!({ "s": "x" })),
        (
            "PUT /list?u=5&tags=a",
            "[{}]",
            json!({ "list": [{}], "u": 5, "tags": ["a"] }),
        ),
    ] {
        assert_eq!(contract.seen(request, body).await, seen, "{request} {body}");
    }
}
