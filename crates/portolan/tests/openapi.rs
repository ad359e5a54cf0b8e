//! `portolan openapi`: from contracts to a document, and what it says when
//! there is none.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::path::Path;

use support::{run, text};

const SERVICE: &str = "syntax = \"proto3\"; package shelf.v1; \
    import \"google/api/annotations.proto\"; \
    service Shelf { \
      // Gives a book.\n\
      rpc Get(Book) returns (Book) { option (google.api.http) = { get: \"/v1/{name=books/*}\" }; } \
      rpc Put(stream Book) returns (Book); \
    } \
    message Book { string name = 1; int64 pages = 2; }";

fn contract(folder: &Path) -> String {
    let path = folder.join("shelf.proto");
    fs::write(&path, SERVICE).unwrap();
    path.display().to_string()
}

#[test]
fn without_contracts_it_describes_what_serve_serves() {
    let output = run(["openapi"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["info"]["title"], "Portolan");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/v1/memories/{id}",
        "/somafractalmemory.v1.MemoryService/GetMemory",
        "/grpc/memory/getmemory",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let store = &paths["/v1/memories"]["post"];
    assert_eq!(
        store["summary"],
        "Stores one memory and answers when it is durable"
    );
}

#[test]
fn a_file_says_its_form_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let proto = contract(folder.path());
    let run_to = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let file = path.display().to_string();
        let arguments = ["openapi", "--proto", &proto, "-o", &file];
        let output = run(arguments.iter().chain(more));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
        fs::read_to_string(path).unwrap()
    };
    assert!(run_to("a.yaml", &[]).starts_with("openapi: "));
    assert!(run_to("a.yml", &[]).starts_with("openapi: "));
    assert!(run_to("a.json", &[]).starts_with('{'));
    assert!(run_to("a", &[]).starts_with('{'));
    assert!(run_to("b.json", &["--format", "yaml"]).starts_with("openapi: "));
}

#[test]
fn flags_say_what_contracts_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let proto = contract(folder.path());
    let output = run([
        "openapi",
        "--proto",
        &proto,
        "--format",
        "yaml",
        "--title",
        "Shelves",
        "--api-version",
        "2.0.0",
        "--description",
        "Books and where they stand.",
        "--server",
        "https://api.example.com/shelf",
        "--routes",
        "rules,named",
        "--path",
        "/rpc",
        "--errors",
        "problem",
        "--security",
        "bearer",
        "--security",
        "api-key:x-key",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn rules_come_from_a_service_configuration_too() {
    let folder = tempfile::tempdir().unwrap();
    let proto = contract(folder.path());
    let rules = folder.path().join("rules.yaml");
    let written = "http:\n  rules:\n  - selector: shelf.v1.Shelf.Get\n    get: /v2/{name}\n";
    fs::write(&rules, written).unwrap();
    let rules = rules.display().to_string();
    let flags = ["--service-config", &rules, "--routes", "rules"];
    let output = run(["openapi", "--proto", &proto].iter().chain(&flags));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        support::text(&output.stderr)
    );
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/v2/{name}"]);
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let proto = contract(folder.path());
    let empty = folder.path().join("empty.proto");
    fs::write(&empty, "syntax = \"proto3\"; message M {}").unwrap();
    let empty = empty.display().to_string();
    let torn = folder.path().join("torn.binpb");
    fs::write(&torn, "no descriptors").unwrap();
    let torn = torn.display().to_string();
    let nowhere = folder.path().join("no/where.json").display().to_string();
    for (arguments, code, part) in [
        (
            vec!["--proto", &proto, "--service", "shelf.v1.Shelve"],
            1,
            "there is no service shelf.v1.Shelve; there are shelf.v1.Shelf",
        ),
        (
            vec!["--proto", &empty],
            1,
            "there is no service in the contracts of",
        ),
        (
            vec!["--descriptors", &torn],
            1,
            "not a protobuf FileDescriptorSet",
        ),
        (
            vec!["--proto", "none.proto"],
            1,
            "none.proto: no such file or folder",
        ),
        (
            vec!["-o", &nowhere],
            1,
            "where.json: no such file or folder",
        ),
        (vec!["--security", "magic"], 2, "write bearer, basic, mtls"),
        (
            vec!["--routes", "all"],
            2,
            "possible values: rules, auto, named",
        ),
    ] {
        let output = run(["openapi"].iter().chain(&arguments));
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{complaint}");
        assert!(complaint.contains(part), "{complaint}");
        assert_eq!(text(&output.stdout), "");
        assert!(code == 2 || complaint.lines().count() == 1, "{complaint}");
    }
}
