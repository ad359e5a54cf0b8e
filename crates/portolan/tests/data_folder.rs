//! Data folders that fail: at the start with one line, and while the server
//! runs without a loss. What needs no special disk is in `serve.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use portolan::memory::proto::memory_service_client::MemoryServiceClient;
use portolan::memory::proto::{
    DeleteMemoryRequest, GetMemoryRequest, Memory, SearchTextRequest, StoreMemoryRequest,
    StreamMemoriesRequest,
};
use support::disk::SmallDisk;
use support::{Folder, Server, run, text};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// A start that fails: exit code 1, nothing on standard output, and one line on
/// standard error, of which this is what follows `error: `.
fn start_error(data: &str) -> String {
    let output = run(["serve", "--listen", "127.0.0.1:0", "--data", data]);
    failed(&output)
}

fn failed(output: &std::process::Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    error.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

fn item(number: usize) -> StoreMemoryRequest {
    StoreMemoryRequest {
        content: format!("crate{number} ") + &"of oranges ".repeat(300),
        metadata: [("number".into(), number.to_string())].into(),
        vector: vec![number as f32 + 1.0; 64],
    }
}

type Client = MemoryServiceClient<Channel>;

/// Stores until the first refusal.
async fn fill(client: &mut Client, stored: &mut HashMap<String, Memory>) -> Status {
    for number in stored.len()..100_000 {
        match client.store_memory(item(number)).await {
            Ok(memory) => {
                let memory = memory.into_inner();
                stored.insert(memory.id.clone(), memory);
            }
            Err(status) => return status,
        }
    }
    panic!("there was room for everything");
}

/// Asserts that exactly these are there, by every way to read.
async fn are_all_there(server: &Server, stored: &HashMap<String, Memory>) {
    let mut client = server.memories().await;
    let mut stream = client
        .stream_memories(StreamMemoriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut all = HashMap::new();
    while let Some(memory) = stream.message().await.unwrap() {
        all.insert(memory.id.clone(), memory);
    }
    assert_eq!(all.len(), stored.len());
    assert!(all == *stored);
    assert_eq!(server.total().await, stored.len() as i64);
    let one = stored.values().next().unwrap();
    let found = client
        .get_memory(GetMemoryRequest { id: one.id.clone() })
        .await
        .unwrap();
    assert_eq!(&found.into_inner(), one);
    let query = one.content.split(' ').next().unwrap().to_owned();
    let search = SearchTextRequest {
        query,
        ..SearchTextRequest::default()
    };
    let found = client.search_text(search).await.unwrap().into_inner();
    assert_eq!(found.memories, std::slice::from_ref(one));
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing_and_serves_again_when_there_is_room() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder, 24) else {
        // The next test fills a file instead, which needs no rights.
        println!("left out: this system does not let us mount a small disk");
        return;
    };
    let ballast = format!("{}/ballast", folder.join("disk"));
    assert!(disk.run(&format!("head -c 12582912 /dev/zero > '{ballast}'")));
    let server = disk.start(&folder);
    let mut client = server.memories().await;
    let mut stored = HashMap::new();
    let status = fill(&mut client, &mut stored).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(
        status
            .message()
            .starts_with("disk is full: cannot write to data folder "),
        "{status}"
    );
    assert!(stored.len() > 100, "{}", stored.len());
    let status = client
        .batch_store_memories(tokio_stream::iter((0..2000).map(item)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    are_all_there(&server, &stored).await;

    // There is room again, and nobody has to restart anything.
    assert!(disk.run(&format!("rm '{ballast}'")));
    let number = stored.len();
    let memory = client
        .store_memory(item(number))
        .await
        .unwrap()
        .into_inner();
    stored.insert(memory.id.clone(), memory);
    are_all_there(&server, &stored).await;

    // Full again, and killed.
    let status = fill(&mut client, &mut stored).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(!server.log().contains("panic"), "{}", server.log());
    server.kill();
    let server = disk.start(&folder);
    are_all_there(&server, &stored).await;
    // A deletion makes room of its own, or says why it cannot.
    let id = stored.keys().next().unwrap().clone();
    match server
        .memories()
        .await
        .delete_memory(DeleteMemoryRequest { id: id.clone() })
        .await
    {
        Ok(_) => drop(stored.remove(&id)),
        Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
    }
    are_all_there(&server, &stored).await;
    server.unharmed();
}

#[test]
fn a_disk_that_is_full_at_the_start() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder, 1) else {
        println!("left out: this system does not let us mount a small disk");
        return;
    };
    let _ = disk.run(&format!(
        "head -c 2000000 /dev/zero > '{}/ballast'",
        folder.join("disk")
    ));
    let mut words = disk.prefix();
    words.push(env!("CARGO_BIN_EXE_portolan").to_owned());
    words.extend(["serve", "--listen", "127.0.0.1:0", "--data", &disk.data].map(str::to_owned));
    let output = Command::new(&words[0])
        .args(&words[1..])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let error = failed(&output);
    assert_eq!(
        error,
        format!(
            "disk is full: cannot write to data folder {}; free some space and try again",
            disk.data
        )
    );
}

/// A command that may write files of a few KiB only: a limit that any system
/// has.
const SHORT_FILES: &str = "ulimit -S -f 4; trap '' XFSZ; exec \"$@\"";

/// As on a disk that breaks at once; what was begun does not keep the next
/// start from working.
#[test]
fn a_disk_that_takes_no_more_at_the_start() {
    let folder = Folder::new();
    let data = folder.data();
    let output = Command::new("sh")
        .args(["-c", SHORT_FILES, "sh", env!("CARGO_BIN_EXE_portolan")])
        .args(["serve", "--listen", "127.0.0.1:0", "--data", &data])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let error = failed(&output);
    assert_eq!(
        error,
        format!("the memory store in {data} failed: disk I/O error")
    );
    Server::start(&folder, &[]).stop();
}

/// A limit on the size of files, which any system has: writes fail in the
/// middle, as on a broken disk.
#[tokio::test]
async fn writes_that_fail_lose_nothing() {
    let folder = Folder::new();
    // In units of 1 KiB (bash) or 512 bytes (POSIX); either will do.
    let script = "ulimit -S -f 6000; trap '' XFSZ; exec \"$@\"";
    let within = ["sh", "-c", script, "sh"].map(str::to_owned);
    let server = Server::start_within(&within, &folder, &folder.data());
    let mut client = server.memories().await;
    let mut stored = HashMap::new();
    let status = fill(&mut client, &mut stored).await;
    assert!(
        matches!(status.code(), Code::ResourceExhausted | Code::Internal),
        "{status}"
    );
    assert!(stored.len() > 10, "{}", stored.len());
    are_all_there(&server, &stored).await;

    let id = server.id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &id, "--fsize=unlimited"])
        .status();
    if lifted.is_ok_and(|status| status.success()) {
        for _ in 0..50 {
            let memory = client
                .store_memory(item(stored.len()))
                .await
                .unwrap()
                .into_inner();
            stored.insert(memory.id.clone(), memory);
        }
        are_all_there(&server, &stored).await;
    }
    assert!(!server.log().contains("panic"), "{}", server.log());
    server.kill();
    let server = Server::start(&folder, &[]);
    are_all_there(&server, &stored).await;
    server.stop();
}

