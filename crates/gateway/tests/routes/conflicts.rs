//! What is found wrong with routes: rules that are the same, names that are
//! taken, rules that cannot be used.

use std::sync::Arc;

use portolan_gateway::{Finding, GatewayLayer, Options, RouteKind, Severity};

use crate::contract::Contract;

const USERS: &str = r#"package users.v1;
message M { string id = 1; string name = 2; }
service Users {
  rpc Get(M) returns (M) {
    option (google.api.http).get = "/v1/users/{id}";
  }
  rpc Find(M) returns (M) {
    option (google.api.http) = {
      get: "/v1/users/{name}"
      additional_bindings { post: "/v1/users/{name}" }
      additional_bindings { custom { kind: "*" path: "/v1/users/{name}" } }
    };
  }
  rpc Bad(M) returns (M) { option (google.api.http).get = "/v1/{nope}"; }
}
"#;

const OTHER: &str = r#"package users.v2;
service Users {
  rpc Get(users.v1.M) returns (users.v1.M) {
    option (google.api.http) = {
      get: "/v1/users/*"
      additional_bindings { get: "/v2/users" }
      additional_bindings { get: "/v2/users" }
    };
  }
  rpc Hide(users.v1.M) returns (users.v1.M) {
    option (google.api.http).post = "/users.v1.Users/Get";
  }
}
"#;

fn contract() -> Contract {
    let other = format!("import \"a.proto\"; {OTHER}");
    Contract::of(&[USERS, &other])
}

#[test]
fn findings_tell_both_places() {
    let contract = contract();
    let layer = contract.layer(Options::default());
    let findings: Vec<String> = layer.findings().iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "a.proto:15:28: the HTTP rule of `users.v1.Users.Bad` is not valid: path variable \
             `nope` is not a field of `users.v1.M`",
            "`GET /v1/users/{name}` of users.v1.Users.Find (a.proto:9:5) is the same as `GET \
             /v1/users/{id}` of users.v1.Users.Get (a.proto:6:5), which comes first and answers; \
             change one of them",
            "`GET /v1/users/*` of users.v2.Users.Get (b.proto:5:5) is the same as `GET \
             /v1/users/{id}` of users.v1.Users.Get (a.proto:6:5), which comes first and answers; \
             change one of them",
            "`GET /v2/users` of users.v2.Users.Get (b.proto:5:5) is the same as `GET /v2/users` \
             of users.v2.Users.Get (b.proto:5:5), which comes first and answers; change one of \
             them",
            "`POST /users.v1.Users/Get` of users.v1.Users.Get is hidden by the rule `POST \
             /users.v1.Users/Get` of users.v2.Users.Hide (b.proto:12:5)",
            "`DELETE,PATCH,POST,PUT /grpc/users/get` of users.v2.Users.Get is the same as that of \
             users.v1.Users.Get, which comes first and answers; call the other by its rules or by \
             /users.v2.Users/Get",
            "`DELETE,PATCH,POST,PUT /grpc/usersservice/get` of users.v2.Users.Get is the same as \
             that of users.v1.Users.Get, which comes first and answers; call the other by its \
             rules or by /users.v2.Users/Get",
        ]
    );
    let severities: Vec<Severity> = layer.findings().iter().map(Finding::severity).collect();
    let (error, warning) = (Severity::Error, Severity::Warning);
    assert_eq!(
        severities,
        [error, error, error, warning, warning, warning, warning]
    );
}

#[test]
fn who_wants_no_errors_gets_none() {
    let contract = contract();
    let errors = GatewayLayer::try_new(Arc::clone(&contract.schema)).unwrap_err();
    assert_eq!(errors.findings().len(), 7);
    assert_eq!(errors.to_string().lines().count(), 3);
    // Without rules only warnings are left.
    let options = Options {
        rules: false,
        ..Options::default()
    };
    let layer = GatewayLayer::try_with_options(Arc::clone(&contract.schema), options).unwrap();
    assert_eq!(layer.findings().len(), 2);
}

