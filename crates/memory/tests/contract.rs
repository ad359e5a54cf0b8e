//! The services as clients meet them: the generated client, its requests
//! encoded, the generated server in the same process, its answers decoded.

// The helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, stream};
use portolan_memory::{
    Memories, Settings,
    grpc::{CallStatistics, MemoryGrpc, MethodStatistics, MetricsGrpc},
    proto::{
        BatchStoreMemoriesResponse, DeleteMemoryRequest, GetMemoryRequest, GetMetricsRequest,
        Memory, SearchHybridRequest, SearchTextRequest, SearchVectorRequest, StoreMemoryRequest,
        StreamMemoriesRequest,
        memory_service_client::MemoryServiceClient,
        memory_service_server::{MemoryService, MemoryServiceServer},
        metrics_client::MetricsClient,
        metrics_server::MetricsServer,
    },
};
use tempfile::TempDir;
use tonic::{Code, Request, Status};

type Client = MemoryServiceClient<MemoryServiceServer<MemoryGrpc>>;

struct Served {
    client: Client,
    memories: Memories,
    _folder: TempDir,
}

fn serve() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let memories = Memories::open(&Settings::new(folder.path())).unwrap();
    let server = MemoryServiceServer::new(MemoryGrpc::new(memories.clone()));
    Served {
        client: MemoryServiceClient::new(server),
        memories,
        _folder: folder,
    }
}

fn new(content: &str, vector: &[f32]) -> StoreMemoryRequest {
    StoreMemoryRequest {
        content: content.into(),
        metadata: BTreeMap::from([("type".into(), "note".into())]),
        vector: vector.into(),
    }
}

fn by_vector(vector: &[f32]) -> SearchVectorRequest {
    SearchVectorRequest {
        vector: vector.into(),
        ..SearchVectorRequest::default()
    }
}

fn with_metadata<T>(message: T, key: &'static str, value: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(key, value.parse().unwrap());
    request
}

#[track_caller]
fn assert_status<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, message: &str) {
    let status = result.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, message));
}

async fn batch(
    client: &mut Client,
    id: Option<&str>,
    items: Vec<StoreMemoryRequest>,
) -> Result<BatchStoreMemoriesResponse, Status> {
    let items = stream::iter(items);
    let request = match id {
        Some(id) => with_metadata(items, "x-batch-id", id),
        None => Request::new(items),
    };
    let response = client.batch_store_memories(request).await?;
    Ok(response.into_inner())
}

async fn all(client: &mut Client) -> Vec<Memory> {
    let stream = client.stream_memories(StreamMemoriesRequest::default());
    let stream = stream.await.unwrap().into_inner();
    stream.map(Result::unwrap).collect().await
}