/// The files of a store with something in it.
async fn filled(folder: &Folder) -> String {
    let server = Server::start(folder, &[]);
    let items = tokio_stream::iter((0..300).map(item));
    server
        .memories()
        .await
        .batch_store_memories(items)
        .await
        .unwrap();
    server.stop();
    folder.data()
}

#[tokio::test]
async fn a_store_that_is_damaged_is_named_and_left_alone() {
    let folder = Folder::new();
    let data = filled(&folder).await;
    let file = folder.path().join("data/memory.db");
    let whole = fs::read(&file).unwrap();
    for (what, damage) in [
        ("the header", 0..64),
        ("the schema", 100..4000),
        ("half of it", 8192..whole.len() / 2),
    ] {
        let mut bytes = whole.clone();
        bytes[damage].fill(0xa5);
        fs::write(&file, &bytes).unwrap();
        let error = start_error(&data);
        assert!(
            error.contains("memory.db is ") && error.contains("--data"),
            "{what}: {error}"
        );
        assert!(fs::read(&file).unwrap() == bytes, "{what} was changed");
    }
    for (what, length) in [
        ("cut in a page", whole.len() / 2 + 100),
        ("cut in the header", 50),
    ] {
        fs::write(&file, &whole[..length]).unwrap();
        let error = start_error(&data);
        assert!(
            error.contains("memory.db is ") && error.contains("--data"),
            "{what}: {error}"
        );
    }
    fs::write(&file, &whole).unwrap();
    let server = Server::start(&folder, &[]);
    assert_eq!(server.total().await, 300);
    server.stop();
}

/// Not even the administrator may write where a disk is mounted read-only.
#[tokio::test]
async fn a_disk_that_is_read_only() {
    let folder = Folder::new();
    let Some(disk) = SmallDisk::mount(&folder, 16) else {
        println!("left out: this system does not let us mount a small disk");
        return;
    };
    let server = disk.start(&folder);
    server.memories().await.store_memory(item(1)).await.unwrap();
    server.stop();
    assert!(disk.run(&format!(
        "mount -o remount,bind,ro '{}'",
        folder.join("disk")
    )));
    let mut words = disk.prefix();
    words.push(env!("CARGO_BIN_EXE_portolan").to_owned());
    for data in [disk.data.clone(), format!("{}-new", disk.data)] {
        let mut words = words.clone();
        words.extend(["serve", "--listen", "127.0.0.1:0", "--data", &data].map(str::to_owned));
        let output = Command::new(&words[0])
            .args(&words[1..])
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let error = failed(&output);
        assert!(
            error.starts_with(&format!("data folder {data} cannot be written (")),
            "{error}"
        );
        assert!(
            error.ends_with("make it writable or choose another with --data"),
            "{error}"
        );
    }
}
