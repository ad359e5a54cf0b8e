//! HTTP rules that cannot be used: each is told with its place, and none takes
//! anything down with it.

use crate::{compile_with, link, linked};

/// What is wrong with the one rule of a contract.
fn faults(rule: &str) -> Vec<String> {
    let schema = linked(&format!(
        r#"syntax = "proto3";
package p;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
service S {{
  rpc Fine(M) returns (M) {{ option (google.api.http).get = "/fine"; }}
  rpc Do(M) returns (M) {{
    option (google.api.http) = {{ {rule} }};
  }}
}}
message M {{ string name = 1; M inner = 2; repeated string many = 3; google.protobuf.Timestamp time = 4; repeated M list = 5; }}
"#
    ));
    let fine = schema.method("/p.S/Fine").unwrap();
    assert_eq!(fine.http_rules().len(), 1, "{rule}");
    assert_eq!(fine.http_rules()[0].place().to_string(), "test.proto:6:29");
    schema
        .rule_faults()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_field_that_a_rule_names_is_looked_for() {
    for rule in [
        r#"get: "/v1/{name}""#,
        r#"get: "/v1/{inner.inner.name=a/**}""#,
        r#"get: "/v1/{time}""#,
        r#"post: "/v1" body: "*""#,
        r#"post: "/v1/{inner.name}" body: "inner""#,
        r#"post: "/v1" body: "list""#,
        r#"post: "/v1" body: "inner" response_body: "many""#,
        r#"custom { kind: "*" path: "/v1" }"#,
    ] {
        assert_eq!(faults(rule), [""; 0], "{rule}");
    }
    for (rule, problem) in [
        (
            r#"body: "*""#,
            "it has no path; set one of get, put, post, delete, patch or custom",
        ),
        (
            r#"get: "/v1" additional_bindings { get: "/v2" additional_bindings { get: "/v3" } }"#,
            "additional_bindings must not be nested",
        ),
        (
            r#"custom { kind: "get it" path: "/v1" }"#,
            "`get it` is not an HTTP method; write one in upper case, or `*` for any",
        ),
        (
            r#"get: "v1""#,
            "path `v1`: a path must begin with `/` at column 1",
        ),
        (
            r#"get: "/v1/{nope}""#,
            "path variable `nope` is not a field of `p.M`",
        ),
        (
            r#"get: "/v1/{inner.nope}""#,
            "path variable `inner.nope` is not a field of `p.M`",
        ),
        (
            r#"get: "/v1/{name.x}""#,
            "path variable `name.x` is not a field of `p.M`",
        ),
        (
            r#"get: "/v1/{list.name}""#,
            "path variable `list.name` is not a field of `p.M`",
        ),
        (
            r#"post: "/v1" body: "inner.name""#,
            "body `inner.name` must be a field of `p.M` itself, not of a message inside it",
        ),
        (
            r#"post: "/v1" body: "inner.nope""#,
            "body `inner.nope` is not a field of `p.M`",
        ),
        (
            r#"get: "/v1" response_body: "inner.list""#,
            "response_body `inner.list` must be a field of `p.M` itself, not of a message inside it",
        ),
        (
            r#"post: "/v1/{time}" body: "time""#,
            "`time` is bound by the path and lies in the body; bind it once",
        ),
        (
            r#"get: "/v1/{inner}""#,
            "path variable `inner` must be a single scalar field",
        ),
        (
            r#"get: "/v1/{many}""#,
            "path variable `many` must be a single scalar field",
        ),
        (
            r#"post: "/v1" body: "nope""#,
            "body `nope` is not a field of `p.M`",
        ),
        (
            r#"post: "/v1" response_body: "nope""#,
            "response_body `nope` is not a field of `p.M`",
        ),
    ] {
        assert_eq!(
            faults(rule),
            [format!(
                "test.proto:8:5: the HTTP rule of `p.S.Do` is not valid: {problem}"
            )],
            "{rule}"
        );
    }
}

#[test]
fn a_bad_binding_leaves_the_others() {
    let schema = linked(
        r#"syntax = "proto3";
package p;
import "google/api/annotations.proto";
service S {
  rpc Do(M) returns (M) {
    option (google.api.http) = {
      get: "/v1/{nope}"
      additional_bindings { get: "/v2/{name}" }
      additional_bindings { get: "v3" }
      additional_bindings { put: "/v4/{name}" }
    };
  }
}
message M { string name = 1; }
"#,
    );
    let rules = schema.method("/p.S/Do").unwrap().http_rules();
    let rules: Vec<String> = rules
        .iter()
        .map(|rule| rule.template().to_string())
        .collect();
    assert_eq!(rules, ["/v2/{name}", "/v4/{name}"]);
    let faults: Vec<_> = schema
        .rule_faults()
        .iter()
        .map(|fault| fault.place.line())
        .collect();
    assert_eq!(faults, [Some(6), Some(6)]);
}

#[test]
fn without_source_information_the_file_is_told() {
    let set = compile_with(
        r#"syntax = "proto3"; package p; import "google/api/annotations.proto";
        service S { rpc Do(M) returns (M) { option (google.api.http).get = "v1"; } } message M {}"#,
        false,
    );
    let schema = link(&[&set]).unwrap();
    assert_eq!(
        schema.rule_faults()[0].to_string(),
        "test.proto: the HTTP rule of `p.S.Do` is not valid: path `v1`: a path must begin with `/` at column 1"
    );
}

#[test]
fn faults_of_services_that_are_left_out_go_with_them() {
    let mut schema = linked(
        r#"syntax = "proto3"; package p; import "google/api/annotations.proto"; message M {}
        service S { rpc Do(M) returns (M) { option (google.api.http).get = "v1"; } }
        service S2 { rpc Do(M) returns (M) { option (google.api.http).get = "v1"; } }"#,
    );
    assert_eq!(schema.rule_faults().len(), 2);
    schema.retain_services(|service| service.name() != "p.S");
    assert_eq!(schema.rule_faults()[0].method, "p.S2.Do");
    assert_eq!(schema.rule_faults().len(), 1);
}
