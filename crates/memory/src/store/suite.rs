//! What every store must do, as tests that any implementation runs: see
//! `store_suite!` at the end.

use std::{collections::BTreeSet, sync::Arc};

use super::{By, Chunk, Failure, Pages, Search, Store};
use crate::{
    embedding::{Dimension, Vector},
    error::{Error, Invalid},
    memory::{Found, Memory, MemoryId, Metadata, NewMemory},
    names::{BatchId, Namespace},
    search::{Filters, Limit, Threshold},
    words::Words,
};

pub(crate) fn text(content: &str) -> NewMemory {
    NewMemory {
        content: content.into(),
        ..NewMemory::default()
    }
}

pub(crate) fn with_vector(content: &str, vector: &[f32]) -> NewMemory {
    NewMemory {
        vector: Some(Vector::new(vector.to_vec()).unwrap()),
        ..text(content)
    }
}

fn labelled(content: &str, labels: &[(&str, &str)]) -> NewMemory {
    NewMemory {
        metadata: labels_of(labels),
        ..with_vector(content, &[1.0, content.len() as f32])
    }
}

fn labels_of(labels: &[(&str, &str)]) -> Metadata {
    labels
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

fn filters(labels: &[(&str, &str)]) -> Filters {
    Filters::new(labels_of(labels)).unwrap()
}

pub(crate) fn name(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn words(query: &str) -> Words {
    Words::parse(query).unwrap().unwrap()
}

fn near(vector: &[f32]) -> By {
    By::Vector {
        vector: Vector::new(vector.to_vec()).unwrap(),
        threshold: None,
    }
}

async fn find(store: &dyn Store, by: By, limit: i32, filters: Filters) -> Vec<Found> {
    let limit = Limit::new(limit).unwrap();
    let search = Search {
        by,
        limit,
        filters,
        max_answer: usize::MAX,
    };
    store.search(&Namespace::default(), search).await.unwrap()
}

fn contents(found: &[Found]) -> Vec<&str> {
    found.iter().map(|f| f.memory.content.as_str()).collect()
}

async fn put(store: &dyn Store, memory: NewMemory) -> Memory {
    store.insert(&Namespace::default(), memory).await.unwrap()
}

pub(crate) async fn read_all(mut pages: Box<dyn Pages>) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = pages.next().await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.into_iter().map(|memory| memory.content));
    }
}

async fn stream(store: &dyn Store, query: Option<&str>, filters: Filters) -> Vec<String> {
    let here = Namespace::default();
    let pages = store.pages(&here, query.map(words), filters).await;
    read_all(pages.unwrap()).await
}

pub(crate) fn chunk(batch: Option<&str>, start: u64, items: Vec<NewMemory>) -> Chunk {
    Chunk {
        batch: batch.map(|id| BatchId::new(id).unwrap()),
        start,
        refused: Vec::new(),
        items: items.into_iter().map(Ok).collect(),
    }
}

pub(crate) async fn what_is_stored_is_given_back(store: &dyn Store) {
    let new = NewMemory {
        content: "nul \0, quote \" and 🦀".into(),
        metadata: labels_of(&[("", "empty key"), ("k", ""), ("ü", "\0\"'")]),
        vector: Some(Vector::new(vec![0.1, -2.5e-38, f32::MAX]).unwrap()),
    };
    let stored = put(store, new.clone()).await;
    assert_eq!(stored.content, new.content);
    assert_eq!(stored.metadata, new.metadata);
    assert_eq!(stored.vector, new.vector.unwrap().components());
    let read = store.get(&Namespace::default(), stored.id).await.unwrap();
    assert_eq!(read, Some(stored));
    let empty = put(store, NewMemory::default()).await;
    let read = store.get(&Namespace::default(), empty.id).await.unwrap();
    assert_eq!(read, Some(empty));
}

