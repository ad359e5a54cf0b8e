//! `portolan serve` from outside: what it prints, how it starts and how it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use portolan::memory::proto::{
    DeleteMemoryRequest, GetMemoryRequest, SearchTextRequest, StoreMemoryRequest,
    StreamMemoriesRequest,
};
use support::{Folder, PATIENCE, Server, portolan, run, signal, text};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

fn memory(content: &str) -> StoreMemoryRequest {
    StoreMemoryRequest {
        content: content.into(),
        ..StoreMemoryRequest::default()
    }
}

/// The one line that a start says when it fails.
fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
        .trim_end()
        .strip_prefix("error: ")
        .unwrap_or_else(|| panic!("{stderr}"))
        .to_owned()
}

fn start_error(data: &str) -> String {
    error(&run(["serve", "--listen", "127.0.0.1:0", "--data", data]))
}

#[test]
fn every_listener_is_printed_and_nothing_else() {
    let folder = Folder::new();
    let server = Server::start_at(&folder, &["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"], &[]);
    assert!(server.addresses.iter().all(|address| address.port() != 0));
    assert!(server.addresses[1].is_ipv6());
    assert_eq!(server.log(), "");
    server.signal("TERM");
    let (status, rest) = server.wait();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::new();
    let output = run([
        "serve",
        "--listen",
        &address.to_string(),
        "--data",
        &folder.data(),
    ]);
    let expected = format!(
        "port {} on 127.0.0.1 is in use; choose another with --listen",
        address.port()
    );
    assert_eq!(error(&output), expected);
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_data_folder_in_use_is_named() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let data = folder.data();
    let expected = format!(
        "data folder {data} is in use by another process; stop it or choose another with --data"
    );
    assert_eq!(start_error(&data), expected);
    server.stop();
    Server::start(&folder, &[]).stop();
}

#[test]
fn a_data_folder_of_a_newer_format_is_left_alone() {
    let folder = Folder::new();
    Server::start(&folder, &[]).stop();
    let file = folder.path().join("data/memory.db");
    let mut bytes = fs::read(&file).unwrap();
    // `user_version` (SQLite, "Database File Format", §1.3).
    bytes[60..64].copy_from_slice(&77_u32.to_be_bytes());
    fs::write(&file, &bytes).unwrap();
    let data = folder.data();
    let error = start_error(&data);
    assert!(
        error.starts_with(&format!(
            "data folder {data} has format 77, but this version knows formats up to "
        )),
        "{error}"
    );
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_data_folder_that_is_a_file_is_named() {
    let folder = Folder::new();
    fs::write(folder.data(), "dear diary").unwrap();
    let data = folder.data();
    assert_eq!(
        start_error(&data),
        format!("data folder {data} is not a folder; choose another with --data")
    );
}

#[test]
fn a_data_folder_with_something_else_in_it_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.data()).unwrap();
    fs::write(
        folder.path().join("data/memory.db"),
        "dear diary".repeat(1000),
    )
    .unwrap();
    let error = start_error(&folder.data());
    assert!(
        error.contains("memory.db is ") && error.contains("--data"),
        "{error}"
    );
}

