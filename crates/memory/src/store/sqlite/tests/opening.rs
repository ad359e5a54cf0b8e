//! Data folders as they are found: those that cannot be used, with the sentence
//! that says why, and those that hold more than one would think.

use super::*;

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path()).unwrap();
    assert_eq!(
        refusal(&Settings::new(folder.path())),
        format!(
            "data folder {} is in use by another process; stop it or choose another with --data",
            folder.path().display()
        )
    );
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert_eq!(
            refusal(&Settings::new(&path)),
            format!(
                "data folder {} is not a folder; choose another with --data",
                path.display()
            )
        );
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let file = folder.path().join("memory.db");
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();
    assert_eq!(
        refusal(&Settings::new(folder.path())),
        format!(
            "data folder {} has format 99, but this version knows formats up to 1; use a newer \
             version or choose another folder with --data",
            folder.path().display()
        )
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_foreign_or_damaged_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.db");
    let settings = Settings::new(folder.path());
    let foreign = format!(
        "{} is not a memory store; choose another data folder with --data",
        file.display()
    );
    fs::write(&file, "this is a letter, and no database, and quite long").unwrap();
    assert_eq!(refusal(&settings), foreign);
    fs::remove_file(&file).unwrap();

    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("create table mine (x)").unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();
    assert_eq!(refusal(&settings), foreign);
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::remove_file(&file).unwrap();

    drop(open(folder.path()).unwrap());
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 8;
    bytes[200..middle].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let message = refusal(&settings);
    assert!(
        message.starts_with(&format!("{} is damaged (", file.display())),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
}

#[tokio::test]
async fn a_vector_that_lost_bytes_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let memory = with_vector("x", &[1.0, 2.0]);
    store.insert(&here(), memory).await.unwrap();
    drop(store);
    let connection = Connection::open(folder.path().join("memory.db")).unwrap();
    connection
        .execute_batch("update vector set components = x'00'")
        .unwrap();
    drop(connection);
    let error = open(folder.path()).unwrap_err();
    assert!(
        matches!(error, Error::Store(Fault::Damaged { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn ids_rise_though_the_clock_was_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.insert(&here(), text("then")).await.unwrap();
    drop(store);
    // As if the clock had been an age ahead, and then at the end of time, after
    // which ids have no time left to rise to, but are still made.
    for future in [
        "7fffffffffff7fffbfffffffffffffff",
        "ffffffffffff7fffbfffffffffffffff",
    ] {
        let connection = Connection::open(folder.path().join("memory.db")).unwrap();
        connection
            .execute_batch(&format!(
                "update memory set id = x'{future}' where number = 1"
            ))
            .unwrap();
        drop(connection);
        let store = open(folder.path()).unwrap();
        let pages = store.pages(&here(), None, Filters::default()).await;
        let mut last = pages.unwrap().next().await.unwrap()[0].id;
        for _ in 0..100 {
            let next = store.insert(&here(), text("now")).await.unwrap();
            assert!(
                next.id > last || future.starts_with('f'),
                "{} after {last}",
                next.id
            );
            last = next.id;
            assert!(store.delete(&here(), next.id).await.unwrap());
        }
    }
}

#[tokio::test]
async fn only_our_own_files_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.insert(&here(), text("x")).await.unwrap();
    let bytes = store.figures(&here()).await.unwrap().disk_bytes;
    let ours: u64 = ["memory.db", "memory.db-wal", "memory.db-shm", "memory.lock"]
        .iter()
        .map(|file| fs::metadata(folder.path().join(file)).unwrap().len())
        .sum();
    assert_eq!(bytes, ours);
    let lost = folder.path().join("lost+found");
    fs::create_dir(&lost).unwrap();
    fs::write(lost.join("somebody's"), [0; 5000]).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&lost, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    fs::write(folder.path().join("notes"), [0; 5000]).unwrap();
    let counted = store.figures(&here()).await;
    #[cfg(unix)]
    fs::set_permissions(&lost, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(counted.unwrap().disk_bytes, bytes);
}

#[tokio::test]
async fn a_file_that_is_missing_counts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let held = Folder::open(folder.path(), STORE).unwrap();
    assert_eq!(held.disk_bytes().unwrap(), 0);
}
