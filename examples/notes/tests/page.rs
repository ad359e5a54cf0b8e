//! Holds the page that tells of this example against it: its files are these
//! files, its dependencies are these, and the calls that it shows are answered as
//! it shows them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take; tests share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the page says that the service listens.
const ADDRESS: &str = "127.0.0.1:50051";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read(&here().join("../../docs/your-own-service.md"))
}

/// A block of code of the page.
#[derive(Debug)]
struct Block {
    /// The file that the line before it names, if any.
    file: Option<String>,
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut last = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            let name = last.strip_prefix('`').and_then(|l| l.strip_suffix("`:"));
            blocks.push(Block {
                file: name.map(str::to_owned),
                language: language.to_owned(),
                text,
            });
        }
        if !line.is_empty() {
            last = line;
        }
    }
    blocks
}

#[test]
fn the_files_are_those_of_the_example() {
    let page = page();
    let mut compared: Vec<String> = Vec::new();
    for block in blocks(&page) {
        let Some(file) = block.file.filter(|file| file != "Cargo.toml") else {
            assert_ne!(block.language, "rust", "code of no file: {}", block.text);
            continue;
        };
        assert_eq!(block.text, read(&here().join(&file)), "{file}");
        compared.push(file);
    }
    compared.sort();
    let mut all: Vec<String> = ["build.rs", "proto/notes/v1/notes.proto"]
        .map(str::to_owned)
        .into();
    for source in fs::read_dir(here().join("src")).unwrap() {
        let name = source.unwrap().file_name();
        all.push(format!("src/{}", name.to_str().unwrap()));
    }
    all.sort();
    assert_eq!(compared, all);
}

/// Name and version of each dependency of a manifest, `None` for the
/// workspace's.
fn dependencies(manifest: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut is_asked = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            is_asked = [
                "dependencies]",
                "build-dependencies]",
                "workspace.dependencies]",
            ]
            .contains(&section);
        } else if is_asked && let Some((name, rest)) = line.split_once([' ', '.']) {
            let version = rest.split('"').nth(1).filter(|_| !rest.contains("path ="));
            let version = version.filter(|_| !rest.contains("workspace = true"));
            found.push((name.to_owned(), version.map(str::to_owned)));
        }
    }
    found.sort();
    found
}

#[test]
fn the_dependencies_are_those_of_the_example() {
    let page = page();
    let all = blocks(&page);
    let shown = all
        .iter()
        .find(|block| block.file.as_deref() == Some("Cargo.toml"))
        .unwrap();
    let shown = dependencies(&shown.text);
    let ours = dependencies(&read(&here().join("Cargo.toml")));
    let names = |list: &[(String, Option<String>)]| -> Vec<String> {
        list.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&shown), names(&ours));
    let workspace = dependencies(&read(&here().join("../../Cargo.toml")));
    for (name, version) in shown {
        let (_, of_workspace) = workspace.iter().find(|(other, _)| *other == name).unwrap();
        // Ours is of the workspace's own version.
        let expected = match name.as_str() {
            "portolan" => env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0,
            _ => of_workspace.as_deref().unwrap(),
        };
        assert_eq!(version.as_deref(), Some(expected), "{name}");
    }
}

/// The commands of a console's block, each with what it says.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, said))) => *said += &format!("{line}\n"),
            (None, None) => panic!("a block begins with {line}"),
        }
    }
    commands
}

/// The service, on a port that the system chooses, and its address.
async fn start() -> (Child, String) {
    let mut service = Command::new(env!("CARGO_BIN_EXE_notes"))
        .arg("0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(service.stdout.take().unwrap());
    let read = stdout.read_line(&mut line);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let address = line.trim_end().strip_prefix("listening on http://");
    (service, address.unwrap().to_owned())
}

#[tokio::test]
async fn the_calls_are_answered_as_the_page_says() {
    let (mut service, address) = start().await;

    let page = page();
    let mut calls = 0;
    for block in blocks(&page) {
        if block.language != "console" {
            continue;
        }
        for (command, said) in commands(&block.text) {
            // grpcurl is not everywhere; the other suites run it.
            if !(command.starts_with("curl ") && command.contains(ADDRESS)) {
                continue;
            }
            let command = command.replace(ADDRESS, &address);
            let output = Command::new("sh").arg("-c").arg(&command).output();
            let output = tokio::time::timeout(PATIENCE, output).await;
            let output = output.unwrap().unwrap();
            assert!(output.status.success(), "{command}: {output:?}");
            let answer = String::from_utf8(output.stdout).unwrap();
            assert_eq!(answer.trim_end(), said.trim_end(), "{command}");
            calls += 1;
        }
    }
    assert!(calls >= 9, "only {calls} calls");

    // What the page promises of every server.
    for path in ["metrics", "grpc.health.v1.Health/Check"] {
        let request = format!(
            "curl -sf http://{address}/{path} {}",
            if path == "metrics" {
                ""
            } else {
                "-H 'content-type: application/json' -d '{}'"
            }
        );
        let output = Command::new("sh")
            .arg("-c")
            .arg(&request)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{request}: {output:?}");
    }
    let id = service.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().await;
    assert!(sent.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, service.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}

#[tokio::test]
async fn grpc_answers_too() {
    #[allow(warnings, reason = "generated from the contract")]
    mod proto {
        tonic::include_proto!("notes.v1");
    }
    use proto::note_service_client::NoteServiceClient;

    let (_service, address) = start().await;
    let mut notes = NoteServiceClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let text = "buy tar".to_owned();
    let made = notes.create_note(proto::CreateNoteRequest { text }).await;
    assert_eq!(made.unwrap().into_inner().id, 1);
    let missing = notes.get_note(proto::GetNoteRequest { id: 2 }).await;
    let error = missing.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    let mut listed = notes
        .list_notes(proto::ListNotesRequest {})
        .await
        .unwrap()
        .into_inner();
    let note = listed.message().await.unwrap().unwrap();
    assert_eq!(note.text, "buy tar");
    assert!(listed.message().await.unwrap().is_none());
}