pub(crate) async fn ids_rise_in_the_order_of_storing(store: &dyn Store) {
    let mut ids = Vec::new();
    for i in 0..50 {
        ids.push(put(store, text(&i.to_string())).await.id);
    }
    let items = (0..50).map(|i| text(&i.to_string())).collect();
    let here = Namespace::default();
    let outcome = store.insert_chunk(&here, chunk(None, 0, items)).await;
    ids.extend(outcome.unwrap().into_iter().map(Result::unwrap));
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(ids[0].to_string().as_bytes()[14], b'7', "UUIDv7");
}

pub(crate) async fn what_is_removed_is_gone(store: &dyn Store) {
    let here = Namespace::default();
    let kept = put(store, labelled("blue boat", &[("k", "v")])).await;
    let gone = put(store, labelled("blue gull", &[("k", "v")])).await;
    assert!(store.delete(&here, gone.id).await.unwrap());
    assert!(!store.delete(&here, gone.id).await.unwrap());
    assert_eq!(store.get(&here, gone.id).await.unwrap(), None);
    let all = [
        find(store, near(&[1.0, 9.0]), 0, Filters::default()).await,
        find(store, near(&[1.0, 9.0]), 0, filters(&[("k", "v")])).await,
        find(store, By::Words(words("blue")), 0, Filters::default()).await,
    ];
    for found in all {
        assert_eq!(contents(&found), [kept.content.as_str()]);
    }
    assert!(
        find(store, By::Words(words("gull")), 0, Filters::default())
            .await
            .is_empty()
    );
    assert_eq!(stream(store, None, Filters::default()).await, ["blue boat"]);
    let figures = store.figures(&here).await.unwrap();
    assert_eq!((figures.memories, figures.vectors), (1, 1));
}

pub(crate) async fn namespaces_do_not_see_each_other(store: &dyn Store) {
    let (one, two) = (name("one"), name("two"));
    let first = store
        .insert(&one, with_vector("shared word", &[1.0, 0.0]))
        .await;
    let first = first.unwrap();
    let second = store
        .insert(&two, with_vector("shared word", &[1.0, 0.0, 0.0]))
        .await;
    let second = second.unwrap();
    assert_eq!(store.get(&two, first.id).await.unwrap(), None);
    assert!(!store.delete(&two, first.id).await.unwrap());
    assert!(!store.delete(&name("three"), first.id).await.unwrap());
    for (namespace, by, id) in [
        (&one, near(&[1.0, 0.0]), first.id),
        (&two, near(&[1.0, 0.0, 0.0]), second.id),
        (&one, By::Words(words("shared")), first.id),
        (&two, By::Words(words("shared")), second.id),
    ] {
        let search = Search {
            by,
            limit: Limit::default(),
            filters: Filters::default(),
            max_answer: usize::MAX,
        };
        let found = store.search(namespace, search).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].memory.id, id);
    }
    let pages = store.pages(&one, None, Filters::default()).await.unwrap();
    assert_eq!(read_all(pages).await.len(), 1);
    let pages = store
        .pages(&name("three"), None, Filters::default())
        .await
        .unwrap();
    assert!(read_all(pages).await.is_empty());
    let nothing = store.figures(&name("three")).await.unwrap();
    assert_eq!((nothing.memories, nothing.dimension), (0, None));
}

