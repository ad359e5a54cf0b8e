//! Service configurations: what they say, where they are wrong, and what becomes
//! of the contract's own rules.

use portolan_schema::Schema;
use portolan_schema::http::{Origin, ServiceConfig};

use crate::linked;

const CONTRACT: &str = r#"syntax = "proto3";
package users.v1;
import "google/api/annotations.proto";
message M { string id = 1; M inner = 2; }
service Users {
  rpc Get(M) returns (M) { option (google.api.http).get = "/v1/annotated/{id}"; }
  rpc Put(M) returns (M) { option (google.api.http).get = "/v1/{nope}"; }
  rpc List(M) returns (M);
}
service Admin { rpc Stop(M) returns (M); }
"#;

fn configured(yaml: &str) -> Schema {
    let config = ServiceConfig::parse("rules.yaml", yaml).unwrap();
    linked(CONTRACT).with_service_config(&config)
}

/// `GET /v1/users` for each rule of a method.
fn rules(schema: &Schema, method: &str) -> Vec<String> {
    let rules = schema.method(method).unwrap().http_rules().iter();
    rules
        .map(|rule| format!("{} {}", rule.http_method(), rule.template()))
        .collect()
}

fn faults(schema: &Schema) -> Vec<String> {
    schema
        .rule_faults()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn rules_take_the_place_of_annotations() {
    let schema = configured(
        r#"
type: google.api.Service
config_version: 3
name: users.example.com
title: Users
apis:
- name: users.v1.Users
authentication: { rules: [ { selector: "*" } ] }
http:
  rules:
  # Overridden below: the last one wins.
  - selector: users.v1.Users.Get
    get: /v0/users/{id}
  - selector: users.v1.Users.Get
    get: "/v1/users/{id}"
    response_body: inner
    additional_bindings:
    - post: /v1/users/{inner.id}:read
      body: "*"
    - custom:
        kind: HEAD
        path: /v1/users/{id}
  - { selector: users.v1.Users.Put, put: '/v1/users/{id}', body: inner }
"#,
    );
    assert_eq!(
        rules(&schema, "/users.v1.Users/Get"),
        [
            "GET /v1/users/{id}",
            "POST /v1/users/{inner.id}:read",
            "HEAD /v1/users/{id}"
        ]
    );
    let get = schema.method("/users.v1.Users/Get").unwrap().http_rules();
    assert_eq!(get[0].response_body(), Some("inner"));
    assert_eq!(get[0].origin(), Origin::Configuration);
    let places: Vec<String> = get.iter().map(|rule| rule.place().to_string()).collect();
    assert_eq!(
        places,
        ["rules.yaml:14:5", "rules.yaml:18:7", "rules.yaml:20:7"]
    );
    // A fault of an annotation goes with it.
    assert_eq!(
        rules(&schema, "/users.v1.Users/Put"),
        ["PUT /v1/users/{id}"]
    );
    assert_eq!(faults(&schema), [""; 0]);
    assert!(rules(&schema, "/users.v1.Users/List").is_empty());
    assert_eq!(schema.fully_decode_reserved_expansion(), None);
}

#[test]
fn json_and_its_names_will_do() {
    let schema = configured(
        r#"{"http": {"fullyDecodeReservedExpansion": true, "rules": [
            {"selector": "users.v1.Users.List", "get": "/l", "responseBody": "id",
             "additionalBindings": [{"get": "/m"}]}]}}"#,
    );
    assert_eq!(rules(&schema, "/users.v1.Users/List"), ["GET /l", "GET /m"]);
    assert_eq!(schema.fully_decode_reserved_expansion(), Some(true));
    let schema = configured("http: {fully_decode_reserved_expansion: false}");
    assert_eq!(schema.fully_decode_reserved_expansion(), Some(false));
    assert!(
        ServiceConfig::parse("a", "http: {rules: }")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn selectors_stand_for_methods() {
    for (selector, count) in [
        ("users.v1.Users.List", 1),
        ("users.v1.Users.List, users.v1.Admin.Stop", 2),
        ("users.v1.Users.*", 3),
        ("users.v1.*", 4),
        ("users.*", 4),
        ("*", 4),
    ] {
        let schema = configured(&format!(
            "http: {{rules: [{{selector: '{selector}', get: /x}}]}}"
        ));
        let services = schema
            .services()
            .flat_map(portolan_schema::Service::methods);
        let given = services.filter(|method| {
            let mut rules = method.http_rules().iter();
            rules.any(|rule| rule.origin() == Origin::Configuration)
        });
        assert_eq!(given.count(), count, "{selector}");
    }
    for (selector, problem) in [
        (
            "users.v1.Users.Lst",
            "there is no method `users.v1.Users.Lst`; did you mean `users.v1.Users.List`",
        ),
        (
            "users.v2.Users.Get",
            "there is no method `users.v2.Users.Get`; did you mean `users.v1.Users.Get`",
        ),
        (
            "users.v1.Admin",
            "there is no method `users.v1.Admin`; did you mean `users.v1.Admin.Stop`",
        ),
        (
            "users.v1.User.*",
            "there is no method `users.v1.User.*`; did you mean `users.v1.Users.*`",
        ),
        (
            "google.longrunning.Operations.*",
            "there is no method `google.longrunning.Operations.*`",
        ),
        (
            "users.v1.Us*",
            "`users.v1.Us*` is not a selector; write a full name, `package.*` or `*`",
        ),
        (
            "*.Get",
            "`*.Get` is not a selector; write a full name, `package.*` or `*`",
        ),
        (
            "users..Get",
            "`users..Get` is not a selector; write a full name, `package.*` or `*`",
        ),
        ("", "no selector says which method it is for"),
    ] {
        let schema = configured(&format!(
            "http:\n  rules:\n  - {{selector: '{selector}', get: /x}}\n"
        ));
        let faults = faults(&schema);
        // The contract's own is the first.
        assert_eq!(
            faults[1..],
            [format!(
                "rules.yaml:3:5: the HTTP rule of `{selector}` is not valid: {problem}"
            )]
        );
    }
}

#[test]
fn a_bad_rule_is_told_with_its_line() {
    let schema = configured(
        r#"http:
  rules:
  - selector: users.v1.Users.Put
    get: /v1/{nope}
    additional_bindings:
    - get: /fine
    - get: v1
    - body: "*"
    - get: /a
      put: /b
    - get: /a
      additional_bindings: [{get: /b}]
    - post: /a
      body: inner.id
"#,
    );
    assert_eq!(rules(&schema, "/users.v1.Users/Put"), ["GET /fine"]);
    let at = |line_column: &str, problem: &str| {
        format!(
            "rules.yaml:{line_column}: the HTTP rule of `users.v1.Users.Put` is not valid: {problem}"
        )
    };
    assert_eq!(
        faults(&schema),
        [
            at("3:5", "path variable `nope` is not a field of `users.v1.M`"),
            at("7:7", "path `v1`: a path must begin with `/` at column 1"),
            at(
                "8:7",
                "it has no path; set one of get, put, post, delete, patch or custom"
            ),
            at(
                "9:7",
                "it has both `get` and `put`; put one of them into additional_bindings"
            ),
            at("11:7", "additional_bindings must not be nested"),
            at(
                "13:7",
                "body `inner.id` must be a field of `users.v1.M` itself, not of a message inside it"
            ),
        ]
    );
}

#[test]
fn what_is_no_configuration_is_refused_with_its_place() {
    for (yaml, error) in [
        ("", "rules.yaml: there is no `http` with `rules` in it"),
        (
            "name: x",
            "rules.yaml: there is no `http` with `rules` in it",
        ),
        ("http:", "rules.yaml: there is no `http` with `rules` in it"),
    ] {
        assert_eq!(
            ServiceConfig::parse("rules.yaml", yaml)
                .unwrap_err()
                .to_string(),
            error
        );
    }
    for (yaml, place, part) in [
        (
            "http:\n  rules:\n  - selektor: a\n",
            "rules.yaml:3:5: ",
            "`selektor`",
        ),
        ("http:\n  rulez: []\n", "rules.yaml:2:3: ", "`rulez`"),
        (
            "http:\n  rules:\n  - selector: a\n    get: [1]\n",
            "rules.yaml:4:10: ",
            "string",
        ),
        ("http:\n  rules: x\n", "rules.yaml:2:10: ", "sequence"),
        ("http:\n  rules: [\n", "rules.yaml:", ""),
        (
            "http: {rules: [{custom: {kind: HEAD}}]}",
            "rules.yaml:1:",
            "`path`",
        ),
        ("- 1\n", "rules.yaml:1:", ""),
        ("a: &x 1\nhttp: *y\n", "rules.yaml:2:", ""),
        ("http: {}\n---\nhttp: {}\n", "rules.yaml:", ""),
        ("http:\n\t rules: []", "rules.yaml:", ""),
    ] {
        let error = ServiceConfig::parse("rules.yaml", yaml)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(place) && error.contains(part),
            "{yaml}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
