//! `portolan memory import` and `export` against a running server, and what
//! they do when one of the two is killed in the middle.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use portolan::memory::grpc::NAMESPACE;
use portolan::memory::proto::StreamMemoriesRequest;
use serde_json::{Value, json};
use support::gate::Gate;
use support::{Folder, PATIENCE, Server, portolan, run, text, wait};
use tokio_stream::StreamExt;

/// A file of so many memories, each different.
fn file(folder: &Folder, name: &str, count: usize) -> String {
    let path = folder.join(name);
    let mut lines = String::new();
    for index in 0..count {
        let vector: Vec<_> = (1..=8)
            .map(|factor| (index * factor % 97 + 1) as f32)
            .collect();
        let line = json!({"content": format!("text {index}"), "metadata": {"index": index.to_string()}, "vector": vector});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    fs::write(&path, lines).unwrap();
    path
}

fn import(server: &Server, file: &str, arguments: &[&str]) -> Output {
    run(["memory", "import", file, "--server", &server.url()]
        .iter()
        .chain(arguments))
}

fn export(server: &Server, file: &str, arguments: &[&str]) -> Output {
    run(["memory", "export", file, "--server", &server.url()]
        .iter()
        .chain(arguments))
}

fn start(url: &str, direction: &str, file: &str, arguments: &[&str]) -> Child {
    let mut command = portolan(["memory", direction, file, "--server", url]);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The JSON summary of a command that went well.
fn summary(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The contents of all memories in a namespace, in order.
async fn contents(server: &Server, namespace: &str) -> Vec<String> {
    let mut request = tonic::Request::new(StreamMemoriesRequest::default());
    request
        .metadata_mut()
        .insert(NAMESPACE, namespace.parse().unwrap());
    let stream = server
        .memories()
        .await
        .stream_memories(request)
        .await
        .unwrap()
        .into_inner();
    stream.map(|memory| memory.unwrap().content).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_can_be_imported() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let original = file(&folder, "a.jsonl", 2500);
    let imported = summary(&import(&server, &original, &["--json"]));
    assert_eq!(
        (&imported["stored"], &imported["failed"]),
        (&json!(2500), &json!(0))
    );
    assert!(!folder.path().join("a.jsonl.import.json").exists());
    for (name, namespace) in [("b.jsonl", "plain"), ("b.jsonl.zst", "compressed")] {
        let path = folder.join(name);
        assert_eq!(
            summary(&export(&server, &path, &["--json"]))["exported"],
            2500
        );
        assert!(!folder.path().join(format!("{name}.part")).exists());
        let again = summary(&import(
            &server,
            &path,
            &["--json", "--namespace", namespace],
        ));
        assert_eq!(again["stored"], 2500);
        assert_eq!(
            contents(&server, namespace).await,
            contents(&server, "default").await
        );
    }
    // All but the id and the time is the same.
    let (first, second) = (
        export(&server, "-", &[]),
        export(&server, "-", &["--namespace", "compressed"]),
    );
    let without = |output: &Output| -> Vec<Value> {
        let lines = text(&output.stdout);
        lines
            .lines()
            .map(|line| {
                let mut memory: Value = serde_json::from_str(line).unwrap();
                memory
                    .as_object_mut()
                    .unwrap()
                    .retain(|name, _| name != "id" && name != "createdAt");
                memory
            })
            .collect()
    };
    assert_eq!(without(&first).len(), 2500);
    assert_eq!(without(&first), without(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_a_file_too() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let lines = "{\"content\":\"one\"}\n\n{\"content\":\"two\"}";
    for input in [
        lines.as_bytes().to_vec(),
        zstd::encode_all(lines.as_bytes(), 0).unwrap(),
    ] {
        let mut command = portolan(["memory", "import", "-", "--server", &server.url()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            text(&output.stdout).starts_with("stored 2, failed 0, in "),
            "{output:?}"
        );
    }
    assert_eq!(
        contents(&server, "default").await,
        ["one", "two", "one", "two"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_reported_and_the_others_stored() {
    let folder = Folder::new();
    let server = Server::start(
        &folder,
        &["--dimension", "2", "--max-message-size", "64KiB"],
    );
    let path = folder.join("a.jsonl");
    let large = format!("{{\"content\":\"{}\"}}", "a".repeat(70_000));
    let lines = [
        r#"{"content":"good 1","vector":[1,2]}"#,
        "not json",
        r#"{"content":7}"#,
        r#"{"content":"bad","vector":[1,2,3]}"#,
        "",
        r#"{"content":"bad","colour":"red"}"#,
        r#"{"content":"bad","vector":[0,0]}"#,
        &large,
        "\u{0}\u{1f980}",
        r#"{"content":"good 2","vector":[3,4]}"#,
        r#"{"content":"truncated","#,
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    for chunk in ["1", "3", "5000"] {
        let arguments = [
            "--json",
            "--chunk-lines",
            chunk,
            "--max-message-size",
            "64KiB",
        ];
        let output = import(&server, &path, &arguments);
        assert_eq!(output.status.code(), Some(1));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&summary["stored"], &summary["failed"]),
            (&json!(2), &json!(8)),
            "{output:?}"
        );
        let failed: Vec<_> = summary["failures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|failure| &failure["line"])
            .collect();
        assert_eq!(failed, [2, 3, 4, 6, 7, 8, 9, 11], "{summary}");
        let stderr = text(&output.stderr);
        for line in [
            format!("{path}:4: Invalid vector dimension: expected 2, got 3"),
            format!("{path}:8: the memory has 70004 bytes, more than the limit of 65536"),
        ] {
            assert!(
                stderr.lines().any(|found| found == line),
                "{line} is not in\n{stderr}"
            );
        }
        assert!(!folder.path().join("a.jsonl.import.json").exists());
    }
    assert_eq!(
        contents(&server, "default").await,
        ["good 1", "good 2"].repeat(3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_are_summed_up() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let path = folder.join("a.jsonl");
    fs::write(&path, "bad\n".repeat(25)).unwrap();
    let output = import(&server, &path, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).starts_with("stored 0, failed 25, in "),
        "{output:?}"
    );
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 11, "{stderr}");
    assert_eq!(stderr.lines().last(), Some("… and 15 more"));
}

#[test]
fn what_cannot_work_is_one_line() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let path = file(&folder, "a.jsonl", 3);
    fs::write(
        folder.path().join("torn.zst"),
        zstd::encode_all(&[7; 100_000][..], 0)
            .unwrap()
            .first_chunk::<15>()
            .unwrap(),
    )
    .unwrap();
    let unreachable = ["memory", "import", &path, "--server", "127.0.0.1:1"];
    let (missing, directory, torn) = (
        folder.join("missing.jsonl"),
        folder.join(""),
        folder.join("torn.zst"),
    );
    let nowhere = folder.join("nowhere/a.jsonl");
    for (output, expected) in [
        (run(unreachable), "cannot reach 127.0.0.1:1: "),
        (
            run(["memory", "export", "-", "--server", "127.0.0.1:1"]),
            "cannot reach 127.0.0.1:1: ",
        ),
        (
            run(["memory", "export", "-", "--server", "not a url"]),
            "`not a url` is not the address of a server",
        ),
        (import(&server, &missing, &[]), "cannot read "),
        (import(&server, &directory, &[]), "cannot read "),
        (import(&server, &torn, &[]), "the import of "),
        (export(&server, &nowhere, &[]), "cannot use "),
    ] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = text(&output.stderr);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(
            stderr.starts_with(&format!("error: {expected}")),
            "{stderr}"
        );
    }
}

const MANY: usize = 20_000;

/// A memory of [`file`] has more bytes than this on its way, so all of them do
/// not pass where [`SOME`] may.
const LEAST: usize = 60;
/// Bytes of more than two chunks of 1,200, and of a sixth of the file.
const SOME: usize = 300_000;
const _: () = assert!(SOME * 3 < MANY * LEAST);

/// An import through a gate that lets only some of it pass.
fn start_import(gate: &Gate, path: &str) -> Child {
    gate.let_up(SOME);
    start(&gate.url(), "import", path, &["--chunk-lines", "1200"])
}

/// What an import has noted beside its file.
fn state(path: &str) -> Option<Value> {
    let json = fs::read(format!("{path}.import.json")).ok()?;
    Some(serde_json::from_slice(&json).unwrap())
}

/// Waits until a running import has had an answer for one chunk more, and gives
/// what it has noted.
async fn until_a_chunk_more(child: &mut Child, path: &str, before: &Value) -> Value {
    let begin = Instant::now();
    let chunks = |state: &Value| state["chunks"].as_u64().unwrap_or(0);
    loop {
        if let Some(state) = state(path)
            && chunks(&state) > chunks(before)
        {
            assert!(child.try_wait().unwrap().is_none(), "it was in the middle");
            return state;
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        assert!(begin.elapsed() < PATIENCE, "no chunk was acknowledged");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Every memory of the file is there, once.
async fn assert_all_are_there_once(server: &Server) {
    let contents = contents(server, "default").await;
    assert_eq!(contents.len(), MANY);
    let distinct: BTreeSet<_> = contents.into_iter().collect();
    assert_eq!(distinct.len(), MANY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_process_is_killed_goes_on() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let gate = Gate::open(server.address());
    let path = file(&folder, "a.jsonl", MANY);
    let mut noted = Value::Null;
    for _ in 0..3 {
        let mut child = start_import(&gate, &path);
        let now = until_a_chunk_more(&mut child, &path, &noted).await;
        child.kill().unwrap();
        wait(&mut child);
        // The time of every run counts, to the last chunk.
        let seconds = |state: &Value| state["seconds"].as_f64().unwrap_or(0.0);
        assert!(seconds(&now) > seconds(&noted), "{now} after {noted}");
        noted = state(&path).unwrap();
    }
    // Somebody else's import of the same file must not be mixed with this one.
    for (arguments, expected) in [
        (["--namespace", "other"], "to namespace default"),
        (
            ["--max-message-size", "64KiB"],
            "with --max-message-size 4194304",
        ),
    ] {
        let url = gate.url();
        let arguments = ["memory", "import", &path, "--server", &url]
            .into_iter()
            .chain(arguments);
        let other = run(arguments);
        assert_eq!(
            text(&other.stderr),
            format!(
                "error: an import {expected} was begun and not finished; \
                 finish it or begin anew with --restart\n"
            )
        );
    }
    gate.let_up(usize::MAX);
    // The same server, in other words.
    let address = gate.url().replace("http://", "");
    let output = run(["memory", "import", &path, "--server", &address, "--json"]);
    let imported = summary(&output);
    assert_eq!(
        (
            &imported["stored"],
            &imported["failed"],
            &imported["resumed"]
        ),
        (&json!(MANY), &json!(0), &json!(true))
    );
    assert!(imported["seconds"].as_f64() > noted["seconds"].as_f64());
    assert_all_are_there_once(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_server_is_killed_goes_on() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let gate = Gate::open(server.address());
    let path = file(&folder, "a.jsonl", MANY);
    let mut noted = Value::Null;
    for _ in 0..2 {
        let mut child = start_import(&gate, &path);
        noted = until_a_chunk_more(&mut child, &path, &noted).await;
        server.kill();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = text(&output.stderr);
        assert!(
            stderr.starts_with(&format!("error: the import of {path} stopped after line ")),
            "{stderr}"
        );
        assert!(
            stderr.contains("run the same command again to go on"),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        server = Server::start(&folder, &[]);
        gate.lead_to(server.address());
        noted = state(&path).unwrap_or(noted);
    }
    gate.let_up(usize::MAX);
    let output = run(["memory", "import", &path, "--server", &gate.url(), "--json"]);
    assert_eq!(summary(&output)["stored"], MANY);
    assert_all_are_there_once(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_begins_anew() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let gate = Gate::open(server.address());
    let path = file(&folder, "a.jsonl", MANY);
    let mut child = start_import(&gate, &path);
    until_a_chunk_more(&mut child, &path, &Value::Null).await;
    child.kill().unwrap();
    wait(&mut child);
    let restarted = summary(&import(&server, &path, &["--json", "--restart"]));
    assert_eq!(
        (&restarted["stored"], &restarted["resumed"]),
        (&json!(MANY), &json!(false))
    );
    assert!(server.total().await >= MANY as i64 + 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_leaves_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let path = file(&folder, "a.jsonl", 3);
    for mistyped in ["127.0.0.1:1", "not a url"] {
        let output = run(["memory", "import", &path, "--server", mistyped]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(state(&path), None, "{mistyped}");
    }
    let imported = summary(&import(&server, &path, &["--json"]));
    assert_eq!(
        (&imported["stored"], &imported["resumed"]),
        (&json!(3), &json!(false))
    );
}

/// The answer to the largest chunk fits in a message, whether it has ids or
/// failures.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_chunk_is_answered() {
    const LARGEST: usize = 50_000;
    let folder = Folder::new();
    let server = Server::start(&folder, &["--dimension", "2", "--durability", "os"]);
    let arguments = ["--json", "--chunk-lines", "50000"];
    for (line, code, stored) in [
        (r#"{"content":"a"}"#, 0, LARGEST),
        (r#"{"content":"a","vector":[1]}"#, 1, 0),
    ] {
        let path = folder.join("a.jsonl");
        fs::write(&path, format!("{line}\n").repeat(LARGEST)).unwrap();
        let output = import(&server, &path, &arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&summary["stored"], &summary["failed"]),
            (&json!(stored), &json!(LARGEST - stored))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_goes_on() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let gate = Gate::open(server.address());
    let path = file(&folder, "a.jsonl", MANY);
    summary(&import(&server, &path, &["--json"]));
    let whole = text(&export(&server, "-", &[]).stdout);
    assert_eq!(whole.lines().count(), MANY);
    for name in ["b.jsonl", "b.jsonl.zst"] {
        let path = folder.join(name);
        let part = folder.path().join(format!("{name}.part"));
        // More than the first piece of 1,000, and less than all.
        gate.let_down(SOME);
        let mut child = start(&gate.url(), "export", &path, &[]);
        let begin = Instant::now();
        while fs::metadata(&part).map_or(0, |metadata| metadata.len()) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            assert!(begin.elapsed() < PATIENCE, "nothing was written");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().unwrap();
        assert!(!wait(&mut child).success(), "it was in the middle");
        assert!(!folder.path().join(name).exists());
        // A crash of the machine may tear the end.
        let torn = fs::File::options().write(true).open(&part).unwrap();
        torn.set_len(fs::metadata(&part).unwrap().len() - 3)
            .unwrap();
        let exported = summary(&export(&server, &path, &["--json"]));
        assert_eq!(exported["exported"], MANY, "{exported}");
        let bytes = fs::read(&path).unwrap();
        let bytes = if name.ends_with("zst") {
            zstd::decode_all(bytes.as_slice()).unwrap()
        } else {
            bytes
        };
        assert!(text(&bytes) == whole, "{name} differs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_not_mixed_with_another() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let path = file(&folder, "a.jsonl", 10);
    summary(&import(&server, &path, &["--json"]));
    let exported = folder.join("b.jsonl");
    summary(&export(&server, &exported, &["--json"]));
    fs::rename(&exported, folder.join("b.jsonl.part")).unwrap();
    let output = export(&server, &exported, &["--namespace", "other"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("is not in namespace other of "),
        "{output:?}"
    );
    let resumed = summary(&export(&server, &exported, &["--json"]));
    assert_eq!(
        (&resumed["exported"], &resumed["resumed_after"]),
        (&json!(10), &json!(10))
    );
}
