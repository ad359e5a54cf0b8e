//! A system that fails: a disk that is full, a disk with a fault, a folder that
//! may not be written. Each is real, and made in a child process.

use std::{
    env,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::PathBuf,
    process::Command,
};

use super::*;

/// The folder that a child process shall work in.
const FOLDER: &str = "PORTOLAN_TEST_FOLDER";

fn child_folder() -> PathBuf {
    PathBuf::from(env::var_os(FOLDER).unwrap())
}

/// Runs an ignored test of this file in a process of its own, in which a shell
/// has first done something.
fn in_child(test: &str, shell: &[&str], before: &str, folder: &Path) {
    let mut command = Command::new(shell[0]);
    command
        .args(&shell[1..])
        .arg(format!(
            "{before} && exec \"$0\" --exact store::sqlite::tests::faults::{test} --ignored --nocapture"
        ))
        .arg(env::current_exe().unwrap())
        .env(FOLDER, folder);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether this process may give a child a file system of its own.
fn may_mount() -> bool {
    let script = "mount -t tmpfs -o size=1m none /mnt";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    if may_mount() {
        in_child(
            "child_fills_the_disk",
            &["unshare", "-rm", "sh", "-c"],
            &format!("mount -t tmpfs -o size=8m none \"${FOLDER}\""),
            folder.path(),
        );
    } else {
        // The next test has a disk that fails in any case.
        eprintln!("no file system may be mounted here; a full disk was not tried");
    }
}

#[tokio::test]
#[ignore = "run by a_full_disk_loses_nothing on a small file system"]
async fn child_fills_the_disk() {
    let folder = child_folder().join("data");
    let ballast = child_folder().join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = open(&folder).unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let memory = with_vector("a gull on a rope", &[1.0; 384]);
        match store.insert(&here(), memory).await {
            Ok(memory) => stored.push(memory.id),
            Err(error) => break error,
        }
        assert!(stored.len() < 100_000);
    };
    assert_eq!(
        error.to_string(),
        format!(
            "disk is full: cannot write to data folder {}; free some space and try again",
            folder.display()
        )
    );
    assert!(stored.len() > 20, "{}", stored.len());
    // Searches go on, and see what was stored and nothing else.
    for id in &stored {
        assert!(store.get(&here(), *id).await.unwrap().is_some());
    }
    assert_eq!(
        nearest_content(&store, &[1.0; 384]).await,
        "a gull on a rope"
    );
    let figures = store.figures(&here()).await.unwrap();
    assert_eq!(figures.vectors, stored.len() as u64);
    // So do writes, as soon as there is room.
    fs::remove_file(&ballast).unwrap();
    stored.push(store.insert(&here(), text("room")).await.unwrap().id);
    store.close().await.unwrap();
    drop(store);
    let store = open(&folder).unwrap();
    for id in &stored {
        assert!(store.get(&here(), *id).await.unwrap().is_some());
    }
    assert_eq!(
        store.figures(&here()).await.unwrap().memories,
        stored.len() as u64
    );
    drop(store);
    // A folder on a full disk cannot be opened anew.
    let mut size = 4 << 20;
    while size > 0 {
        let more = fs::read(&ballast).unwrap_or_default().len() + size;
        if fs::write(&ballast, vec![1; more]).is_err() {
            size /= 2;
            fs::write(&ballast, vec![1; more - size * 2]).ok();
        }
        if size < 2048 {
            break;
        }
    }
    let error = open(&child_folder().join("other")).unwrap_err();
    assert!(matches!(error, Error::Store(Fault::Full { .. })), "{error}");
}

#[test]
fn a_failing_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Files can grow no further than 2 MiB, as on a disk with a fault there.
    in_child(
        "child_meets_a_failing_disk",
        &["sh", "-c"],
        "trap '' XFSZ && ulimit -S -f 4096",
        folder.path(),
    );
}

#[tokio::test]
#[ignore = "run by a_failing_disk_loses_nothing with a limit on files"]
async fn child_meets_a_failing_disk() {
    let folder = child_folder();
    let store = open(&folder).unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let memory = with_vector("a gull on a rope", &[1.0; 384]);
        match store.insert(&here(), memory).await {
            Ok(memory) => stored.push(memory.id),
            Err(error) => break error,
        }
        assert!(stored.len() < 100_000);
    };
    let message = error.to_string();
    assert_eq!(
        message,
        format!(
            "the memory store in {} failed: disk I/O error",
            folder.display()
        )
    );
    assert!(store.get(&here(), stored[0]).await.unwrap().is_some());
    let raised = Command::new("prlimit")
        .args([
            "--fsize=unlimited",
            "--pid",
            &std::process::id().to_string(),
        ])
        .status()
        .unwrap();
    assert!(raised.success());
    stored.push(store.insert(&here(), text("repaired")).await.unwrap().id);
    drop(store);
    let store = open(&folder).unwrap();
    for id in &stored {
        assert!(store.get(&here(), *id).await.unwrap().is_some());
    }
    assert_eq!(
        store.figures(&here()).await.unwrap().memories,
        stored.len() as u64
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(open(&data).unwrap());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).unwrap();
    for file in fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    }
    // To the superuser everything is writable; so nobody tries it.
    let superuser = fs::metadata(&data).unwrap().uid() == 0;
    let test = folder.path().join("test");
    fs::copy(env::current_exe().unwrap(), &test).unwrap();
    let mut command = Command::new(&test);
    command
        .args([
            "--exact",
            "store::sqlite::tests::faults::child_cannot_write",
        ])
        .args(["--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .current_dir("/");
    if superuser {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
#[ignore = "run by a_folder_that_cannot_be_written_is_refused as another user"]
fn child_cannot_write() {
    let data = child_folder().join("data");
    for folder in [data.clone(), data.join("below")] {
        assert_eq!(
            refusal(&Settings::new(&folder)),
            format!(
                "data folder {} cannot be written (permission denied); make it writable or \
                 choose another with --data",
                folder.display()
            )
        );
    }
}