#[tokio::test]
async fn a_memory_is_stored_read_found_and_deleted() {
    let served = serve();
    let mut client = served.client.clone();
    let stored = client
        .store_memory(new("a harbour at night", &[1.0, 2.0, 3.0]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(stored.id.len(), 36);
    assert_eq!(stored.created_at.len(), "2024-01-01T00:00:00.000000Z".len());
    assert!(stored.created_at.ends_with('Z'));
    assert_eq!(stored.vector, [1.0, 2.0, 3.0]);
    let id = stored.id.clone();
    let read = client.get_memory(GetMemoryRequest { id: id.clone() }).await;
    assert_eq!(read.unwrap().into_inner(), stored);

    let found = client.search_vector(by_vector(&[2.0, 4.0, 6.0])).await;
    let found = found.unwrap().into_inner();
    assert_eq!(found.memories, std::slice::from_ref(&stored));
    assert!((found.scores[0] - 1.0).abs() < 1e-6);
    let query = SearchTextRequest {
        query: "harbour".into(),
        ..SearchTextRequest::default()
    };
    let found = client.search_text(query).await.unwrap().into_inner();
    assert_eq!(found.memories, std::slice::from_ref(&stored));
    assert!(found.scores[0] > 0.0);
    let query = SearchHybridRequest {
        query: "night".into(),
        vector: vec![1.0, 0.0, 0.0],
        ..SearchHybridRequest::default()
    };
    let found = client.search_hybrid(query).await.unwrap().into_inner();
    assert_eq!(found.memories, [stored]);

    client
        .delete_memory(DeleteMemoryRequest { id: id.clone() })
        .await
        .unwrap();
    assert_status(
        client.get_memory(GetMemoryRequest { id: id.clone() }).await,
        Code::NotFound,
        "Memory not found",
    );
    assert_status(
        client.delete_memory(DeleteMemoryRequest { id }).await,
        Code::NotFound,
        "Memory not found",
    );
}

#[tokio::test]
async fn bad_vectors_are_invalid_arguments() {
    let served = serve();
    let mut client = served.client.clone();
    let fixing = vec![1.0; 384];
    client.store_memory(new("first", &fixing)).await.unwrap();
    let mut nan = fixing.clone();
    nan[7] = f32::NAN;
    let mut endless = fixing;
    endless[383] = f32::INFINITY;
    for (vector, message) in [
        (
            vec![1.0, 2.0, 3.0],
            "Invalid vector dimension: expected 384, got 3",
        ),
        (
            nan,
            "vector component 7 is NaN; components must be finite numbers",
        ),
        (
            endless,
            "vector component 383 is inf; components must be finite numbers",
        ),
        (
            vec![0.0; 384],
            "vector components 0 to 383 are all zero; at least one must differ from zero",
        ),
    ] {
        let code = Code::InvalidArgument;
        assert_status(client.store_memory(new("x", &vector)).await, code, message);
        assert_status(
            client.search_vector(by_vector(&vector)).await,
            code,
            message,
        );
        let query = SearchHybridRequest {
            query: "x".into(),
            vector,
            ..SearchHybridRequest::default()
        };
        assert_status(client.search_hybrid(query).await, code, message);
    }
    assert_status(
        client.search_vector(by_vector(&[])).await,
        Code::InvalidArgument,
        "Invalid vector dimension: expected 384, got 0",
    );
    let elsewhere = with_metadata(by_vector(&[]), "x-namespace", "empty");
    assert_status(
        client.search_vector(elsewhere).await,
        Code::InvalidArgument,
        "a vector has 1 to 65536 components; this one has 0",
    );
    let words_alone = SearchHybridRequest {
        query: "first".into(),
        ..SearchHybridRequest::default()
    };
    let found = client.search_hybrid(words_alone).await.unwrap();
    assert_eq!(found.into_inner().memories.len(), 1);
    assert_eq!(all(&mut client).await.len(), 1);
}

#[tokio::test]
async fn bad_arguments_are_named() {
    let served = serve();
    let mut client = served.client.clone();
    let code = Code::InvalidArgument;
    let empty = GetMemoryRequest::default();
    assert_status(client.get_memory(empty).await, code, "id is required");
    let empty = DeleteMemoryRequest::default();
    assert_status(client.delete_memory(empty).await, code, "id is required");
    for id in ["x", "0193a5b1-7c3e-7abc-8def-0123456789ab", "../../etc"] {
        let unknown = GetMemoryRequest { id: id.into() };
        let result = client.get_memory(unknown).await;
        assert_status(result, Code::NotFound, "Memory not found");
    }
    for limit in [-1, 1001] {
        let message = format!("limit must be 1 to 1000, or 0 for 10; got {limit}");
        let mut search = by_vector(&[1.0]);
        search.limit = limit;
        assert_status(client.search_vector(search).await, code, &message);
        let search = SearchTextRequest {
            limit,
            ..SearchTextRequest::default()
        };
        assert_status(client.search_text(search).await, code, &message);
        let search = SearchHybridRequest {
            limit,
            ..SearchHybridRequest::default()
        };
        assert_status(client.search_hybrid(search).await, code, &message);
    }
    let mut search = by_vector(&[1.0]);
    search.threshold = f32::NAN;
    assert_status(
        client.search_vector(search).await,
        code,
        "threshold must be a finite number; got NaN",
    );
    let mut search = by_vector(&[1.0]);
    search.filters = (0..65).map(|i| (i.to_string(), String::new())).collect();
    assert_status(
        client.search_vector(search).await,
        code,
        "a search has at most 64 filters; got 65",
    );
    let search = SearchHybridRequest::default();
    assert_status(
        client.search_hybrid(search).await,
        code,
        "query and vector are both empty; give one of them at least",
    );
    let query: String = (0..1025).map(|i| format!("w{i} ")).collect();
    let search = SearchTextRequest {
        query,
        ..SearchTextRequest::default()
    };
    assert_status(
        client.search_text(search).await,
        code,
        "a query has at most 1024 different words; got 1025",
    );
    let message = "a namespace is 1 to 64 characters of a-z, 0-9, '.', '_' and '-'";
    let request = with_metadata(new("x", &[]), "x-namespace", "Not This");
    assert_status(client.store_memory(request).await, code, message);
    let request = with_metadata(stream::iter([new("x", &[])]), "x-batch-id", "not this");
    assert_status(
        client.batch_store_memories(request).await,
        code,
        "a batch id is 1 to 128 visible ASCII characters",
    );
}

#[tokio::test]
async fn limits_and_thresholds_hold() {
    let served = serve();
    let mut client = served.client.clone();
    let items = (0..20).map(|i| new("word", &[1.0, i as f32])).collect();
    batch(&mut client, None, items).await.unwrap();
    let found = client.search_vector(by_vector(&[1.0, 0.0])).await.unwrap();
    assert_eq!(found.get_ref().memories.len(), 10);
    assert!(found.get_ref().scores.is_sorted_by(|a, b| a >= b));
    let mut search = by_vector(&[1.0, 0.0]);
    search.limit = 1000;
    let found = client.search_vector(search.clone()).await.unwrap();
    assert_eq!(found.get_ref().memories.len(), 20);
    search.threshold = 0.7;
    search.exact = true;
    let found = client.search_vector(search).await.unwrap();
    assert_eq!(found.get_ref().memories.len(), 2);
    let search = SearchTextRequest {
        query: "word".into(),
        limit: 3,
        filters: BTreeMap::from([("type".into(), "note".into())]),
    };
    let found = client.search_text(search).await.unwrap();
    assert_eq!(found.get_ref().memories.len(), 3);
}

#[tokio::test]
async fn a_namespace_is_named_by_metadata() {
    let served = serve();
    let mut client = served.client.clone();
    let request = with_metadata(new("there", &[1.0]), "x-namespace", "team.a-1_x");
    let there = client.store_memory(request).await.unwrap().into_inner();
    client.store_memory(new("here", &[1.0, 2.0])).await.unwrap();
    let get = GetMemoryRequest { id: there.id };
    assert_status(
        client.get_memory(get.clone()).await,
        Code::NotFound,
        "Memory not found",
    );
    let get = with_metadata(get, "x-namespace", "team.a-1_x");
    let read = client.get_memory(get).await.unwrap().into_inner();
    assert_eq!(read.content, "there");
    assert_eq!(all(&mut client).await.len(), 1);
}

#[tokio::test]
async fn a_batch_reports_its_bad_items_and_stores_the_others() {
    let served = serve();
    let mut client = served.client.clone();
    let mut items: Vec<_> = (0..2500)
        .map(|i| new(&format!("item {i}"), &[1.0, i as f32]))
        .collect();
    items[0] = new("no vector", &[]);
    items[7] = new("short", &[1.0]);
    items[1999] = new("zero", &[0.0, 0.0]);
    let response = batch(&mut client, None, items).await.unwrap();
    assert_eq!(response.stored_count, 2498);
    let failures: Vec<_> = response
        .failures
        .iter()
        .map(|failure| (failure.index, failure.code, failure.message.as_str()))
        .collect();
    assert_eq!(
        failures,
        [
            (7, 3, "Invalid vector dimension: expected 2, got 1"),
            (
                1999,
                3,
                "vector components 0 to 1 are all zero; at least one must differ from zero"
            ),
        ]
    );
    let stored = all(&mut client).await;
    let ids: Vec<_> = stored.iter().map(|memory| memory.id.as_str()).collect();
    assert_eq!(response.ids, ids);
    assert_eq!(stored[7].content, "item 8");
    let nothing = batch(&mut client, None, Vec::new()).await.unwrap();
    assert_eq!(nothing, BatchStoreMemoriesResponse::default());
}

#[tokio::test]
async fn a_batch_of_bad_items_leaves_nothing_behind() {
    let served = serve();
    let mut client = served.client.clone();
    let send = |client: &Client, namespace: String, items: Vec<StoreMemoryRequest>| {
        let mut client = client.clone();
        let mut request = with_metadata(stream::iter(items), "x-batch-id", "b");
        let namespace = namespace.parse().unwrap();
        request.metadata_mut().insert("x-namespace", namespace);
        async move { client.batch_store_memories(request).await }
    };
    for i in 0..1001 {
        let bad = vec![new("bad", &[0.0])];
        let response = send(&client, format!("n{i}"), bad).await.unwrap();
        assert_eq!(response.into_inner().failures.len(), 1);
    }
    // There is room for a namespace still, and its batch can be sent again,
    // though its first chunks were all bad.
    let mut items = vec![new("bad", &[0.0]); 2500];
    items.push(new("good", &[1.0]));
    let response = send(&client, "good".into(), items.clone()).await.unwrap();
    let response = response.into_inner();
    assert_eq!((response.stored_count, response.failures.len()), (1, 2500));
    let again = send(&client, "good".into(), items).await.unwrap();
    assert_eq!(again.into_inner(), response);
    assert_eq!(all(&mut client).await.len(), 0);
}

#[tokio::test]
async fn a_batch_ends_where_its_answer_is_full() {
    use prost::Message;

    let items: Vec<_> = (0..3000)
        .map(|i| match i {
            3 => new("misfit", &[1.0, 1.0]),
            5 => new("zero", &[0.0]),
            _ => new(&format!("item {i}"), &[1.0]),
        })
        .collect();
    // An item has a place as long as the answer holds the longest refusal.
    for max in [500, 501, 537, 538, 539, 40_000, 100_000] {
        let served = serve();
        let memories = served.memories.clone().with_max_answer(max);
        let mut client =
            MemoryServiceClient::new(MemoryServiceServer::new(MemoryGrpc::new(memories)));
        let status = batch(&mut client, Some("b"), items.clone())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        let stored = all(&mut client).await;
        let taken = stored.len() + 2;
        assert_eq!(
            status.message(),
            format!(
                "the answer to this batch would pass {max} bytes; cut the batch: {} of its first \
                 {taken} items are stored, send the rest as another one",
                stored.len()
            )
        );
        let contents: Vec<_> = items[..taken]
            .iter()
            .map(|item| item.content.as_str())
            .collect();
        let contents = contents.into_iter().filter(|c| c.starts_with("item"));
        assert!(stored.iter().map(|m| m.content.as_str()).eq(contents));
        // Sent again, it stores no more; cut there, it is answered in full.
        let again = batch(&mut client, Some("b"), items.clone())
            .await
            .unwrap_err();
        assert_eq!(again.message(), status.message());
        let cut = batch(&mut client, Some("b"), items[..taken].to_vec()).await;
        let cut = cut.unwrap();
        assert_eq!((cut.ids.len(), cut.failures.len()), (stored.len(), 2));
        let room = max - cut.encoded_len();
        assert!(room < 80, "{room} bytes are left of {max}");
        let rest = batch(&mut client, Some("c"), items[taken..taken + 5].to_vec()).await;
        assert_eq!(rest.unwrap().stored_count, 5);
    }
}

#[tokio::test]
async fn a_batch_whose_answer_fits_is_stored() {
    let served = serve();
    // 38 bytes for each id, and 6 for their count.
    let memories = served.memories.clone().with_max_answer(2500 * 38 + 6);
    let mut client = MemoryServiceClient::new(MemoryServiceServer::new(MemoryGrpc::new(memories)));
    let mut items: Vec<_> = (0..2500).map(|_| new("x", &[])).collect();
    let stored = batch(&mut client, None, items.clone()).await.unwrap();
    assert_eq!(stored.stored_count, 2500);
    items.push(new("one more", &[]));
    let status = batch(&mut client, None, items).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(all(&mut client).await.len(), 5000);
}

#[tokio::test]
async fn a_search_is_bounded_by_the_bytes_of_its_answer() {
    use prost::Message;

    let served = serve();
    let mut client = served.client.clone();
    for _ in 0..20 {
        client
            .store_memory(new(&"x ".repeat(500), &[1.0; 64]))
            .await
            .unwrap();
    }
    let query = SearchVectorRequest {
        limit: 12,
        ..by_vector(&[1.0; 64])
    };
    let answer = client
        .search_vector(query.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.memories.len(), 12);
    let size = answer.encoded_len();
    let with = |max| {
        let memories = served.memories.clone().with_max_answer(max);
        MemoryServiceClient::new(MemoryServiceServer::new(MemoryGrpc::new(memories)))
    };
    // The head of the scores is counted as 3 bytes; here it has 2.
    let mut client = with(size + 1);
    assert_eq!(
        client
            .search_vector(query.clone())
            .await
            .unwrap()
            .into_inner(),
        answer
    );
    let mut client = with(size);
    let message = format!(
        "the first 12 of 12 results take {} bytes, which is over the limit of {size} bytes; ask \
         for fewer with limit",
        size + 1
    );
    let code = Code::ResourceExhausted;
    assert_status(client.search_vector(query.clone()).await, code, &message);
    // What is beyond the limit is not read.
    let mut client = with(3000);
    let text = SearchTextRequest {
        query: "x".into(),
        limit: 20,
        ..SearchTextRequest::default()
    };
    let hybrid = SearchHybridRequest {
        query: "x".into(),
        limit: 20,
        ..SearchHybridRequest::default()
    };
    for status in [
        client.search_text(text).await.unwrap_err(),
        client.search_hybrid(hybrid).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), code);
        assert!(
            status
                .message()
                .starts_with("the first 3 of 20 results take "),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_batch_that_broke_off_goes_on_where_it_was() {
    let served = serve();
    let mut client = served.client.clone();
    let items: Vec<_> = (0..2500)
        .map(|i| match i {
            5 => new("bad", &[f32::NAN]),
            _ => new(&format!("item {i}"), &[1.0]),
        })
        .collect();
    // The client vanishes: its stream ends with an error.
    let service = MemoryGrpc::new(served.memories.clone());
    let body = broken_stream(&items[..2300]);
    let mut request = Request::new(body);
    request
        .metadata_mut()
        .insert("x-batch-id", "import-7".parse().unwrap());
    let status = service.batch_store_memories(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    let kept = all(&mut client).await.len();
    assert!(kept == 999 || kept == 1999, "whole chunks: {kept}");

    let response = batch(&mut client, Some("import-7"), items.clone()).await;
    let response = response.unwrap();
    assert_eq!(response.stored_count, 2499);
    assert_eq!(response.failures.len(), 1);
    assert_eq!(response.failures[0].index, 5);
    let contents: Vec<String> = all(&mut client)
        .await
        .into_iter()
        .map(|m| m.content)
        .collect();
    let expected: Vec<String> = items
        .iter()
        .map(|item| item.content.clone())
        .filter(|content| content != "bad")
        .collect();
    assert_eq!(contents, expected);

    // Sent once more, it stores nothing and answers the same.
    let again = batch(&mut client, Some("import-7"), items).await.unwrap();
    assert_eq!(again, response);
    assert_eq!(all(&mut client).await.len(), 2499);
}

/// What the server reads from a client that sends these items and then breaks
/// off in the middle of a message.
fn broken_stream(items: &[StoreMemoryRequest]) -> tonic::Streaming<StoreMemoryRequest> {
    use prost::Message;
    use tonic::codec::Codec;

    let mut bytes = Vec::new();
    for item in items {
        let message = item.encode_to_vec();
        bytes.push(0);
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(message);
    }
    bytes.extend([0, 0, 0, 0, 9, 1]);
    let mut codec = tonic_prost::ProstCodec::<Memory, StoreMemoryRequest>::default();
    tonic::Streaming::new_request(
        codec.decoder(),
        http_body_util::Full::new(bytes::Bytes::from(bytes)),
        None,
        None,
    )
}

#[tokio::test]
async fn two_calls_for_one_batch_do_not_store_it_twice() {
    let served = serve();
    let mut client = served.client.clone();
    let mut other = client.clone();
    let items: Vec<_> = (0..5000).map(|i| new(&i.to_string(), &[1.0])).collect();
    let (one, two) = tokio::join!(
        batch(&mut client, Some("b"), items.clone()),
        batch(&mut other, Some("b"), items.clone()),
    );
    for result in [&one, &two] {
        if let Err(status) = result {
            assert_eq!(status.code(), Code::Aborted, "{status}");
        }
    }
    let last = batch(&mut client, Some("b"), items).await.unwrap();
    assert_eq!(last.stored_count, 5000);
    assert_eq!(all(&mut client).await.len(), 5000);
}

#[tokio::test]
async fn streams_select_and_may_be_left() {
    let served = serve();
    let mut client = served.client.clone();
    let items = (0..1000)
        .map(|i| new(if i % 10 == 0 { "rare" } else { "common" }, &[1.0]))
        .collect();
    batch(&mut client, None, items).await.unwrap();
    for (query, filter, count) in [
        ("", None, 1000),
        ("rare", None, 100),
        ("rare", Some("note"), 100),
        ("", Some("note"), 1000),
        ("", Some("other"), 0),
        ("!!!", None, 0),
        ("absent", None, 0),
    ] {
        let request = StreamMemoriesRequest {
            query: query.into(),
            filters: filter
                .into_iter()
                .map(|value| ("type".into(), value.to_string()))
                .collect(),
        };
        let stream = client.stream_memories(request).await.unwrap().into_inner();
        assert_eq!(stream.count().await, count, "{query} {filter:?}");
    }
    // More streams than there may be at a time, each left after one message.
    for _ in 0..300 {
        let stream = client.stream_memories(StreamMemoriesRequest::default());
        let mut stream = stream.await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
    }
}

struct FixedCalls;

impl CallStatistics for FixedCalls {
    fn methods(&self) -> Vec<MethodStatistics> {
        vec![MethodStatistics {
            method: "a.B/C".into(),
            calls: 3,
            codes: BTreeMap::from([("OK".into(), 2), ("NOT_FOUND".into(), 1)]),
            p50_ms: 0.5,
            p95_ms: 1.5,
            p99_ms: 2.5,
        }]
    }
}

#[tokio::test]
async fn metrics_tell_the_state_of_the_namespace() {
    let mut served = serve();
    let metrics = MetricsGrpc::new(served.memories.clone(), Arc::new(FixedCalls));
    let mut metrics = MetricsClient::new(MetricsServer::new(metrics));
    let figures = metrics.get_metrics(GetMetricsRequest {}).await.unwrap();
    let figures = figures.into_inner();
    assert_eq!((figures.memories_total, figures.dimension), (0, 0));
    served.client.store_memory(new("a", &[])).await.unwrap();
    served
        .client
        .store_memory(new("b", &[1.0, 2.0]))
        .await
        .unwrap();
    let figures = metrics.get_metrics(GetMetricsRequest {}).await.unwrap();
    let figures = figures.into_inner();
    assert_eq!((figures.memories_total, figures.vectors_total), (2, 1));
    assert_eq!(figures.dimension, 2);
    assert!(figures.disk_bytes > 0 && figures.uptime_seconds > 0.0);
    assert_eq!(figures.methods.len(), 1);
    assert_eq!(figures.methods[0].codes["NOT_FOUND"], 1);
    assert_eq!(figures.methods[0].p99_ms, 2.5);
    let elsewhere = with_metadata(GetMetricsRequest {}, "x-namespace", "elsewhere");
    let figures = metrics.get_metrics(elsewhere).await.unwrap().into_inner();
    assert_eq!((figures.memories_total, figures.dimension), (0, 0));
}

#[tokio::test]
async fn a_closed_memory_is_unavailable() {
    let mut served = serve();
    served.memories.close().await.unwrap();
    assert_status(
        served.client.store_memory(new("late", &[])).await,
        Code::Unavailable,
        "the memory store is closed",
    );
}

#[test]
fn the_descriptors_keep_routes_and_comments() {
    let set = portolan_memory::FILE_DESCRIPTOR_SET;
    for text in [
        "somafractalmemory/v1/memory.proto",
        "google/api/annotations.proto",
        "/v1/memories:searchHybrid",
        "A durable memory for agents",
    ] {
        assert!(
            set.windows(text.len()).any(|part| part == text.as_bytes()),
            "{text}"
        );
    }
}