pub(crate) async fn the_first_vector_fixes_the_dimension(store: &dyn Store) {
    let here = Namespace::default();
    put(store, text("no vector, no dimension")).await;
    assert!(
        find(store, near(&[1.0]), 0, Filters::default())
            .await
            .is_empty()
    );
    let items = vec![
        with_vector("fits", &[1.0, 2.0, 3.0]),
        with_vector("does not", &[1.0]),
        text("has none"),
        with_vector("fits too", &[3.0, 2.0, 1.0]),
    ];
    let outcomes = store
        .insert_chunk(&here, chunk(None, 0, items))
        .await
        .unwrap();
    let three = Dimension::new(3).unwrap();
    let wrong = |got| Invalid::OtherDimension {
        expected: three,
        got,
    };
    assert_eq!(outcomes[1], Err(wrong(1)));
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 3);
    let error = store
        .insert(&here, with_vector("x", &[1.0, 2.0]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid vector dimension: expected 3, got 2"
    );
    let search = Search {
        by: near(&[1.0; 4]),
        limit: Limit::default(),
        filters: Filters::default(),
        max_answer: usize::MAX,
    };
    let error = store.search(&here, search).await.unwrap_err();
    assert!(matches!(error, Error::Invalid(invalid) if invalid == wrong(4)));
    let figures = store.figures(&here).await.unwrap();
    assert_eq!(figures.dimension, Some(three));
    assert_eq!((figures.memories, figures.vectors), (4, 2));
}

pub(crate) async fn vectors_are_found_by_nearness(store: &dyn Store) {
    put(store, text("no vector")).await;
    put(store, with_vector("east", &[1.0, 0.0])).await;
    put(store, with_vector("north", &[0.0, 7.0])).await;
    put(store, with_vector("north-east", &[5.0, 5.0])).await;
    let found = find(store, near(&[2.0, 0.1]), 0, Filters::default()).await;
    assert_eq!(contents(&found), ["east", "north-east", "north"]);
    assert!((found[0].score - 0.998_752).abs() < 1e-5);
    let found = find(store, near(&[2.0, 0.1]), 2, Filters::default()).await;
    assert_eq!(found.len(), 2);
    let by = By::Vector {
        vector: Vector::new(vec![1.0, 0.0]).unwrap(),
        threshold: Threshold::new(0.7).unwrap(),
    };
    let found = find(store, by, 0, Filters::default()).await;
    assert_eq!(contents(&found), ["east", "north-east"]);
}

pub(crate) async fn filters_let_only_equal_metadata_pass(store: &dyn Store) {
    put(
        store,
        labelled("a word", &[("type", "note"), ("user", "ann")]),
    )
    .await;
    put(
        store,
        labelled("bb word", &[("type", "note"), ("user", "bob")]),
    )
    .await;
    put(
        store,
        labelled("ccc word", &[("type", "todo"), ("user", "ann")]),
    )
    .await;
    put(store, text("word")).await;
    let cases: [(&[(&str, &str)], usize); 7] = [
        (&[("type", "note")], 2),
        (&[("type", "note"), ("user", "ann")], 1),
        (&[("type", "note"), ("user", "eve")], 0),
        (&[("type", "not")], 0),
        (&[("type", "NOTE")], 0),
        (&[("note", "type")], 0),
        (&[("' or 1=1 --", "\0")], 0),
    ];
    for (pairs, count) in cases {
        let both = By::Both {
            vector: Some(Vector::new(vec![1.0, 1.0]).unwrap()),
            words: Some(words("word")),
        };
        for by in [near(&[1.0, 1.0]), By::Words(words("word")), both] {
            let found = find(store, by.clone(), 0, filters(pairs)).await;
            assert_eq!(found.len(), count, "{by:?} {pairs:?}");
        }
        for query in [None, Some("word")] {
            let all = stream(store, query, filters(pairs)).await;
            assert_eq!(all.len(), count, "{query:?} {pairs:?}");
        }
    }
    let many: Vec<(String, String)> = (0..Filters::MAX)
        .map(|i| (i.to_string(), "x".into()))
        .collect();
    let many = Filters::new(many.into_iter().collect()).unwrap();
    assert!(
        find(store, By::Words(words("word")), 0, many.clone())
            .await
            .is_empty()
    );
    assert!(
        find(store, near(&[1.0, 1.0]), 0, many.clone())
            .await
            .is_empty()
    );
    assert!(stream(store, None, many).await.is_empty());
}

