//! A server with 100,000 vectors: the memory it takes, and how soon it is back
//! after a restart.

use std::time::Duration;

use anyhow::{Result, ensure};
use benchmark_report::{
    Verdict,
    figures::{median, short, time},
};
use portolan_memory::proto::SearchVectorRequest;

use crate::{
    bench::{Bench, connect},
    sample::{self, DIMENSION},
    server::Server,
    table::Row,
    writes,
};

const MEMORIES: u64 = 100_000;
const SEARCHES: u64 = 100;
const RESTARTS: u64 = 5;
const START_GOAL: Duration = Duration::from_secs(2);

/// At most this many times the raw vectors, and so many bytes more.
const RESIDENT_RATIO: f64 = 1.3;
const RESIDENT_MORE: f64 = 100e6;

/// Resident memory, the start until `listening`, and until the first answer.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.folder("loaded")?;
    let server = bench.start(&folder)?;
    let requests = (0..MEMORIES).map(sample::memory).collect();
    bench
        .runtime
        .block_on(writes::send(server.address(), requests))?;
    bench.runtime.block_on(search(&server, SEARCHES))?;
    let after_load = server.resident()?;
    server.stop()?;

    let (mut listening, mut answering, mut after_start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RESTARTS {
        let server = bench.start(&folder)?;
        listening.push(server.listening().as_secs_f64());
        bench.runtime.block_on(search(&server, 1))?;
        answering.push(server.started().elapsed().as_secs_f64());
        bench.runtime.block_on(search(&server, SEARCHES))?;
        after_start.push(server.resident()?);
        server.stop()?;
    }
    bench.folder("loaded")?;

    let raw = MEMORIES as f64 * DIMENSION as f64 * size_of::<f32>() as f64;
    let goal = RESIDENT_RATIO * raw + RESIDENT_MORE;
    let after_start = median(&after_start);
    let most = after_load.max(after_start);
    let listening = Duration::from_secs_f64(median(&listening));
    let answering = Duration::from_secs_f64(median(&answering));
    let start = |until: &str, took: Duration| Row {
        what: format!("start on 100,000 × {DIMENSION} (files in the page cache) until {until}"),
        ours: time(took),
        peer: "–".into(),
        ratio: "–".into(),
        goal: "< 2 s".into(),
        verdict: Verdict::of(took < START_GOAL),
    };
    Ok(vec![
        Row {
            what: format!(
                "resident memory (VmRSS) with 100,000 × {DIMENSION}, after storing them and \
                 {SEARCHES} searches"
            ),
            ours: format!(
                "{} MB; after a restart {} MB",
                short(after_load / 1e6),
                short(after_start / 1e6)
            ),
            peer: format!("raw vectors: {} MB", short(raw / 1e6)),
            ratio: format!("{:.2}×", most / raw),
            goal: format!("≤ 1.3× + 100 MB = {} MB", short(goal / 1e6)),
            verdict: Verdict::of(most <= goal),
        },
        start("`listening`", listening),
        start("the first search is answered", answering),
    ])
}

async fn search(server: &Server, count: u64) -> Result<()> {
    let mut client = connect(server.address()).await?;
    for seed in 0..count {
        let answer = client
            .search_vector(SearchVectorRequest {
                vector: sample::query(seed),
                ..SearchVectorRequest::default()
            })
            .await?;
        let found = answer.get_ref().memories.len();
        ensure!(found == 10, "a search found {found} memories, not 10");
    }
    Ok(())
}
