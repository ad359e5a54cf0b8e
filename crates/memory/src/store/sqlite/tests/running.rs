//! A store that runs for long: what it forgets in time, and what it gets over.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::sqlite::writer::AnyWork;

#[tokio::test]
async fn old_batches_are_forgotten_while_running() {
    for (pruning, kept) in [(Duration::ZERO, 0), (PRUNING, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path());
        let store = SqliteStore::open_pruned(&settings, pruning).unwrap();
        for id in ["old", "new"] {
            let items = chunk(Some(id), 0, vec![text("x")]);
            store.insert_chunk(&here(), items).await.unwrap();
        }
        let connection = Connection::open(folder.path().join("memory.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
            .execute(
                "update batch set updated_at = unixepoch() - ? where id = 'old'",
                [batches::RESUMABLE.as_secs() + 10],
            )
            .unwrap();
        store.insert(&here(), text("y")).await.unwrap();
        // Old batches are forgotten behind a write, and before the next.
        store.insert(&here(), text("z")).await.unwrap();
        for (id, consumed) in [("old", kept), ("new", 1)] {
            let id = BatchId::new(id).unwrap();
            let progress = store.progress(&here(), &id).await.unwrap();
            assert_eq!(progress.consumed, consumed);
            assert_eq!(progress.ids.len() as u64, consumed);
        }
        let chunks: u64 = connection
            .query_row("select count(*) from batch_chunk", [], |row| row.get(0))
            .unwrap();
        assert_eq!(chunks, kept + 1);
    }
}

/// Tells the writer to do this to a store with a memory in it, together with
/// other writes, and expects that they fail and that life goes on.
async fn survive(work: AnyWork) -> SqliteStore {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let before = store
        .insert(&here(), with_vector("before", &[1.0, 0.0]))
        .await
        .unwrap();
    let error = store.writer.any(work).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the memory store in {} failed: the write ended in a panic",
            folder.path().display()
        )
    );
    assert_eq!(tonic::Status::from(error).code(), tonic::Code::Internal);
    let after = store
        .insert(&here(), with_vector("after", &[0.0, 1.0]))
        .await
        .unwrap();
    assert!(after.id > before.id);
    assert_eq!(nearest_content(&store, &[1.0, 0.1]).await, "before");
    assert_eq!(nearest_content(&store, &[0.1, 1.0]).await, "after");
    store
}

#[tokio::test]
async fn a_panic_in_a_write_takes_it_back() {
    let store = survive(Box::new(|draft| {
        let memory = with_vector("lost", &[1.0, 1.0]);
        draft.insert(&name("lost"), memory).unwrap().unwrap();
        panic!("on purpose, by a test");
    }))
    .await;
    let lost = store.figures(&name("lost")).await.unwrap();
    assert_eq!((lost.memories, lost.dimension), (0, None));
    assert_eq!(store.figures(&here()).await.unwrap().memories, 2);
}

#[tokio::test]
async fn a_panic_behind_a_commit_leaves_memory_and_disk_the_same() {
    let store = survive(Box::new(|draft| {
        for i in 0..3 {
            let memory = with_vector("durable", &[1.0, i as f32 - 9.0]);
            draft.insert(&here(), memory).unwrap().unwrap();
        }
        draft.panic_when_durable();
    }))
    .await;
    let figures = store.figures(&here()).await.unwrap();
    assert_eq!((figures.memories, figures.vectors), (5, 5));
    assert_eq!(nearest_content(&store, &[0.0, -1.0]).await, "durable");
}

#[tokio::test]
async fn those_who_share_a_commit_with_a_panic_are_told() {
    static RUNNING: AtomicBool = AtomicBool::new(false);
    static WAITING: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let here = here();
    let (first, (panicked, other, chunked, ())) = tokio::join!(
        // Holds the writer until the others wait together.
        store.writer.any(Box::new(|_| {
            RUNNING.store(true, Ordering::Relaxed);
            while !WAITING.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        })),
        async {
            while !RUNNING.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            tokio::join!(
                store
                    .writer
                    .any(Box::new(|_| panic!("on purpose, by a test"))),
                store.insert(&here, text("other")),
                store.insert_chunk(&here, chunk(None, 0, vec![text("chunked")])),
                // Polled last, when the others wait.
                async { WAITING.store(true, Ordering::Relaxed) },
            )
        },
    );
    first.unwrap();
    for error in [
        panicked.unwrap_err(),
        other.unwrap_err(),
        chunked.unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::Store(Fault::Engine { .. })),
            "{error}"
        );
    }
    store.insert(&here, text("later")).await.unwrap();
    drop(store);
    open(folder.path()).unwrap();
}