pub(crate) async fn words_are_found_best_first(store: &dyn Store) {
    put(
        store,
        text("The harbour master counts boats, boats and more boats"),
    )
    .await;
    put(store, text("A boat in the harbour")).await;
    put(store, text("Le café près du port")).await;
    put(store, text("don't feed the gulls")).await;
    let by = |query: &str| By::Words(words(query));
    let found = find(store, by("boat harbour"), 0, Filters::default()).await;
    assert_eq!(
        contents(&found),
        [
            "A boat in the harbour",
            "The harbour master counts boats, boats and more boats"
        ]
    );
    assert!(found[0].score > found[1].score && found[1].score > 0.0);
    let found = find(store, by("CAFE"), 0, Filters::default()).await;
    assert_eq!(contents(&found), ["Le café près du port"]);
    let found = find(store, by("don't"), 0, Filters::default()).await;
    assert_eq!(contents(&found), ["don't feed the gulls"]);
    let found = find(store, by("boat harbour"), 1, Filters::default()).await;
    assert_eq!(found.len(), 1);
    assert!(
        find(store, by("content"), 0, Filters::default())
            .await
            .is_empty()
    );
}

pub(crate) async fn any_text_is_a_query(store: &dyn Store) {
    put(store, text("AND OR NOT NEAR content hello")).await;
    let longest: String = (0..Words::MAX).map(|i| format!("w{i} ")).collect();
    for query in [
        "\"",
        "\"\"",
        "'",
        "*",
        "hello*",
        "hello AND",
        "NEAR(hello, 5)",
        "content:hello",
        "-hello",
        "^hello",
        "hello\0world",
        "🦀",
        "🦀hello",
        "(((",
        "hello)",
        "{a b}: c",
        "; drop table memory",
        "\u{301}",
        "ｈｅｌｌｏ",
        "१२३",
        "नमस्ते",
        "你好世界",
        "\u{fffd}a",
        "a\u{301}",
        "\u{200d}x",
        "½",
        "ⅷ",
        "𝟘",
        &longest,
        &"x".repeat(100_000),
    ] {
        if let Some(words) = Words::parse(query).unwrap() {
            find(store, By::Words(words), 0, Filters::default()).await;
        }
    }
    for query in ["AND", "near", "content", "hello*", "\"hello", "🦀hello 🦀"] {
        if let Some(words) = Words::parse(query).unwrap() {
            let found = find(store, By::Words(words), 0, Filters::default()).await;
            let expected = usize::from(!query.contains('🦀'));
            assert!(found.len() >= expected, "{query}");
        }
    }
}