#[tokio::test]
async fn what_has_no_fault_is_served() {
    let contract = contract();
    for (request, rpc) in [
        ("GET /v1/users/7", "/users.v1.Users/Get"),
        ("POST /v1/users/7", "/users.v1.Users/Find"),
        ("DELETE /v1/users/7", "/users.v1.Users/Find"),
        ("GET /v2/users", "/users.v2.Users/Get"),
        ("POST /users.v1.Users/Bad", "/users.v1.Users/Bad"),
        ("POST /users.v1.Users/Get", "/users.v2.Users/Hide"),
        ("POST /grpc/users/get", "/users.v1.Users/Get"),
        ("POST /grpc/users/hide", "/users.v2.Users/Hide"),
    ] {
        let body = if request.starts_with("POST") {
            "{}"
        } else {
            ""
        };
        let answer = contract.send(Options::default(), request, body).await;
        assert_eq!(answer.status, 200, "{request}: {}", answer.text);
        assert_eq!(answer.seen.unwrap().0, rpc, "{request}");
        let layer = contract.layer(Options::default());
        let (method, path) = request.split_once(' ').unwrap();
        let entry = layer.resolve(&method.parse().unwrap(), path).unwrap();
        assert_eq!(entry.rpc(), rpc);
    }
}

#[test]
fn every_route_is_listed() {
    let contract = contract();
    let layer = contract.layer(Options::default());
    let of = |kind| {
        let entries = layer.routes().filter(move |entry| entry.kind() == kind);
        entries.map(|entry| entry.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        of(RouteKind::Rule),
        [
            "GET /v1/users/{id} → /users.v1.Users/Get",
            "POST /v1/users/{name} → /users.v1.Users/Find",
            "* /v1/users/{name} → /users.v1.Users/Find",
            "GET /v2/users → /users.v2.Users/Get",
            "POST /users.v1.Users/Get → /users.v2.Users/Hide",
        ]
    );
    assert_eq!(of(RouteKind::Auto).len(), 5);
    assert_eq!(
        of(RouteKind::Auto)[4],
        "POST /users.v2.Users/Hide → /users.v2.Users/Hide"
    );
    assert_eq!(
        of(RouteKind::Named),
        ["get", "find", "bad", "hide"]
            .iter()
            .zip([
                "v1.Users/Get",
                "v1.Users/Find",
                "v1.Users/Bad",
                "v2.Users/Hide"
            ])
            .flat_map(
                |(name, rpc)| ["users", "usersservice"].map(|service| format!(
                    "DELETE,PATCH,POST,PUT /grpc/{service}/{name} → /users.{rpc}"
                ))
            )
            .collect::<Vec<_>>()
    );
    let places: Vec<_> = layer.routes().filter_map(|entry| entry.place()).collect();
    assert_eq!(places.len(), 5);
}

#[tokio::test]
async fn a_configured_rule_comes_before_an_annotation() {
    let contract = contract().configured(
        r#"
http:
  rules:
  - selector: users.v2.Users.Get
    get: /v1/users/{name}
  - selector: users.v1.Users.Bad
    get: /v1/good/{name=**}
  - selector: users.v1.Users.Nope
    get: /v1/nope
"#,
    );
    let options = Options {
        named_path: None,
        auto: false,
        ..Options::default()
    };
    let layer = contract.layer(options.clone());
    let findings: Vec<String> = layer.findings().iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "rules.yaml:8:5: the HTTP rule of `users.v1.Users.Nope` is not valid: there is no \
             method `users.v1.Users.Nope`; did you mean `users.v1.Users.Bad` or \
             `users.v1.Users.Find`",
            "`GET /v1/users/{id}` of users.v1.Users.Get (a.proto:6:5) is the same as `GET \
             /v1/users/{name}` of users.v2.Users.Get (rules.yaml:4:5), which comes first and \
             answers; change one of them",
            "`GET /v1/users/{name}` of users.v1.Users.Find (a.proto:9:5) is the same as `GET \
             /v1/users/{name}` of users.v2.Users.Get (rules.yaml:4:5), which comes first and \
             answers; change one of them",
        ]
    );
    for (request, rpc, name) in [
        ("GET /v1/users/7", "/users.v2.Users/Get", "7"),
        ("GET /v1/good/a/b%2Fc", "/users.v1.Users/Bad", "a/b%2Fc"),
        ("POST /v1/users/7", "/users.v1.Users/Find", "7"),
    ] {
        let answer = contract.send(options.clone(), request, "").await;
        let (path, message) = answer.seen.unwrap();
        assert_eq!((&*path, &message["name"]), (rpc, &name.into()), "{request}");
    }
    // What an annotation said is gone.
    assert_eq!(
        contract.send(options, "GET /v2/users", "").await.status,
        404
    );
}
