//! The exact vector scan on one thread, beside faiss. Both hold the same
//! vectors and take turns within one run, so that whatever else the machine
//! does meets both.

use std::{
    fs::File,
    hint::black_box,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use benchmark_report::{
    Verdict,
    figures::{median, time},
};
use portolan_memory::{Dimension, Metric, vector::Matrix};
use serde_json::Value;

use crate::{
    bench::Bench,
    sample::{self, DIMENSION},
    table::Row,
};

const ROWS: u64 = 100_000;
const QUERIES: u64 = 20;
const ROUNDS: usize = 25;
const LIMIT: usize = 10;
const GOAL: f64 = 1.2;

/// The row, and what the peer is in one line.
pub(crate) fn measure(bench: &Bench) -> Result<(Row, String)> {
    let dimension = Dimension::new(DIMENSION)?;
    let mut matrix = Matrix::new(dimension, Metric::Cosine);
    let folder = bench.folder("scan")?;
    let (rows, queries) = (folder.join("rows.f32"), folder.join("queries.f32"));
    let mut file = BufWriter::new(File::create(&rows)?);
    for number in 0..ROWS {
        let vector = sample::vector(number);
        write(&mut file, &vector)?;
        matrix.push(i64::try_from(number)?, &vector);
    }
    file.flush()?;
    let searched: Vec<Vec<f32>> = (0..QUERIES).map(sample::query).collect();
    let mut file = BufWriter::new(File::create(&queries)?);
    for query in &searched {
        write(&mut file, query)?;
    }
    file.flush()?;

    let mut faiss = Faiss::start(bench, &rows, &queries)?;
    // One round that does not count warms both up, and compares the answers.
    let (_, theirs) = faiss.round()?;
    let (_, ours) = round(&matrix, &searched);
    let equal = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(round(&matrix, &searched).0);
        their_times.push(faiss.round()?.0);
    }
    let version = faiss.version.clone();
    faiss.stop()?;

    // Each round with the one beside it: what slows one slows the other.
    let pairs = our_times.iter().zip(&their_times);
    let ratios: Vec<f64> = pairs.map(|(ours, theirs)| theirs / ours).collect();
    let ratio = median(&ratios);
    let row = Row {
        what: format!(
            "exact search of 100,000 × {DIMENSION}, one thread, one query at a time, top {LIMIT} \
             ({ROUNDS} rounds of {QUERIES} queries in turns)"
        ),
        ours: middle_and_best(&our_times),
        peer: format!(
            "faiss-cpu `IndexFlatIP`, 1 thread: {}; same ids for {equal} of {QUERIES} queries",
            middle_and_best(&their_times)
        ),
        ratio: format!("{ratio:.2}× as fast"),
        goal: format!("≥ {GOAL}×, same ids"),
        verdict: Verdict::of(ratio >= GOAL && equal == searched.len()),
    };
    Ok((row, version))
}

fn middle_and_best(seconds: &[f64]) -> String {
    let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let [middle, best] = [median(seconds), best].map(Duration::from_secs_f64);
    format!("{} (best round {})", time(middle), time(best))
}

/// The middle of the times of all queries, in seconds, and the ids found.
fn round(matrix: &Matrix, queries: &[Vec<f32>]) -> (f64, Vec<Vec<i64>>) {
    let mut times = Vec::with_capacity(queries.len());
    let mut ids = Vec::with_capacity(queries.len());
    for query in queries {
        let started = Instant::now();
        let found = black_box(matrix.nearest(black_box(query), LIMIT, None));
        times.push(started.elapsed().as_secs_f64());
        ids.push(found.iter().map(|near| near.number).collect());
    }
    (median(&times), ids)
}

/// Writes a vector as the peer reads it.
fn write(file: &mut impl Write, vector: &[f32]) -> Result<()> {
    for component in vector {
        file.write_all(&component.to_le_bytes())?;
    }
    Ok(())
}

/// The peer, in a process of its own that waits for its turns.
struct Faiss {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    version: String,
}

impl Faiss {
    fn start(bench: &Bench, rows: &Path, queries: &Path) -> Result<Self> {
        let mut process = Command::new(&bench.python)
            .arg(bench.root.join("faiss_scan.py"))
            .args([rows, queries])
            .args([DIMENSION.to_string(), LIMIT.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the Python environment of the benchmarks is missing")?;
        let input = process.stdin.take();
        let output = process.stdout.take().expect("stdout is piped above");
        let mut faiss = Self {
            process,
            input,
            output: BufReader::new(output),
            version: String::new(),
        };
        let said = faiss.line()?;
        let part = |name: &str| said[name].as_str().unwrap_or("unknown").to_owned();
        faiss.version = format!(
            "faiss-cpu {}, numpy {}, Python {}",
            part("faiss"),
            part("numpy"),
            part("python")
        );
        Ok(faiss)
    }

    /// The middle of the times of all queries, in seconds, and the ids found.
    fn round(&mut self) -> Result<(f64, Vec<Vec<i64>>)> {
        let input = self.input.as_mut().context("faiss was stopped")?;
        writeln!(input)?;
        let answer = self.line()?;
        let times: Vec<f64> = serde_json::from_value(answer["seconds"].clone())?;
        let ids = serde_json::from_value(answer["ids"].clone())?;
        ensure!(!times.is_empty(), "faiss searched nothing");
        Ok((median(&times), ids))
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("faiss ended; its error is above");
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Ends its input, which ends it.
    fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Faiss {
    fn drop(&mut self) {
        // Both fail only when it has already ended, which is all we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