pub(crate) async fn both_rankings_are_fused(store: &dyn Store) {
    put(
        store,
        with_vector("far away, but with the word", &[0.0, 1.0]),
    )
    .await;
    put(store, with_vector("near by", &[1.0, 0.0])).await;
    put(store, with_vector("near by with the word", &[1.0, 0.1])).await;
    let vector = Vector::new(vec![1.0, 0.0]).unwrap();
    let both = |vector: Option<&Vector>, query: Option<&str>| By::Both {
        vector: vector.cloned(),
        words: query.map(words),
    };
    let found = find(
        store,
        both(Some(&vector), Some("word")),
        0,
        Filters::default(),
    )
    .await;
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].memory.content, "near by with the word");
    assert!((found[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-6);
    let found = find(store, both(Some(&vector), None), 1, Filters::default()).await;
    assert_eq!(contents(&found), ["near by"]);
    let found = find(store, both(None, Some("away")), 0, Filters::default()).await;
    assert_eq!(contents(&found), ["far away, but with the word"]);
}

pub(crate) async fn a_stream_is_a_snapshot(store: &dyn Store) {
    let mut ids = Vec::new();
    for i in 0..700 {
        ids.push(put(store, text(&format!("word {i}"))).await.id);
    }
    let here = Namespace::default();
    let all = store.pages(&here, None, Filters::default()).await.unwrap();
    let ranked = store.pages(&here, Some(words("word")), Filters::default());
    let ranked = ranked.await.unwrap();
    put(store, text("word, but too late")).await;
    for id in ids {
        assert!(store.delete(&here, id).await.unwrap());
    }
    let expected: Vec<String> = (0..700).map(|i| format!("word {i}")).collect();
    assert_eq!(read_all(all).await, expected);
    assert_eq!(read_all(ranked).await, expected);
    assert_eq!(stream(store, None, Filters::default()).await.len(), 1);
}

pub(crate) async fn a_stream_with_words_is_ranked(store: &dyn Store) {
    put(store, text("one word among many others in a long text")).await;
    put(store, text("nothing")).await;
    put(store, text("word word")).await;
    assert_eq!(
        stream(store, Some("word"), Filters::default()).await,
        ["word word", "one word among many others in a long text"]
    );
}

pub(crate) async fn pages_are_bounded(store: &dyn Store) {
    let large = "x".repeat(400_000);
    for _ in 0..6 {
        put(store, text(&large)).await;
    }
    let here = Namespace::default();
    let pages = store.pages(&here, None, Filters::default()).await;
    let mut pages = pages.unwrap();
    assert_eq!(pages.next().await.unwrap().len(), 3);
    assert_eq!(pages.next().await.unwrap().len(), 3);
    assert!(pages.next().await.unwrap().is_empty());
    assert!(pages.next().await.unwrap().is_empty());
}

pub(crate) async fn a_batch_is_recorded(store: &dyn Store) {
    let here = Namespace::default();
    let id = BatchId::new("import-1").unwrap();
    let nothing = store.progress(&here, &id).await.unwrap();
    assert_eq!(nothing.consumed, 0);
    let mut first = chunk(Some("import-1"), 0, vec![text("a"), text("b")]);
    first.items.insert(1, Err(Invalid::EmptyId));
    let stored = store.insert_chunk(&here, first.clone()).await.unwrap();
    let again = store.insert_chunk(&here, first).await.unwrap_err();
    assert!(matches!(again, Error::BatchInUse(_)));
    let second = chunk(Some("import-1"), 3, vec![text("c")]);
    let more = store.insert_chunk(&here, second).await.unwrap();
    let ids: Vec<MemoryId> = stored.into_iter().chain(more).flatten().collect();
    let progress = store.progress(&here, &id).await.unwrap();
    assert_eq!(progress.consumed, 4);
    assert_eq!(progress.ids, ids);
    assert_eq!(progress.failures.len(), 1);
    assert_eq!(progress.failures[0].index, 1);
    assert_eq!(progress.failures[0].message, "id is required");
    assert_eq!(store.figures(&here).await.unwrap().memories, 3);
    let elsewhere = store.progress(&name("elsewhere"), &id).await.unwrap();
    assert_eq!(elsewhere.consumed, 0);
}

pub(crate) async fn refused_items_make_no_namespace(store: &dyn Store) {
    let here = Namespace::default();
    let id = BatchId::new("b").unwrap();
    let bad = |start: u64, refused: u64| Chunk {
        start,
        refused: (0..refused).map(refusal).collect(),
        items: vec![Err(Invalid::EmptyId)],
        ..chunk(Some("b"), 0, Vec::new())
    };
    for (start, refused) in [(0, 0), (1, 1)] {
        let outcomes = store.insert_chunk(&here, bad(start, refused)).await;
        assert_eq!(outcomes.unwrap(), [Err(Invalid::EmptyId)]);
        let progress = store.progress(&here, &id).await.unwrap();
        assert_eq!(progress.consumed, 0);
    }
    // Its first memory makes the namespace, and the record of all of them.
    let mut good = chunk(Some("b"), 2, vec![text("x")]);
    good.refused = vec![refusal(0), refusal(1)];
    good.items.push(Err(Invalid::EmptyId));
    let outcomes = store.insert_chunk(&here, good.clone()).await.unwrap();
    let progress = store.progress(&here, &id).await.unwrap();
    assert_eq!(progress.consumed, 4);
    assert_eq!(Ok(progress.ids[0]), outcomes[0]);
    assert_eq!(progress.failures, [refusal(0), refusal(1), refusal(3)]);
    let again = store.insert_chunk(&here, good).await.unwrap_err();
    assert!(matches!(again, Error::BatchInUse(_)));
    // From now on those that are refused are recorded at once.
    store.insert_chunk(&here, bad(4, 0)).await.unwrap();
    let progress = store.progress(&here, &id).await.unwrap();
    assert_eq!((progress.consumed, progress.failures.len()), (5, 4));
}

fn refusal(index: u64) -> Failure {
    let message = Invalid::EmptyId.to_string();
    Failure { index, message }
}

pub(crate) async fn writers_see_their_writes(store: Arc<dyn Store>) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let store = store.clone();
        writers.spawn(async move {
            let here = Namespace::default();
            for i in 0..20 {
                let content = format!("writer{writer} item{writer}x{i}");
                let vector = [1.0 + writer as f32, 1.0 + i as f32];
                let stored = put(&*store, with_vector(&content, &vector)).await;
                let read = store.get(&here, stored.id).await.unwrap();
                assert_eq!(read.as_ref(), Some(&stored));
                let by = By::Words(words(&format!("item{writer}x{i}")));
                let found = find(&*store, by, 0, Filters::default()).await;
                assert_eq!(contents(&found), [content.as_str()]);
                let found = find(&*store, near(&vector), 1000, Filters::default()).await;
                assert!(found.iter().any(|f| f.memory.id == stored.id));
                if i % 4 == 0 {
                    assert!(store.delete(&here, stored.id).await.unwrap());
                    assert_eq!(store.get(&here, stored.id).await.unwrap(), None);
                }
            }
        });
    }
    writers.join_all().await;
    let figures = store.figures(&Namespace::default()).await.unwrap();
    assert_eq!((figures.memories, figures.vectors), (480, 480));
    assert!(figures.disk_bytes > 0);
}

