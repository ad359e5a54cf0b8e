//! What documents say.

use portolan_gateway::{ErrorStyle, OpenApi, OpenApiOptions, RouteKinds, Security};

use crate::contract::{document, schema, written};

const RULES: RouteKinds = RouteKinds {
    rules: true,
    auto: false,
    named: false,
};

#[test]
fn a_contract_that_has_everything() {
    let schema = schema(&["library.proto"]);
    let options = OpenApiOptions {
        routes: RULES,
        ..OpenApiOptions::default()
    };
    insta::assert_snapshot!(OpenApi::of(&schema, &options).to_yaml());
}

#[test]
fn contracts_of_another_age() {
    let schema = schema(&["legacy.proto", "library.proto"]);
    let options = OpenApiOptions {
        title: Some("Legacy".to_owned()),
        version: Some("2.3.4".to_owned()),
        description: Some("Of another age.\n\nStill in use.".to_owned()),
        servers: vec!["https://old.example.com/api".to_owned()],
        services: vec!["legacy.LibraryService".to_owned()],
        security: vec![Security::Bearer {
            format: Some("JWT".to_owned()),
        }],
        errors: Some(ErrorStyle::Problem),
        proto_names: true,
        ..OpenApiOptions::default()
    };
    insta::assert_snapshot!(OpenApi::of(&schema, &options).to_yaml());
}

#[test]
fn the_same_contract_gives_the_same_document() {
    let options = OpenApiOptions::default();
    let write = || {
        let schema = schema(&["library.proto", "legacy.proto"]);
        let document = OpenApi::of(&schema, &options);
        (document.to_json(), document.to_yaml())
    };
    assert!(write() == write());
}

#[test]
fn kinds_of_routes_are_chosen() {
    let schema = schema(&["somafractalmemory/v1/metrics.proto"]);
    let paths = |rules, auto, named| {
        let options = OpenApiOptions {
            routes: RouteKinds { rules, auto, named },
            ..OpenApiOptions::default()
        };
        let document = document(&schema, &options);
        let paths = document["paths"].as_object().unwrap();
        paths.keys().cloned().collect::<Vec<_>>()
    };
    let rpc = "/somafractalmemory.v1.Metrics/GetMetrics";
    let name = "/grpc/metrics/getmetrics";
    assert_eq!(paths(true, false, false), ["/v1/metrics"]);
    assert_eq!(paths(false, true, false), [rpc]);
    assert_eq!(paths(false, false, true), [name]);
    let mut all = paths(true, true, true);
    all.sort();
    assert_eq!(all, [name, rpc, "/v1/metrics"]);
}

#[test]
fn operations_have_names_of_their_own() {
    let schema = schema(&["library.proto", "legacy.proto", "shelf.proto"]);
    let document = document(&schema, &OpenApiOptions::default());
    let mut seen = std::collections::HashSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            if let Some(id) = operation["operationId"].as_str() {
                assert!(seen.insert(id.to_owned()), "{id}");
            }
        }
    }
    // Two services of one short name go by their full ones.
    assert!(seen.contains("legacy_LibraryService_Find"));
    assert!(seen.contains("library_v1_LibraryService_GetBook"));
    assert!(seen.contains("ShelfService_Echo"));
}

#[test]
fn rules_of_one_shape_share_a_path_and_the_first_wins() {
    let schema = written(
        r#"
        syntax = "proto3";
        package t;
        import "google/api/annotations.proto";
        message M { string name = 1; string id = 2; }
        service S {
          rpc First(M) returns (M) { option (google.api.http) = { get: "/v1/{name=things/*}" }; }
          rpc Second(M) returns (M) { option (google.api.http) = { get: "/v1/things/{id}" }; }
          rpc Third(M) returns (M) { option (google.api.http) = { delete: "/v1/things/{id}" }; }
        }
        "#,
    );
    let options = OpenApiOptions {
        routes: RULES,
        ..OpenApiOptions::default()
    };
    let document = document(&schema, &options);
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/v1/things/{thing}"]);
    let item = &paths["/v1/things/{thing}"];
    assert_eq!(item["get"]["operationId"], "S_First");
    assert_eq!(item["delete"]["operationId"], "S_Third");
    assert_eq!(item["delete"]["parameters"][0]["name"], "thing");
}

