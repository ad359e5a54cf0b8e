//! The embedded store: the suite of all stores, and what is its own: what
//! survives a restart, and its limits. Which folders it refuses is in
//! `opening`, what happens when the system fails in `faults`, and what happens in
//! the long run in `running`.

mod faults;
mod opening;
mod running;

use std::{fs, path::Path, sync::Arc};

use portolan_sqlite::{Durability, Purpose};
use proptest::prelude::*;
use rusqlite::{Connection, StatementStatus};
use tempfile::TempDir;

use super::*;
use crate::{
    embedding::Metric,
    search::Limit,
    store::suite::{chunk, name, read_all, store_suite, text, with_vector},
};

async fn fresh() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(open(folder.path()).unwrap()), folder)
}

fn open(folder: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(&Settings::new(folder))
}

fn refusal(settings: &Settings) -> String {
    SqliteStore::open(settings).unwrap_err().to_string()
}

fn here() -> Namespace {
    Namespace::default()
}

async fn nearest_content(store: &SqliteStore, vector: &[f32]) -> String {
    let search = Search {
        by: By::Vector {
            vector: Vector::new(vector.to_vec()).unwrap(),
            threshold: None,
        },
        limit: Limit::default(),
        filters: Filters::default(),
        max_answer: usize::MAX,
    };
    let found = store.search(&here(), search).await.unwrap();
    found[0].memory.content.clone()
}

store_suite!(fresh());

#[tokio::test]
async fn a_read_prepares_its_statement_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let connection = Purpose::Read.connect(&store.folder).unwrap();
    let sql = "select v.components from memory m left join vector v on v.memory = m.number
               where m.number = ?";
    for number in 0..3 {
        let mut statement = connection.prepare_cached(sql).unwrap();
        assert!(!statement.exists([number]).unwrap());
    }
    let statement = connection.prepare_cached(sql).unwrap();
    assert_eq!(statement.get_status(StatementStatus::Run), 3);
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/when/missing");
    let store = open(&folder).unwrap();
    let first = store
        .insert(&here(), with_vector("east", &[1.0, 0.0]))
        .await
        .unwrap();
    let gone = store
        .insert(&here(), with_vector("gone", &[0.0, 1.0]))
        .await
        .unwrap();
    let items = chunk(Some("b"), 0, vec![with_vector("north", &[0.0, 1.0])]);
    store.insert_chunk(&here(), items).await.unwrap();
    store
        .insert(&name("other"), with_vector("of three", &[0.0, 1.0, 1.0]))
        .await
        .unwrap();
    store.delete(&here(), gone.id).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    let store = open(&folder).unwrap();
    assert_eq!(store.get(&here(), first.id).await.unwrap(), Some(first));
    assert_eq!(store.get(&here(), gone.id).await.unwrap(), None);
    assert_eq!(nearest_content(&store, &[0.0, 1.0]).await, "north");
    let figures = store.figures(&here()).await.unwrap();
    assert_eq!((figures.memories, figures.vectors), (2, 2));
    let other = store.figures(&name("other")).await.unwrap();
    assert_eq!(other.dimension, Some(Dimension::new(3).unwrap()));
    let batch = BatchId::new("b").unwrap();
    assert_eq!(store.progress(&here(), &batch).await.unwrap().consumed, 1);
    let pages = store
        .pages(&here(), None, Filters::default())
        .await
        .unwrap();
    assert_eq!(read_all(pages).await, ["east", "north"]);
    let next = store.insert(&here(), text("later")).await.unwrap();
    assert!(next.id > gone.id);
}

#[tokio::test]
async fn a_store_that_was_not_closed_lets_go_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.insert(&here(), text("kept")).await.unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.figures(&here()).await.unwrap().memories, 1);
}

#[tokio::test]
async fn every_durability_and_metric_opens_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    settings.durability = Durability::Os;
    let store = SqliteStore::open(&settings).unwrap();
    for (content, vector) in [("short", [1.0, 0.0]), ("long", [9.0, 9.0])] {
        let memory = with_vector(content, &vector);
        store.insert(&here(), memory).await.unwrap();
    }
    drop(store);
    for (metric, best) in [
        (Metric::Cosine, "short"),
        (Metric::Dot, "long"),
        (Metric::L2, "short"),
    ] {
        settings.metric = metric;
        let store = SqliteStore::open(&settings).unwrap();
        assert_eq!(
            nearest_content(&store, &[1.0, 0.1]).await,
            best,
            "{metric:?}"
        );
    }
}

