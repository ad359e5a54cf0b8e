//! The embedded store: the suite of all stores, and what is its own: what
//! survives a restart, and what it forgets.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    directory::Directory,
    page::PageSize,
    store::suite::{store_suite, user},
};

fn fresh() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&Settings::new(folder.path())).unwrap();
    (Arc::new(store), folder)
}

store_suite!(Some(fresh()));

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (store, folder) = fresh();
    let john = store.create(user("john")).await.unwrap();
    let jane = store.create(user("jane")).await.unwrap();
    store.delete(jane.id).await.unwrap();
    let token = store.page_key().token(john.id);
    drop(store);
    let store = SqliteStore::open(&Settings::new(folder.path())).unwrap();
    assert_eq!(store.get(john.id).await.unwrap(), Some(john.clone()));
    assert_eq!(*store.newest().borrow(), 3);
    assert_eq!(store.page_key().after(&token).unwrap(), Some(john.id));
    let next = store.create(user("jane")).await.unwrap();
    assert_eq!(next.id.get(), 3);
}

#[tokio::test]
async fn the_last_id_is_the_last() {
    let (store, folder) = fresh();
    drop(store);
    let connection = Connection::open(folder.path().join("users.db")).unwrap();
    connection
        .execute(
            "insert into sqlite_sequence (name, seq) values ('user', ?)",
            [UserId::MAX - 1],
        )
        .unwrap();
    drop(connection);
    let store = SqliteStore::open(&Settings::new(folder.path())).unwrap();
    let last = store.create(user("john")).await.unwrap();
    assert_eq!(last.id.get(), UserId::MAX);
    let error = store.create(user("jane")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ids are used up: the last one, 2147483647, was given"
    );
    assert_eq!(*store.newest().borrow(), 1);
}

#[tokio::test]
async fn old_changes_are_forgotten_and_that_is_said() {
    let (store, _folder) = fresh();
    for chunk in 0..22 {
        let users = (0..1000).map(|i| user(&format!("u{chunk}-{i}")));
        store.create_all(users.collect()).await.unwrap();
    }
    // They are forgotten behind a write, and before the next.
    store.create(user("last")).await.unwrap();
    assert!(store.changes(0, 1).await.unwrap().lost);
    let kept = store.changes(22_001 - writer::KEPT, 1).await.unwrap();
    assert!(!kept.lost);
}

#[test]
fn a_folder_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let store = SqliteStore::open(&settings).unwrap();
    assert_eq!(
        SqliteStore::open(&settings).unwrap_err().to_string(),
        format!(
            "data folder {} is in use by another process; stop it or choose another with --data",
            folder.path().display()
        )
    );
    drop(store);
    let file = folder.path().join("users.db");
    // What another store of ours would have there.
    let connection = Connection::open(&file).unwrap();
    connection
        .pragma_update(None, "application_id", 0x506f_7274)
        .unwrap();
    drop(connection);
    let before = fs::read(&file).unwrap();
    assert_eq!(
        SqliteStore::open(&settings).unwrap_err().to_string(),
        format!(
            "{} is not a users store; choose another data folder with --data",
            file.display()
        )
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// Goes through all pages, while between two of them users are made and removed;
/// gives the ids that were listed.
async fn listed(directory: &Directory, size: i32, steps: &[(bool, usize)]) -> Vec<UserId> {
    use futures_util::TryStreamExt;

    let (mut listed, mut token) = (Vec::new(), String::new());
    let mut steps = steps.iter();
    loop {
        let size = PageSize::new(size).unwrap();
        let page = directory.list(size, &token).await.unwrap();
        let users: Vec<User> = page.users.try_collect().await.unwrap();
        assert!(users.len() <= size.get());
        listed.extend(users.iter().map(|user| user.id));
        let Some(next) = page.next else {
            return listed;
        };
        token = next;
        if let Some((make, which)) = steps.next() {
            match make {
                true => {
                    let _ = directory.create(user(&format!("later{which}"))).await;
                }
                false => {
                    let id = UserId::new(*which as i32 + 1).unwrap();
                    let _ = directory.delete(id).await;
                }
            }
        }
    }
}

#[test]
fn pages_miss_nobody_and_repeat_nobody() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let step = (any::<bool>(), 0..40_usize);
    proptest!(ProptestConfig::with_cases(48), |(
        count in 0..40_usize,
        size in 1..12_i32,
        steps in prop::collection::vec(step, 0..30),
    )| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let directory = Directory::open(&Settings::new(folder.path())).unwrap();
            for i in 0..count {
                directory.create(user(&format!("u{i}"))).await.unwrap();
            }
            let listed = listed(&directory, size, &steps).await;
            assert!(listed.is_sorted_by(|a, b| a < b));
            // Whoever was there all the time is listed.
            for number in 1..=count as i32 {
                let id = UserId::new(number).unwrap();
                if directory.get(id).await.is_ok() {
                    assert!(listed.contains(&id), "{number}");
                }
            }
        });
    });
}