#[test]
fn a_data_folder_that_is_read_only_is_named() {
    let folder = Folder::new();
    Server::start(&folder, &[]).stop();
    let data = folder.data();
    for file in fs::read_dir(&data).unwrap() {
        fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = portolan(["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    // Permissions do not stop the administrator, so be somebody else, with a
    // copy of the binary: the original may be in a folder of his own.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command = Command::new(copied_binary(&folder));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data", &data])
            .env_remove("RUST_LOG")
            .uid(65_534)
            .gid(65_534);
    }
    let error = error(&command.output().unwrap());
    assert!(
        error.starts_with(&format!("data folder {data} cannot be written")),
        "{error}"
    );
    assert!(error.ends_with("or choose another with --data"), "{error}");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The binary where everybody may run it.
fn copied_binary(folder: &Folder) -> String {
    let copy = folder.join("portolan");
    // By another process: what one of ours has open for writing cannot be run
    // while a child of another thread still has it, too.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_portolan"), &copy])
        .status()
        .unwrap();
    assert!(copied.success());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[test]
fn wrong_use_is_told_apart_from_failure() {
    for arguments in [
        &["serve", "--listen", "nowhere"][..],
        &["serve", "--max-message-size", "4 miles"],
        &["serve", "--metric", "manhattan"],
        &["serve", "--dimension", "0"],
        &["serve", "--drain-timeout", "soon"],
        &["serve", "--nonsense"],
        &["memory", "import"],
        &["memory", "import", "a", "--chunk-lines", "0"],
        &["memory", "import", "a", "--chunk-lines", "50001"],
        &["memory", "export", "a", "--namespace", "No Spaces"],
        &["nonsense"],
        &[],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_log_filter_is_named() {
    let folder = Folder::new();
    let mut command = portolan(["serve", "--listen", "127.0.0.1:0", "--data", &folder.data()]);
    let error = error(&command.env("RUST_LOG", "portolan=loud").output().unwrap());
    assert!(
        error.starts_with("cannot read the log filter `portolan=loud`: "),
        "{error}"
    );
}

#[test]
fn strangers_are_warned_of() {
    let folder = Folder::new();
    let server = Server::start_at(&folder, &["0.0.0.0:0", "127.0.0.1:0"], &[]);
    let log = server.log();
    assert!(
        log.starts_with(&format!(
            "warning: {} can be reached from other machines",
            server.addresses[0]
        )),
        "{log}"
    );
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let stored = server
        .memories()
        .await
        .store_memory(memory("the harbour"))
        .await
        .unwrap()
        .into_inner();
    server.stop();
    let server = Server::start(&folder, &[]);
    let found = server
        .memories()
        .await
        .get_memory(GetMemoryRequest {
            id: stored.id.clone(),
        })
        .await
        .unwrap();
    assert_eq!(found.into_inner(), stored);
}

/// Waits, but not for ever.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn in_flight(server: &Server, calls: usize) -> bool {
    let line = format!("portolan_requests_in_flight {calls}");
    server.http("GET /metrics", &[], "").contains(&line)
}

async fn a_signal_lets_running_calls_finish(signal: &str) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut client = server.memories().await;
    let (items, stream) = tokio::sync::mpsc::channel(8);
    let call = tokio::spawn(async move {
        client
            .batch_store_memories(ReceiverStream::new(stream))
            .await
    });
    items.send(memory("one")).await.unwrap();
    // Only a call that has begun is one to wait for.
    until("calls in flight", || in_flight(&server, 1)).await;
    server.signal(signal);
    until("the end of listening", || {
        TcpStream::connect(server.address()).is_err()
    })
    .await;
    items.send(memory("two")).await.unwrap();
    drop(items);
    assert_eq!(call.await.unwrap().unwrap().into_inner().stored_count, 2);
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_running_calls_finish() {
    a_signal_lets_running_calls_finish("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_lets_running_calls_finish() {
    a_signal_lets_running_calls_finish("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_has_a_limit_and_a_second_signal_ends_it() {
    for (limit, signals) in [("300ms", 1), ("1h", 2)] {
        let folder = Folder::new();
        let server = Server::start(&folder, &["--drain-timeout", limit]);
        let mut client = server.memories().await;
        let (items, stream) = tokio::sync::mpsc::channel(8);
        let call = tokio::spawn(async move {
            client
                .batch_store_memories(ReceiverStream::new(stream))
                .await
        });
        items.send(memory("one")).await.unwrap();
        until("calls in flight", || in_flight(&server, 1)).await;
        let begin = Instant::now();
        server.signal("TERM");
        if signals == 2 {
            until("draining", || server.log().contains("draining")).await;
            server.signal("TERM");
        }
        let (status, _) = server.wait();
        assert_eq!(status.code(), Some(0));
        assert!(
            begin.elapsed() < Duration::from_secs(25),
            "{:?}",
            begin.elapsed()
        );
        assert!(call.await.unwrap().is_err());
    }
}

/// A request in the demo's namespace.
fn demo<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert("x-namespace", "demo".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_loaded_once() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--demo"]);
    let total = server.total_in("demo").await;
    assert!(total >= 2000, "{total}");
    let query = SearchTextRequest {
        query: "ship".into(),
        limit: 3,
        ..SearchTextRequest::default()
    };
    let found = server
        .memories()
        .await
        .search_text(demo(query))
        .await
        .unwrap()
        .into_inner()
        .memories;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|memory| memory.vector.len() == 384));
    server.stop();
    let server = Server::start(&folder, &["--demo"]);
    assert_eq!(server.total_in("demo").await, total);
    assert!(
        server.log().contains("the demo corpus is left out"),
        "{}",
        server.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_broke_off_is_finished() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    server
        .memories()
        .await
        .store_memory(demo(memory("mine")))
        .await
        .unwrap();
    server.stop();
    // What a crash in the middle leaves behind.
    fs::write(folder.path().join("data/demo.loading"), "").unwrap();
    let server = Server::start(&folder, &["--demo"]);
    assert!(server.total_in("demo").await > 2000);
    server.stop();
    let total = Server::start(&folder, &["--demo"]).total_in("demo").await;
    assert_eq!(Server::start(&folder, &[]).total_in("demo").await, total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_was_deleted_is_loaded_again() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--demo"]);
    let total = server.total_in("demo").await;
    let mut client = server.memories().await;
    let all = client
        .stream_memories(demo(StreamMemoriesRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = all.map(|memory| memory.unwrap().id).collect().await;
    // At the same time, so that they share commits.
    let mut deleting = tokio::task::JoinSet::new();
    for ids in ids.chunks(100) {
        let (mut client, ids) = (client.clone(), ids.to_vec());
        deleting.spawn(async move {
            for id in ids {
                client
                    .delete_memory(demo(DeleteMemoryRequest { id }))
                    .await
                    .unwrap();
            }
        });
    }
    deleting.join_all().await;
    assert_eq!(server.total_in("demo").await, 0);
    server.stop();
    let server = Server::start(&folder, &["--demo"]);
    assert_eq!(server.total_in("demo").await, total);
}

/// A signal while the demo is being loaded, and its next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_loading_of_the_demo() {
    let whole = Folder::new();
    let whole = Server::start(&whole, &["--demo"]).total_in("demo").await;
    let mut in_the_middle = 0;
    // On a machine that is busy a signal may come after the end.
    for attempt in 0..20 {
        let folder = Folder::new();
        let mark = folder.path().join("data/demo.loading");
        let mut command = portolan(["serve", "--demo", "--listen", "127.0.0.1:0"]);
        let child = command
            .args(["--data", &folder.data()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("the mark", || mark.exists()).await;
        // A second signal is only in a greater hurry.
        for _ in 0..=attempt % 2 {
            signal(&child, "TERM");
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        in_the_middle += usize::from(output.stdout.is_empty() && mark.exists());
        let server = Server::start(&folder, &["--demo"]);
        assert_eq!(server.total_in("demo").await, whole);
        server.stop();
        if in_the_middle >= 2 {
            return;
        }
    }
    panic!("{in_the_middle} of 20 were ended in the middle");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_size_has_a_limit() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--max-message-size", "64KiB"]);
    let mut client = server.memories().await;
    client
        .store_memory(memory(&"a".repeat(60 * 1024)))
        .await
        .unwrap();
    let error = client
        .store_memory(memory(&"a".repeat(70 * 1024)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.message().contains("65536"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_on_demand() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--log-format", "json"]);
    server
        .memories()
        .await
        .store_memory(memory("one"))
        .await
        .unwrap();
    server.http(
        "GET /v1/memories/0192f7d0-0000-7000-8000-000000000000",
        &["x-request-id: my-id"],
        "",
    );
    server.http("GET /v1/memories?query=secret", &[], "");
    let log = folder.path().join("stderr.log");
    server.stop();
    let lines: Vec<serde_json::Value> = fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stored = &lines[0];
    assert_eq!(
        stored["message"],
        "/somafractalmemory.v1.MemoryService/StoreMemory"
    );
    assert_eq!(
        (&stored["protocol"], &stored["status"]),
        (&"grpc".into(), &"OK".into())
    );
    let missing = &lines[1];
    assert_eq!(
        missing["message"],
        "/somafractalmemory.v1.MemoryService/GetMemory"
    );
    assert_eq!(
        (&missing["protocol"], &missing["status"]),
        (&"rest".into(), &"NOT_FOUND".into())
    );
    assert_eq!(
        (&missing["http_status"], &missing["request_id"]),
        (&404.into(), &"my-id".into())
    );
    assert!(
        !lines.iter().any(|line| line.to_string().contains("secret")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_in_every_protocol() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut client = server.memories().await;
    client.store_memory(memory("one")).await.unwrap();
    let json = "content-type: application/json";
    server.http("POST /v1/memories", &[json], r#"{"content":"two"}"#);
    server.http("POST /v1/memories", &[json], r#"{"vector":[0]}"#);
    let path = "/somafractalmemory.v1.MemoryService/StoreMemory";
    server.http(
        &format!("POST {path}"),
        &[json, "connect-protocol-version: 1"],
        r#"{"content":"three"}"#,
    );
    server.http("GET /unknown/path", &[], "");
    // A client that leaves in the middle of a stream.
    let (items, stream) = tokio::sync::mpsc::channel(8);
    let mut leaving = server.memories().await;
    let call = tokio::spawn(async move {
        leaving
            .batch_store_memories(ReceiverStream::new(stream))
            .await
    });
    items.send(memory("four")).await.unwrap();
    until("calls in flight", || in_flight(&server, 1)).await;
    call.abort();
    until("calls in flight", || in_flight(&server, 0)).await;
    let mut all = client
        .stream_memories(StreamMemoriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    while all.next().await.is_some() {}

    let metrics = server.http("GET /metrics", &[], "");
    for (method, protocol, status) in [
        (path, "grpc", "OK"),
        (path, "rest", "OK"),
        (path, "rest", "INVALID_ARGUMENT"),
        (path, "connect", "OK"),
        (
            "/somafractalmemory.v1.MemoryService/StreamMemories",
            "grpc",
            "OK",
        ),
        ("unmatched", "http", "404"),
    ] {
        let line = format!(
            "portolan_rpc_requests_total{{method=\"{method}\",protocol=\"{protocol}\",status=\"{status}\"}} 1"
        );
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    let figures = server.http("GET /v1/metrics", &[], "");
    let figures: serde_json::Value =
        serde_json::from_str(figures.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let store = figures["methods"]
        .as_array()
        .unwrap()
        .iter()
        .find(|method| method["method"] == path[1..])
        .unwrap();
    assert_eq!(store["calls"], "4", "{figures}");
    assert_eq!(
        store["codes"],
        serde_json::json!({"INVALID_ARGUMENT": "1", "OK": "3"})
    );
}