pub(crate) async fn a_closed_store_says_so(store: &dyn Store) {
    let here = Namespace::default();
    let stored = put(store, text("before")).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    for error in [
        store.insert(&here, text("after")).await.unwrap_err(),
        store.get(&here, stored.id).await.unwrap_err(),
        store.delete(&here, stored.id).await.unwrap_err(),
        store
            .pages(&here, None, Filters::default())
            .await
            .err()
            .unwrap(),
    ] {
        assert!(matches!(error, Error::Closed), "{error}");
    }
}

/// Runs the suite: `$open` is an expression for a future of a new, empty store
/// in an `Arc`, together with whatever must live as long.
macro_rules! store_suite {
    ($open:expr) => {
        $crate::store::suite::store_suite!(
            $open;
            what_is_stored_is_given_back
            ids_rise_in_the_order_of_storing
            what_is_removed_is_gone
            namespaces_do_not_see_each_other
            the_first_vector_fixes_the_dimension
            vectors_are_found_by_nearness
            filters_let_only_equal_metadata_pass
            words_are_found_best_first
            any_text_is_a_query
            both_rankings_are_fused
            a_stream_is_a_snapshot
            a_stream_with_words_is_ranked
            pages_are_bounded
            a_batch_is_recorded
            refused_items_make_no_namespace
            a_closed_store_says_so
        );

        #[tokio::test(flavor = "multi_thread")]
        async fn writers_see_their_writes() {
            let (store, _kept) = $open.await;
            $crate::store::suite::writers_see_their_writes(store).await;
        }
    };
    ($open:expr; $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let (store, _kept) = $open.await;
                $crate::store::suite::$test(&*store).await;
            }
        )*
    };
}
pub(crate) use store_suite;