#[tokio::test]
async fn a_dimension_that_was_asked_for_holds_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    settings.dimension = Some(Dimension::new(2).unwrap());
    let store = SqliteStore::open(&settings).unwrap();
    let figures = store.figures(&here()).await.unwrap();
    assert_eq!(figures.dimension, settings.dimension);
    let error = store.insert(&here(), with_vector("x", &[1.0])).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "Invalid vector dimension: expected 2, got 1"
    );
    store
        .insert(&name("notes"), with_vector("x", &[1.0, 1.0]))
        .await
        .unwrap();
    drop(store);
    settings.dimension = Some(Dimension::new(3).unwrap());
    assert_eq!(
        refusal(&settings),
        format!(
            "data folder {} holds vectors of dimension 2 in namespace notes, not 3; leave \
             --dimension out or choose another folder with --data",
            folder.path().display()
        )
    );
}

#[tokio::test]
async fn old_batches_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    for id in ["old", "new"] {
        let items = chunk(Some(id), 0, vec![text("x")]);
        store.insert_chunk(&here(), items).await.unwrap();
    }
    drop(store);
    let connection = Connection::open(folder.path().join("memory.db")).unwrap();
    connection
        .execute(
            "update batch set updated_at = unixepoch() - ? where id = 'old'",
            [batches::RESUMABLE.as_secs() + 10],
        )
        .unwrap();
    drop(connection);
    let store = open(folder.path()).unwrap();
    for (id, consumed) in [("old", 0), ("new", 1)] {
        let id = BatchId::new(id).unwrap();
        let progress = store.progress(&here(), &id).await.unwrap();
        assert_eq!(
            (progress.consumed, progress.ids.len() as u64),
            (consumed, consumed)
        );
    }
}

#[tokio::test]
async fn streams_are_counted_and_freed() {
    let (store, _folder) = fresh().await;
    store.insert(&here(), text("x")).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..pages::STREAMS {
        open.push(
            store
                .pages(&here(), None, Filters::default())
                .await
                .unwrap(),
        );
    }
    let error = store.pages(&here(), None, Filters::default()).await;
    assert_eq!(
        error.err().unwrap().to_string(),
        "256 streams are open already; try again when one of them has ended"
    );
    open.pop();
    store
        .pages(&here(), None, Filters::default())
        .await
        .unwrap();
    open.clear();
    // All snapshots are gone when the log can be written back in full.
    let connection = Connection::open(_folder.path().join("memory.db")).unwrap();
    let busy: i64 = connection
        .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
}

#[tokio::test]
async fn namespaces_are_counted() {
    let (store, folder) = fresh().await;
    let mut inserts = tokio::task::JoinSet::new();
    for i in 0..write::NAMESPACES {
        let store = store.clone();
        let namespace = name(&format!("n{i}"));
        inserts.spawn(async move { store.insert(&namespace, text("x")).await.unwrap() });
    }
    inserts.join_all().await;
    let message = "there are 1000 namespaces already, and no more can be added; use metadata and \
                   filters to tell memories apart";
    let error = store.insert(&name("more"), text("x")).await.unwrap_err();
    assert_eq!(error.to_string(), message);
    let items = chunk(None, 0, vec![text("x")]);
    let error = store.insert_chunk(&name("more"), items).await.unwrap_err();
    assert_eq!(error.to_string(), message);
    store.insert(&name("n7"), text("y")).await.unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    let pages = store.pages(&name("n7"), None, Filters::default()).await;
    assert_eq!(read_all(pages.unwrap()).await, ["x", "y"]);
}

#[tokio::test]
async fn removing_nothing_writes_nothing() {
    let (store, folder) = fresh().await;
    let stored = store.insert(&here(), text("x")).await.unwrap();
    store.delete(&here(), stored.id).await.unwrap();
    let log = folder.path().join("memory.db-wal");
    let before = fs::metadata(&log).unwrap().len();
    assert!(!store.delete(&here(), stored.id).await.unwrap());
    assert_eq!(fs::metadata(&log).unwrap().len(), before);
}

