//! Where the contracts come from, and what happens when they change.

use std::fs;

use portolan::memory::proto::StoreMemoryRequest;
use tonic::Request;

use crate::support::{Folder, Server, run, text};

/// Stores a memory by REST and reads it by gRPC, through a gateway.
async fn works_in_every_protocol(gateway: &Server) {
    let answer = gateway.http(
        "POST /v1/memories",
        &["content-type: application/json"],
        r#"{"content":"through the front"}"#,
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, id) = answer.split_once(r#""id":""#).unwrap();
    let id = id.split('"').next().unwrap();

    let path = "POST /somafractalmemory.v1.MemoryService/GetMemory";
    let connect = [
        "content-type: application/json",
        "connect-protocol-version: 1",
    ];
    let answer = gateway.http(path, &connect, &format!(r#"{{"id":"{id}"}}"#));
    assert!(answer.contains("through the front"), "{answer}");

    let stored = gateway
        .memories()
        .await
        .store_memory(Request::new(StoreMemoryRequest {
            content: "by gRPC".into(),
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    let answer = gateway.http(&format!("GET /v1/memories/{}", stored.id), &[], "");
    assert!(answer.contains("by gRPC"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_enough() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let gateway = Server::gateway(&front, &["--upstream", &upstream.url()]);
    works_in_every_protocol(&gateway).await;
    gateway.stop();
    upstream.stop();
}

const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");

#[tokio::test(flavor = "multi_thread")]
async fn proto_files_are_enough() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let arguments = ["--upstream", &upstream.url(), "--proto", PROTO];
    let gateway = Server::gateway(&front, &arguments);
    works_in_every_protocol(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_may_come_later() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let address = upstream.address().to_string();
    upstream.stop();

    let url = format!("http://{address}");
    let gateway = Server::gateway(&front, &["--upstream", &url]);
    gateway.until_logged("cannot ask the upstream for its contracts");
    let path = "POST /somafractalmemory.v1.MemoryService/GetMemory";
    let answer = gateway.http(path, &["content-type: application/proto"], "");
    assert!(
        answer.contains(&address) || answer.starts_with("HTTP/1.1 404"),
        "{answer}"
    );

    let _upstream = Server::start_at(&behind, &[&address], &[]);
    gateway.until_logged("serving new contracts");
    works_in_every_protocol(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_read_again() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let file = front.join("portolan.yaml");
    let write = |more: &str| {
        let text = format!("upstreams:\n  - url: {}\n{more}", upstream.url());
        fs::write(&file, text).unwrap();
    };
    write("");
    let gateway = Server::gateway(&front, &["--config", &file]);
    let names = || {
        let answer = gateway.http("GET /v1/metrics", &[], "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.contains("uptime_seconds")
    };
    assert!(!names());

    write("json: {proto_names: true}\n");
    gateway.signal("HUP");
    gateway.until_logged("the configuration was read again");
    assert!(names());

    // What is wrong leaves things as they are.
    write("json: {proto_name: true}\n");
    gateway.signal("HUP");
    gateway.until_logged("keeping what was served before");
    assert!(
        gateway.log().contains("unknown field `proto_name`"),
        "{}",
        gateway.log()
    );
    assert!(names());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_empty_for_a_moment_takes_no_upstream_away() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let file = front.join("portolan.yaml");
    fs::write(&file, format!("upstreams:\n  - url: {}\n", upstream.url())).unwrap();
    let gateway = Server::gateway(&front, &["--config", &file]);
    fs::write(&file, "").unwrap();
    gateway.until_logged("keeping what was served before");
    let log = gateway.log();
    assert!(
        log.contains("there is no upstream to stand in front of"),
        "{log}"
    );
    let answer = gateway.http("GET /v1/metrics", &[], "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_new_in_its_folder_is_served() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let contracts = front.path().join("contracts");
    fs::create_dir(&contracts).unwrap();
    let write = |name: &str| {
        let text = format!(
            "syntax = \"proto3\"; package later; message {name}M {{}} \
             service {name} {{ rpc Get({name}M) returns ({name}M); }}"
        );
        fs::write(contracts.join(format!("{name}.proto")), text).unwrap();
    };
    write("A");
    let folder = contracts.to_str().unwrap();
    let gateway = Server::gateway(&front, &["--upstream", &upstream.url(), "--proto", folder]);
    let ask = |name: &str| {
        let path = format!("POST /later.{name}/Get");
        gateway.http(&path, &["content-type: application/json"], "{}")
    };
    // The upstream has none of them, and the gateway knows those of the folder.
    assert!(ask("A").starts_with("HTTP/1.1 501"));
    assert!(ask("B").starts_with("HTTP/1.1 404"));
    write("B");
    gateway.until_logged("the configuration was read again");
    assert!(ask("B").starts_with("HTTP/1.1 501"));
}

#[test]
fn wrong_contracts_are_named_at_the_start() {
    for (arguments, expected) in [
        (
            &["gateway"][..],
            "error: there is no upstream to stand in front of; name one with --upstream \
             http://127.0.0.1:50051, or in the file of --config\n",
        ),
        (
            &[
                "gateway",
                "--upstream",
                "http://127.0.0.1:1",
                "--proto",
                "nowhere",
                "--listen",
                "127.0.0.1:0",
            ],
            "error: cannot read the contracts nowhere: no such file or folder\n",
        ),
        (
            &["gateway", "--config", "nowhere.yaml"],
            "error: cannot read the configuration nowhere.yaml: no such file or folder\n",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stderr), expected);
    }
    let output = run(["gateway", "--upstream", "ftp://x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`ftp://x` is no upstream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_described_unless_nobody_wants_it() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let origin = ["--cors-origin", "https://app.example.com"];
    let upstream_flags = ["--upstream", &upstream.url()];
    let gateway = Server::gateway(&front, &[&upstream_flags[..], &origin].concat());
    let answer = gateway.http(
        "GET /openapi.json",
        &["origin: https://app.example.com"],
        "",
    );
    assert!(answer.contains("/v1/memories/{id}"), "{answer}");
    assert!(!answer.contains("grpc.reflection"), "{answer}");
    let allowed = "access-control-allow-origin: https://app.example.com";
    assert!(answer.contains(allowed), "{answer}");
    let answer = gateway.http("GET /docs", &[], "");
    assert!(
        answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 30"),
        "{answer}"
    );

    let front = Folder::new();
    let gateway = Server::gateway(&front, &[&upstream_flags[..], &["--no-docs"]].concat());
    let answer = gateway.http("GET /openapi.json", &[], "");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_a_service_configuration_take_the_place_of_the_contracts() {
    let (behind, front) = (Folder::new(), Folder::new());
    let upstream = Server::start(&behind, &[]);
    let rules = front.join("rules.yaml");
    let write = |path: &str| {
        let text = format!(
            "type: google.api.Service\nhttp:\n  rules:\n    - selector: \
             somafractalmemory.v1.Metrics.GetMetrics\n      get: {path}\n"
        );
        fs::write(&rules, text).unwrap();
    };
    write("/figures");
    let arguments = ["--upstream", &upstream.url(), "--service-config", &rules];
    let gateway = Server::gateway(&front, &arguments);
    let answers = |path: &str| gateway.http(&format!("GET {path}"), &[], "");
    assert!(answers("/figures").starts_with("HTTP/1.1 200"));
    assert!(answers("/v1/metrics").starts_with("HTTP/1.1 404"));

    // The file is looked at, no signal is needed.
    write("/numbers/of/the/memory");
    gateway.until_logged("the configuration was read again");
    assert!(answers("/numbers/of/the/memory").starts_with("HTTP/1.1 200"));
    assert!(answers("/figures").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_check_tells_every_route_and_what_is_wrong() {
    let folder = Folder::new();
    let rules = folder.join("rules.yaml");
    fs::write(
        &rules,
        "http:\n  rules:\n    - selector: somafractalmemory.v1.Metrics.GetMetric\n      get: /m\n",
    )
    .unwrap();
    let check = [
        "gateway",
        "--upstream",
        "http://127.0.0.1:1",
        "--proto",
        PROTO,
        "--check",
    ];
    let output = run(check);
    assert!(output.status.success());
    let table = text(&output.stdout);
    let line = table
        .lines()
        .find(|line| line.contains("/v1/memories/{id}"))
        .unwrap();
    assert_eq!(line.split_whitespace().next(), Some("GET"));

    let output = run([&check[..], &["--service-config", &rules, "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("GetMetric"), "{message}");
    assert_eq!(report["findings"][0]["severity"], "error");
}
