//! Twenty times `kill -9` under write load, over one data folder:
//! what was acknowledged is there afterwards, what was deleted is gone, and
//! what was neither is whole or absent.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use portolan::memory::grpc::BATCH_ID;
use portolan::memory::proto::memory_service_client::MemoryServiceClient;
use portolan::memory::proto::metrics_client::MetricsClient;
use portolan::memory::proto::{
    DeleteMemoryRequest, GetMemoryRequest, GetMetricsRequest, Memory, SearchTextRequest,
    SearchVectorRequest, StoreMemoryRequest, StreamMemoriesRequest,
};
use support::{Folder, Server, portolan};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const ROUNDS: usize = 20;
const WRITERS: usize = 6;
const DIMENSION: u64 = 16;
/// A chunk and a bit: a kill may come between the two.
const BATCH: u64 = 1100;
/// How many memories are searched for after a round; each is also read by id
/// and streamed.
const SEARCHED: usize = 25;

/// SplitMix64: from one number to the next, all of them different.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The memory of a number. Two numbers have two contents and two vectors, and
/// every seventh has no vector.
fn item(number: u64) -> StoreMemoryRequest {
    let mut state = number;
    let vector = (0..DIMENSION)
        .map(|_| (next(&mut state) % 2001) as f32 / 1000.0 - 1.0)
        .collect();
    StoreMemoryRequest {
        content: format!("ship{number} in the harbour"),
        metadata: [
            ("number".into(), number.to_string()),
            ("port".into(), (number % 5).to_string()),
        ]
        .into(),
        vector: if number.is_multiple_of(7) {
            Vec::new()
        } else {
            vector
        },
    }
}

/// Whose memory this is; it has to be whole.
fn number(memory: &Memory) -> u64 {
    let number = memory.metadata["number"].parse().unwrap();
    let StoreMemoryRequest {
        content,
        metadata,
        vector,
    } = item(number);
    assert_eq!(
        (&memory.content, &memory.metadata, &memory.vector),
        (&content, &metadata, &vector)
    );
    number
}

/// What the writers know.
#[derive(Default)]
struct Ledger {
    /// Acknowledged, and not known to be deleted.
    stored: HashMap<String, Memory>,
    /// Ids of which the deletion was acknowledged.
    deleted: HashSet<String>,
    /// Ids of which the deletion was asked for.
    doubtful: HashSet<String>,
    /// Acknowledged in a batch, by id: the answer has no more.
    batched: HashMap<String, u64>,
    /// A batch with an id that was not acknowledged yet: where it starts.
    open: Option<u64>,
    /// How many batches were sent again and acknowledged then.
    resumed: usize,
}

type Shared = Arc<Mutex<Ledger>>;

/// A kill breaks connections; it is no reason to refuse anything.
fn broken(status: &Status) {
    assert!(
        matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
        ),
        "{status}"
    );
}

async fn write(mut client: MemoryServiceClient<Channel>, ledger: Shared, numbers: Arc<AtomicU64>) {
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let memory = match client.store_memory(item(number)).await {
            Ok(memory) => memory.into_inner(),
            Err(status) => return broken(&status),
        };
        let id = memory.id.clone();
        ledger.lock().unwrap().stored.insert(id.clone(), memory);
        if !number.is_multiple_of(3) {
            continue;
        }
        ledger.lock().unwrap().doubtful.insert(id.clone());
        match client
            .delete_memory(DeleteMemoryRequest { id: id.clone() })
            .await
        {
            Ok(_) => {
                let mut ledger = ledger.lock().unwrap();
                ledger.stored.remove(&id);
                ledger.doubtful.remove(&id);
                ledger.deleted.insert(id);
            }
            Err(status) => return broken(&status),
        }
    }
}