#[tokio::test]
async fn writes_that_wait_are_bounded() {
    // A write larger than all the room there is still gets through, alone.
    let (store, _folder) = fresh().await;
    let large = "x".repeat(70 << 20);
    let (one, two, three) = tokio::join!(
        async { store.insert(&here(), text(&large)).await.unwrap() },
        async { store.insert(&here(), text(&large)).await.unwrap() },
        async { store.insert(&here(), text("small")).await.unwrap() },
    );
    assert!(one.id < two.id && two.id < three.id);
}

/// Words that look like operators, quotes and the edges of Unicode, joined by
/// what separates words or does not.
fn query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[\\PC]{0,8}",
        "[a-z0-9]{1,6}",
        Just("\"".to_owned()),
        Just("NEAR(".to_owned()),
        Just("AND".to_owned()),
        Just("content:".to_owned()),
        Just("\0".to_owned()),
        Just("🦀".to_owned()),
        Just("'*^-+{}()".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.join(" "))
}

#[test]
fn no_query_is_an_expression() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (store, _folder) = runtime.block_on(fresh());
    let words = |query: &str| Words::parse(query).unwrap();
    proptest!(ProptestConfig::with_cases(300), |(query in query(), word in "[a-z]{3,9}[0-9]{4}")| {
        runtime.block_on(async {
            // Stored by the text and found by any plain word in it, whatever
            // stands around the word.
            let content = format!("{query} {word}");
            let stored = store.insert(&here(), text(&content)).await.unwrap();
            for asked in [content.as_str(), word.as_str()] {
                let search = Search {
                    by: By::Words(words(asked).unwrap()),
                    limit: Limit::new(1000).unwrap(),
                    filters: Filters::default(),
                    max_answer: usize::MAX,
                };
                let found = store.search(&here(), search).await.unwrap();
                assert!(found.iter().any(|f| f.memory.id == stored.id), "{asked:?}");
                assert!(found.iter().all(|f| f.score > 0.0));
            }
            let here = here();
            let pages = store.pages(&here, words(&query), Filters::default()).await;
            pages.unwrap().next().await.unwrap();
            store.delete(&here, stored.id).await.unwrap();
        });
    });
}

#[test]
fn filters_are_equality_to_the_byte() {
    let label = || prop::sample::select(vec!["", "a", "A", "ä", "a\u{308}", "a\0", " a", "'", "%"]);
    let labels = || {
        prop::collection::btree_map(
            label().prop_map(str::to_owned),
            label().prop_map(str::to_owned),
            0..4,
        )
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(24), |(
        stored in prop::collection::vec(labels(), 1..40),
        asked in prop::collection::vec(labels(), 1..20),
    )| {
        runtime.block_on(async {
            let (store, _folder) = fresh().await;
            let items = stored
                .iter()
                .map(|metadata| NewMemory {
                    metadata: metadata.clone(),
                    ..with_vector("word", &[1.0])
                })
                .collect();
            let ids = store.insert_chunk(&here(), chunk(None, 0, items)).await.unwrap();
            for pairs in asked {
                let expected: Vec<MemoryId> = ids
                    .iter()
                    .zip(&stored)
                    .filter(|(_, labels)| pairs.iter().all(|(k, v)| labels.get(k) == Some(v)))
                    .map(|(id, _)| *id.as_ref().unwrap())
                    .collect();
                let filters = Filters::new(pairs).unwrap();
                let by_vector = By::Vector {
                    vector: Vector::new(vec![1.0]).unwrap(),
                    threshold: None,
                };
                for by in [by_vector, By::Words(Words::parse("word").unwrap().unwrap())] {
                    let limit = Limit::new(1000).unwrap();
                    let filters = filters.clone();
                    let search = Search { by, limit, filters, max_answer: usize::MAX };
                    let found = store.search(&here(), search).await.unwrap();
                    let found: Vec<MemoryId> = found.iter().map(|f| f.memory.id).collect();
                    assert_eq!(found, expected);
                }
                let mut pages = store.pages(&here(), None, filters).await.unwrap();
                let page = pages.next().await.unwrap();
                let found: Vec<MemoryId> = page.iter().map(|memory| memory.id).collect();
                assert_eq!(found, expected);
            }
        });
    });
}
