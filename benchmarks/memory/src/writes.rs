//! Durable writes over gRPC: what group commit makes of many clients, and how
//! far a batch is from the same store without a network.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use benchmark_report::{
    Verdict,
    figures::{median, rate, time},
};
use futures_util::stream;
use portolan_memory::{
    Memories, Namespace, NewMemory, Settings, Vector, proto::StoreMemoryRequest,
};
use tokio::task::JoinSet;

use crate::{
    bench::{Bench, connect},
    disk,
    sample::{self, DIMENSION},
    table::Row,
    thin::{Call, Client},
};

const STORE: &str = "somafractalmemory.v1.MemoryService/StoreMemory";

/// How long clients store in each round, and how many each at most.
const STORING: Duration = Duration::from_secs(3);
const STORES: u64 = 100_000;
const CLIENTS: u64 = 64;
const ROUNDS: u64 = 3;
const GROUP_GOAL: f64 = 10.0;

const BATCH: u64 = 50_000;
const BATCH_GOAL: f64 = 20_000.0;
const BATCH_RATIO: f64 = 2.0;

/// One client beside many, each storing one memory at a time.
pub(crate) fn group_commit(bench: &Bench) -> Result<Row> {
    let folder = bench.folder("stores")?;
    let server = bench.start(&folder)?;
    // All clients in one thread, which is then never woken by another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut alone, mut together, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        syncs.push(disk::sync_time(&folder)?.as_secs_f64());
        let seed = round * (CLIENTS + 1);
        alone.push(runtime.block_on(store(server.address(), 1, seed))?);
        together.push(runtime.block_on(store(server.address(), CLIENTS, seed + 1))?);
    }
    server.stop()?;
    let (alone, together) = (median(&alone), median(&together));
    let sync = Duration::from_secs_f64(median(&syncs));
    let ratio = together / alone;
    Ok(Row {
        what: format!(
            "durable `StoreMemory` over gRPC, {CLIENTS} clients, each with a connection of its own"
        ),
        ours: rate(together),
        peer: format!(
            "1 client: {}; a bare fsync there: {} ({})",
            rate(alone),
            time(sync),
            disk::filesystem(&folder)
        ),
        ratio: format!("{ratio:.1}×"),
        goal: format!("≥ {GROUP_GOAL}×"),
        verdict: Verdict::of(ratio >= GROUP_GOAL),
    })
}

/// Memories a second that so many clients store, one after the other each.
async fn store(address: &str, clients: u64, seed: u64) -> Result<f64> {
    let mut connected = Vec::new();
    for client in 0..clients {
        let memory = sample::memory(seed + client);
        let call = Call::new(address, STORE, &memory)?;
        let mut client = Client::connect(address).await?;
        client.repeat(&call, |made| made < 1).await?;
        connected.push((client, call));
    }
    let started = Instant::now();
    let mut storing = JoinSet::new();
    for (mut client, call) in connected {
        storing.spawn(async move {
            let goes_on = |made| made < STORES && started.elapsed() < STORING;
            client.repeat(&call, goes_on).await
        });
    }
    let mut stored = 0;
    while let Some(client) = storing.join_next().await {
        stored += client??;
    }
    Ok(stored as f64 / started.elapsed().as_secs_f64())
}

/// One long batch over gRPC beside the same batch into the same store in this
/// process.
pub(crate) fn batch(bench: &Bench) -> Result<Row> {
    let requests: Vec<StoreMemoryRequest> = (0..BATCH).map(sample::memory).collect();
    let (mut remote, mut local) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = bench.folder("batch")?;
        let server = bench.start(&folder)?;
        remote.push(
            bench
                .runtime
                .block_on(send(server.address(), requests.clone()))?,
        );
        server.stop()?;
        let folder = bench.folder("batch")?;
        local.push(bench.runtime.block_on(keep(&folder, requests.clone()))?);
    }
    let (remote, local) = (median(&remote), median(&local));
    let ratio = remote / local;
    Ok(Row {
        what: format!(
            "`BatchStoreMemories` over gRPC, one stream of 50,000 × {DIMENSION}, durable"
        ),
        ours: rate(remote),
        peer: format!(
            "the same store in process, without network: {}",
            rate(local)
        ),
        ratio: format!("{ratio:.2}×"),
        goal: format!("≥ 20,000/s or ≥ {:.1}×", 1.0 / BATCH_RATIO),
        verdict: Verdict::of(remote >= BATCH_GOAL || ratio >= 1.0 / BATCH_RATIO),
    })
}

/// Sends a batch, and says how many memories a second were stored durably.
pub(crate) async fn send(address: &str, requests: Vec<StoreMemoryRequest>) -> Result<f64> {
    let mut client = connect(address).await?;
    let count = requests.len();
    let started = Instant::now();
    let answer = client.batch_store_memories(stream::iter(requests)).await?;
    let took = started.elapsed();
    ensure!(
        usize::try_from(answer.get_ref().stored_count) == Ok(count),
        "the server stored {} of {count}",
        answer.get_ref().stored_count
    );
    Ok(count as f64 / took.as_secs_f64())
}

/// Stores a batch in this process.
async fn keep(folder: &Path, requests: Vec<StoreMemoryRequest>) -> Result<f64> {
    let memories = Memories::open(&Settings::new(folder.join("data")))?;
    let items = requests
        .into_iter()
        .map(|request| {
            Ok(NewMemory {
                content: request.content,
                metadata: request.metadata,
                vector: Some(Vector::new(request.vector)?),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let count = items.len();
    let started = Instant::now();
    let mut batch = memories.batch(&Namespace::default(), None).await?;
    for item in items {
        batch.push(Ok(item)).await?;
    }
    let outcome = batch.finish().await?;
    let took = started.elapsed();
    ensure!(outcome.ids.len() == count, "not everything was stored");
    memories.close().await.context("the store does not close")?;
    Ok(count as f64 / took.as_secs_f64())
}