/// One batch after the other; the one that a kill broke off first of all, under
/// its old id.
async fn batches(
    mut client: MemoryServiceClient<Channel>,
    ledger: Shared,
    numbers: Arc<AtomicU64>,
) {
    loop {
        let open = ledger.lock().unwrap().open;
        let start = open.unwrap_or_else(|| numbers.fetch_add(BATCH, Ordering::Relaxed));
        ledger.lock().unwrap().open = Some(start);
        let mut request = Request::new(tokio_stream::iter((start..start + BATCH).map(item)));
        request
            .metadata_mut()
            .insert(BATCH_ID, format!("from-{start}").parse().unwrap());
        let answer = match client.batch_store_memories(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return broken(&status),
        };
        assert_eq!(
            (answer.stored_count as u64, answer.ids.len() as u64),
            (BATCH, BATCH)
        );
        assert_eq!(answer.failures, []);
        let mut ledger = ledger.lock().unwrap();
        ledger.batched.extend(answer.ids.into_iter().zip(start..));
        ledger.open = None;
        ledger.resumed += usize::from(open.is_some());
    }
}

async fn all(client: &mut MemoryServiceClient<Channel>) -> HashMap<String, Memory> {
    let mut stream = client
        .stream_memories(StreamMemoriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut all = HashMap::new();
    while let Some(memory) = stream.message().await.unwrap() {
        let twice = all.insert(memory.id.clone(), memory);
        assert_eq!(twice, None);
    }
    all
}

/// Compares what the ledger knows with what the server has.
async fn verify(server: &Server, ledger: &Shared, state: &mut u64, known: &mut HashSet<String>) {
    let mut client = server.memories().await;
    let all = all(&mut client).await;

    let mut numbers = HashSet::new();
    for memory in all.values() {
        assert!(numbers.insert(number(memory)), "stored twice: {memory:?}");
    }
    let deleted: Vec<String> = {
        let mut ledger = ledger.lock().unwrap();
        for (id, number) in std::mem::take(&mut ledger.batched) {
            let memory = all
                .get(&id)
                .unwrap_or_else(|| panic!("{number} of a batch was lost"));
            assert_eq!(memory.metadata["number"], number.to_string());
            ledger.stored.insert(id, memory.clone());
        }
        // A deletion that was not answered was done, or was not.
        for id in std::mem::take(&mut ledger.doubtful) {
            if !all.contains_key(&id) {
                ledger.stored.remove(&id);
                ledger.deleted.insert(id);
            }
        }
        for (id, memory) in &ledger.stored {
            assert_eq!(all.get(id), Some(memory), "lost or changed");
        }
        for id in &ledger.deleted {
            assert!(!all.contains_key(id), "{id} came back");
        }
        // From now on, what was seen stays, acknowledged or not.
        ledger.stored.extend(all.clone());
        ledger.deleted.iter().cloned().collect()
    };

    let figures = MetricsClient::new(server.channel().await)
        .get_metrics(GetMetricsRequest {})
        .await;
    let figures = figures.unwrap().into_inner();
    let vectors = all
        .values()
        .filter(|memory| !memory.vector.is_empty())
        .count();
    assert_eq!(
        (figures.memories_total, figures.vectors_total),
        (all.len() as i64, vectors as i64)
    );

    let fresh: Vec<&Memory> = all
        .values()
        .filter(|memory| !known.contains(&memory.id))
        .collect();
    read_each(&client, fresh.iter().map(|memory| (*memory).clone())).await;
    for _ in 0..SEARCHED.min(fresh.len()) {
        let memory = fresh[next(state) as usize % fresh.len()];
        let words = memory.content.split(' ').next().unwrap();
        let found = by_words(&mut client, words).await;
        assert_eq!(found, std::slice::from_ref(memory));
        if !memory.vector.is_empty() {
            let (found, score) = by_vector(&mut client, &memory.vector).await;
            assert_eq!(&found, memory);
            assert!(score > 0.9999, "{score}");
        }
    }
    for _ in 0..SEARCHED.min(deleted.len()) {
        let id = deleted[next(state) as usize % deleted.len()].clone();
        let status = client
            .get_memory(GetMemoryRequest { id: id.clone() })
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "Memory not found")
        );
        let status = client
            .delete_memory(DeleteMemoryRequest { id })
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
    }
    known.extend(all.into_keys());
    let log = server.log();
    assert!(
        !log.contains("panic") && !log.contains("a commit failed"),
        "{log}"
    );
}

