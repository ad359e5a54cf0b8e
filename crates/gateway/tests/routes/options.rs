//! What whoever sets up a gateway may choose about routes.

use http::Method;
use portolan_gateway::{MultiSegment, Options};
use serde_json::json;

use crate::contract::Contract;

fn contract() -> Contract {
    Contract::of(&[r#"package p;
    message M { string name = 1; int32 n = 2; }
    service Greeter {
      rpc Get(M) returns (M) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (google.api.http) = {
          get: "/v1/{name}" additional_bindings { get: "/files/{name=**}" }
          additional_bindings { get: "/{name=s/*}" }
        };
      }
      rpc Head(M) returns (M) {
        option (google.api.http).custom = { kind: "HEAD" path: "/v1/{name}" };
      }
      rpc Set(M) returns (M);
    }"#])
}

/// Where each request ends: the status, or the RPC that it reached.
async fn ends(options: &Options, requests: &[(&str, &str)]) {
    let contract = contract();
    for (request, expected) in requests {
        let body = if request.starts_with("GET") { "" } else { "{}" };
        let answer = contract.send(options.clone(), request, body).await;
        let end = match answer.seen {
            Some((path, _)) if answer.status == 200 => path,
            _ => answer.status.to_string(),
        };
        assert_eq!(end, *expected, "{request}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_base_path_stands_before_everything() {
    for base in ["/api/v2", "api/v2/", "/api/v2/"] {
        let options = Options {
            base_path: base.to_owned(),
            ..Options::default()
        };
        let requests = [
            ("GET /api/v2/v1/x", "/p.Greeter/Get"),
            ("GET /api/v2/files/a/b", "/p.Greeter/Get"),
            ("POST /api/v2/p.Greeter/Set", "/p.Greeter/Set"),
            // Where Connect has it.
            ("POST /p.Greeter/Set", "/p.Greeter/Set"),
            ("PUT /p.Greeter/Set", "405"),
            ("POST /api/v2/grpc/greeter/set", "/p.Greeter/Set"),
            ("GET /v1/x", "404"),
            ("GET /api/v2", "404"),
            ("GET /api/v22/v1/x", "404"),
            ("POST /grpc/greeter/set", "404"),
        ];
        ends(&options, &requests).await;
    }
    let options = Options {
        base_path: "/api".to_owned(),
        ..Options::default()
    };
    let contract = contract();
    let answer = contract
        .send(options.clone(), "GET /api/files/a%20b/c", "")
        .await;
    assert_eq!(answer.seen.unwrap().1, json!({ "name": "a b/c" }));
    let layer = contract.layer(options);
    let paths: Vec<&str> = layer.routes().map(|entry| entry.path()).collect();
    assert_eq!(paths[0], "/api/v1/{name}");
    assert!(
        paths.iter().all(|path| path.starts_with("/api/")),
        "{paths:?}"
    );
}

#[tokio::test]
async fn methods_limit_routes_without_a_rule() {
    let options = Options {
        http_methods: Some(vec![Method::POST]),
        ..Options::default()
    };
    let requests = [
        ("POST /grpc/greeter/set", "/p.Greeter/Set"),
        ("PUT /grpc/greeter/set", "405"),
        ("GET /grpc/greeter/get", "405"),
        ("POST /p.Greeter/Set", "/p.Greeter/Set"),
        ("GET /v1/x", "/p.Greeter/Get"),
    ];
    ends(&options, &requests).await;
    let allow = async |options: &Options, request: &str| {
        let answer = contract().send(options.clone(), request, "").await;
        assert_eq!(answer.status, 405, "{request}");
        answer.headers["allow"].to_str().unwrap().to_owned()
    };
    assert_eq!(allow(&options, "PUT /grpc/greeter/set").await, "POST");
    let options = Options {
        http_methods: Some(vec![Method::GET, Method::PUT]),
        ..Options::default()
    };
    let requests = [
        ("GET /grpc/greeter/get", "/p.Greeter/Get"),
        ("PUT /grpc/greeter/set", "/p.Greeter/Set"),
        // A limit does not open what is closed.
        ("GET /grpc/greeter/set", "405"),
        ("POST /p.Greeter/Set", "405"),
    ];
    ends(&options, &requests).await;
    assert_eq!(allow(&options, "POST /grpc/greeter/get").await, "GET, PUT");
    assert_eq!(allow(&options, "POST /p.Greeter/Set").await, "");
}

#[tokio::test]
async fn each_kind_of_route_can_be_closed() {
    let requests = |rule, auto, named| {
        [
            ("GET /v1/x", rule),
            ("POST /p.Greeter/Set", auto),
            ("POST /grpc/greeter/set", named),
        ]
    };
    let (get, set) = ("/p.Greeter/Get", "/p.Greeter/Set");
    let options = Options {
        rules: false,
        ..Options::default()
    };
    ends(&options, &requests("404", set, set)).await;
    let options = Options {
        auto: false,
        ..Options::default()
    };
    ends(&options, &requests(get, "404", set)).await;
    let options = Options {
        named_path: None,
        ..Options::default()
    };
    ends(&options, &requests(get, set, "404")).await;
}

#[tokio::test]
async fn a_slash_at_the_end_is_told_or_not() {
    let requests = |slashed| {
        [
            ("GET /v1/x", "/p.Greeter/Get"),
            ("GET /v1/x/", slashed),
            (
                "POST /p.Greeter/Set/",
                if slashed == "404" {
                    "404"
                } else {
                    "/p.Greeter/Set"
                },
            ),
            ("GET /v1/x//", "404"),
            ("GET /v1//", "404"),
            ("GET /", "404"),
            ("GET /files/x/", "/p.Greeter/Get"),
        ]
    };
    ends(&Options::default(), &requests("404")).await;
    let options = Options {
        ignore_trailing_slash: true,
        ..Options::default()
    };
    ends(&options, &requests("/p.Greeter/Get")).await;
    // What a rest takes it keeps.
    let answer = contract().send(options.clone(), "GET /files/x/", "").await;
    assert_eq!(answer.seen.unwrap().1, json!({ "name": "x/" }));
    let answer = contract().send(options, "GET /v1/x/", "").await;
    assert_eq!(answer.seen.unwrap().1, json!({ "name": "x" }));
}

#[tokio::test]
async fn parameters_of_others_are_passed_over() {
    let contract = contract();
    let options = Options {
        ignored_query: vec!["key".to_owned()],
        ..Options::default()
    };
    for query in ["key=a", "n=1&key=", "$alt=json", "%24.xgafv=2&key"] {
        let request = format!("GET /v1/x?{query}");
        let answer = contract.send(options.clone(), &request, "").await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    }
    let answer = contract.send(options, "GET /v1/x?keys=a", "").await;
    assert_eq!(answer.status, 400);
    let options = Options {
        ignore_unknown_query: true,
        ..Options::default()
    };
    let request = "GET /v1/x?what=ever&n=2&name=y&n.x=3&a[";
    let answer = contract.send(options.clone(), request, "").await;
    assert_eq!(answer.seen.unwrap().1, json!({ "name": "x", "n": 2 }));
    // What is a field must still fit it, and JSON has a choice of its own.
    assert_eq!(
        contract
            .send(options.clone(), "GET /v1/x?n=y", "")
            .await
            .status,
        400
    );
    let answer = contract
        .send(options, "POST /p.Greeter/Set", r#"{"what":1}"#)
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_rule_for_head_comes_before_that_for_get() {
    ends(
        &Options::default(),
        &[
            ("HEAD /v1/x", "/p.Greeter/Head"),
            ("HEAD /files/x", "/p.Greeter/Get"),
        ],
    )
    .await;
}

#[tokio::test]
async fn escapes_that_stay_are_chosen() {
    for (said, name) in [("true", "s/a:b%2Fc d"), ("false", "s/a%3Ab%2Fc d")] {
        let yaml = format!("http: {{fully_decode_reserved_expansion: {said}}}");
        let contract = contract().configured(&yaml);
        let seen = contract.seen("GET /s/a%3Ab%2Fc%20d", "").await;
        assert_eq!(seen, json!({ "name": name }));
    }
    let contract = contract();
    for (multi_segment, name) in [
        (None, "s/a:b%2Fc d"),
        (Some(MultiSegment::DecodeAllButSlash), "s/a:b%2Fc d"),
        (Some(MultiSegment::DecodeUnreserved), "s/a%3Ab%2Fc d"),
    ] {
        let options = Options {
            multi_segment,
            ..Options::default()
        };
        let answer = contract.send(options, "GET /s/a%3Ab%2Fc%20d", "").await;
        assert_eq!(answer.seen.unwrap().1, json!({ "name": name }));
    }
}