#[test]
fn what_is_left_out_of_a_query_is_said() {
    // Every message has two of the next: without a bound there are 2^20.
    let mut source = String::from(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\";\n\
         service S { rpc Get(M0) returns (M0) { option (google.api.http) = { get: \"/v1\" }; } }\n",
    );
    for n in 0..20 {
        let next = n + 1;
        source += &format!("message M{n} {{ M{next} a = 1; M{next} b = 2; string c = 3; }}\n");
    }
    source += "message M20 { string c = 1; }";
    let document = document(&written(&source), &OpenApiOptions::default());
    let get = &document["paths"]["/v1"]["get"];
    assert_eq!(get["parameters"].as_array().unwrap().len(), 31);
    let words = get["description"].as_str().unwrap();
    assert!(words.contains("More fields of the request"), "{words}");

    let fields: String = (1..=400).map(|n| format!("string f{n} = {n};")).collect();
    let wide = written(&format!(
        "syntax = \"proto3\"; package t; import \"google/api/annotations.proto\";\n\
         service S {{ rpc Get(M) returns (M) {{ option (google.api.http) = {{ get: \"/v1\" }}; }} }}\n\
         message M {{ {fields} }}"
    ));
    let document = crate::contract::document(&wide, &OpenApiOptions::default());
    let get = &document["paths"]["/v1"]["get"];
    assert_eq!(get["parameters"].as_array().unwrap().len(), 150);
    assert!(get["description"].as_str().unwrap().contains("More fields"));
}

#[test]
fn a_chain_of_messages_costs_no_stack() {
    let mut source =
        String::from("syntax = \"proto3\"; package t; service S { rpc Get(M0) returns (M0); }\n");
    for n in 0..20_000 {
        source += &format!("message M{n} {{ M{} next = 1; }}\n", n + 1);
    }
    source += "message M20000 { string c = 1; }";
    let schema = written(&source);
    let document = OpenApi::of(&schema, &OpenApiOptions::default());
    assert!(document.to_json().contains("\"t.M20000\""));
}

#[test]
fn security_is_said_and_public_services_have_none() {
    let schema = schema(&["library.proto"]);
    let options = OpenApiOptions {
        security: vec![
            Security::Basic,
            Security::ApiKey {
                header: "x-key".to_owned(),
            },
            Security::MutualTls,
            Security::OpenIdConnect {
                url: "https://id.example.com/.well-known/openid-configuration".to_owned(),
            },
        ],
        public_services: vec!["library.v1.OldService".to_owned()],
        enums_as_numbers: true,
        ..OpenApiOptions::default()
    };
    let document = document(&schema, &options);
    assert_eq!(document["security"].as_array().unwrap().len(), 4);
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["apiKey"]["name"], "x-key");
    let operation = |path: &str| &document["paths"][path]["post"]["security"];
    assert_eq!(
        *operation("/library.v1.OldService/Ask"),
        serde_json::json!([])
    );
    assert!(operation("/library.v1.LibraryService/Close").is_null());
    let genre = &document["components"]["schemas"]["library.v1.Genre"];
    assert_eq!(genre["enum"], serde_json::json!([0, 1, 2]));
}

#[test]
fn an_empty_contract_is_a_document() {
    let schema = portolan_schema::Schema::from_descriptor_sets([&b""[..]]).unwrap();
    let document = document(&schema, &OpenApiOptions::default());
    assert_eq!(document["info"]["title"], "gRPC services");
    assert_eq!(document["paths"], serde_json::json!({}));
}