/// Reads each by its id, several at a time.
async fn read_each(client: &MemoryServiceClient<Channel>, memories: impl Iterator<Item = Memory>) {
    let mut reads = JoinSet::new();
    for memory in memories {
        if reads.len() >= 32 {
            reads.join_next().await.unwrap().unwrap();
        }
        let mut client = client.clone();
        reads.spawn(async move {
            let found = client
                .get_memory(GetMemoryRequest {
                    id: memory.id.clone(),
                })
                .await;
            assert_eq!(found.unwrap().into_inner(), memory);
        });
    }
    while let Some(read) = reads.join_next().await {
        read.unwrap();
    }
}

async fn by_words(client: &mut MemoryServiceClient<Channel>, words: &str) -> Vec<Memory> {
    let request = SearchTextRequest {
        query: words.to_owned(),
        ..SearchTextRequest::default()
    };
    client
        .search_text(request)
        .await
        .unwrap()
        .into_inner()
        .memories
}

async fn by_vector(client: &mut MemoryServiceClient<Channel>, vector: &[f32]) -> (Memory, f32) {
    let request = SearchVectorRequest {
        vector: vector.to_vec(),
        limit: 1,
        exact: true,
        ..SearchVectorRequest::default()
    };
    let mut found = client.search_vector(request).await.unwrap().into_inner();
    (found.memories.remove(0), found.scores[0])
}

/// Kills a server that is still reading the log of the last one.
async fn killed_at_the_start(folder: &Folder, after: Duration) {
    let mut command = portolan(["serve", "--listen", "127.0.0.1:0", "--data", &folder.data()]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(after).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_that_was_acknowledged() {
    let mut state = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    // Shown when the test fails.
    println!("the moments of the kills follow from {state}");
    let folder = Folder::new();
    let ledger = Shared::default();
    let numbers = Arc::new(AtomicU64::new(1));
    let mut known = HashSet::new();
    for round in 0..ROUNDS {
        let server = Server::start(&folder, &[]);
        verify(&server, &ledger, &mut state, &mut known).await;
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(write(
                server.memories().await,
                ledger.clone(),
                numbers.clone(),
            ));
        }
        // Every other round, since a batch takes the writer's time from others.
        if round % 2 == 1 {
            let client = server.memories().await;
            writers.spawn(batches(client, ledger.clone(), numbers.clone()));
        }
        let written = || numbers.load(Ordering::Relaxed);
        let before = written();
        tokio::time::sleep(Duration::from_millis(20 + next(&mut state) % 250)).await;
        server.kill();
        while let Some(writer) = writers.join_next().await {
            writer.unwrap();
        }
        println!("round {round}: {} items sent", written() - before);
        if round % 4 == 3 {
            killed_at_the_start(&folder, Duration::from_millis(next(&mut state) % 40)).await;
        }
    }
    let server = Server::start(&folder, &[]);
    verify(&server, &ledger, &mut state, &mut known).await;
    let (stored, deleted, resumed) = {
        let ledger = ledger.lock().unwrap();
        (ledger.stored.clone(), ledger.deleted.len(), ledger.resumed)
    };
    println!(
        "{} stored, {deleted} deleted, {resumed} batches resumed",
        stored.len()
    );
    // Without these the test has not tested what it says.
    assert!(
        stored.len() > 1000 && deleted > 20,
        "{} and {deleted}",
        stored.len()
    );
    read_each(&server.memories().await.clone(), stored.into_values()).await;
    server.stop();
}
