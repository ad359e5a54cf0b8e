//! `portolan memory import`: reads a file line by line and stores it chunk by
//! chunk. Each chunk is a batch with a name, so that a chunk whose answer was
//! lost can be sent again and is stored once.

use std::fs::{self, File};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use portolan_memory::grpc::BATCH_ID;
use portolan_memory::proto::BatchStoreMemoriesResponse;
use portolan_memory::proto::memory_service_client::MemoryServiceClient;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;

use super::chunks::{Counted, Found, read};
use super::state::{Failure, Input, Order, State};
use super::{Failed, Place, decompressed};
use crate::lines::MemoryJson;
use crate::output::{self, Progress, Unit, thousands};
use crate::units;

/// How many memories may wait between the reader, the connection and the
/// server.
const QUEUE: usize = 64;

/// The most lines of a chunk: its answer has the ids of all of them, or why they
/// were refused, and has to fit in a message of 4 MiB.
const MOST_CHUNK_LINES: i64 = 50_000;

/// How long the server may say that a chunk is being stored already …
const BUSY_PATIENCE: Duration = Duration::from_secs(30);
/// … and how long to wait before it is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan memory import notes.jsonl\n  \
    portolan memory import backup.jsonl.zst --server http://10.0.0.7:50051 --namespace notes\n  \
    echo '{\"content\": \"hello\"}' | portolan memory import -")]
pub(super) struct Arguments {
    /// The file, compressed with zstd or not; `-` is standard input. A line is
    /// a StoreMemoryRequest in JSON, or a Memory as `export` writes it, whose
    /// id and time are not kept
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    place: Place,

    /// Begin anew, even if an earlier import of this file was not finished
    #[arg(long)]
    restart: bool,

    /// Lines that are sent together, and sent again together after a failure; at
    /// most 50000
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=MOST_CHUNK_LINES))]
    chunk_lines: u32,

    /// The largest message that the server takes; larger memories are reported
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = units::message_size)]
    max_message_size: usize,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.file.display().to_string();
    let mut import = Import::open(&arguments)?;
    let client = MemoryServiceClient::new(arguments.place.connect().await?);
    // Only now: what a mistyped address leaves behind would block the right one.
    import.begin()?;
    let json = Arc::new(MemoryJson::new()?);
    let total = import
        .state_path
        .is_some()
        .then(|| import.state.order.input.bytes());
    let mut progress = Progress::new(total, Unit::Bytes);
    let mut since_progress = Instant::now();
    loop {
        let chunks = import.state.chunks;
        let sent = import
            .send_rest(&arguments, &client, &json, &mut progress)
            .await;
        import.count_seconds();
        if import.state.chunks > chunks {
            since_progress = Instant::now();
        }
        match sent {
            Ok(()) => break,
            // The server is not done yet with a run of ours that was killed.
            Err(error)
                if is_aborted(&error)
                    && import.state_path.is_some()
                    && since_progress.elapsed() < BUSY_PATIENCE =>
            {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(error.context(import.how_far(&name))),
        }
    }
    drop(progress);
    import.finish(&name, arguments.json)
}

fn is_aborted(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Failed>()
        .is_some_and(|failed| failed.code == Code::Aborted)
}

/// An import that runs.
struct Import {
    state: State,
    /// Absent for standard input, which cannot be read again.
    state_path: Option<PathBuf>,
    resumed: bool,
    /// Until when the state's seconds are counted.
    counted: Instant,
}

impl Import {
    /// Finds out what there is to do: all of it, or what an earlier run has left.
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut order = Order {
            server: arguments.place.url()?.to_string(),
            namespace: arguments.place.namespace.as_str().to_owned(),
            input: Input::default(),
            max_message_size: arguments.max_message_size,
        };
        let chunk_lines = u64::from(arguments.chunk_lines);
        if arguments.file == Path::new("-") {
            return Ok(Self {
                state: State::new(order, chunk_lines),
                state_path: None,
                resumed: false,
                counted: Instant::now(),
            });
        }
        let cannot_read = || format!("cannot read {}", arguments.file.display());
        if fs::metadata(&arguments.file)
            .with_context(cannot_read)?
            .is_dir()
        {
            bail!("cannot read {}: it is a folder", arguments.file.display());
        }
        order.input = Input::of(&arguments.file).with_context(cannot_read)?;
        let path = State::path(&arguments.file);
        let earlier = if arguments.restart {
            None
        } else {
            State::load(&path)?
        };
        let resumed = earlier.is_some();
        let state = match earlier {
            Some(state) => {
                state.must_match(&order)?;
                state
            }
            None => State::new(order, chunk_lines),
        };
        Ok(Self {
            state,
            state_path: Some(path),
            resumed,
            counted: Instant::now(),
        })
    }

    /// Saves the state before anything is sent: a next run must know the name
    /// of this import.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.counted = Instant::now();
        match &self.state_path {
            Some(path) if !self.resumed => self.state.save(path),
            _ => Ok(()),
        }
    }

    /// Adds the time since it was last counted.
    fn count_seconds(&mut self) {
        let now = Instant::now();
        self.state.seconds += (now - self.counted).as_secs_f64();
        self.counted = now;
    }

    /// Reads the input from where it was left, and sends it.
    async fn send_rest(
        &mut self,
        arguments: &Arguments,
        client: &MemoryServiceClient<Channel>,
        json: &Arc<MemoryJson>,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let position = Arc::new(AtomicU64::new(0));
        let reader = self.reader(&arguments.file, Arc::clone(&position))?;
        let (sender, mut found) = mpsc::channel(QUEUE);
        let skip = self.state.chunks * self.state.chunk_lines;
        let (chunk_lines, largest) = (self.state.chunk_lines, arguments.max_message_size);
        let json = Arc::clone(json);
        // It ends when the input does, or when nobody wants more of it.
        tokio::task::spawn_blocking(move || {
            read(reader, skip, chunk_lines, largest, &json, &sender);
        });
        while let Some(first) = found.recv().await {
            if !matches!(first, Found::ChunkEnd) {
                self.send_chunk(client.clone(), &arguments.place, first, &mut found)
                    .await?;
            }
            self.state.chunks += 1;
            self.count_seconds();
            if let Some(path) = &self.state_path {
                self.state.save(path)?;
            }
            let stored = self.state.stored;
            progress.set(position.load(Ordering::Relaxed), || {
                format!("{} stored", thousands(stored))
            });
        }
        Ok(())
    }

    /// The input, counting what was read of it.
    fn reader(
        &self,
        file: &Path,
        position: Arc<AtomicU64>,
    ) -> anyhow::Result<Box<dyn BufRead + Send>> {
        let reader = if self.state_path.is_none() {
            decompressed(Counted {
                inner: io::stdin(),
                position,
            })
        } else {
            File::open(file).and_then(|inner| decompressed(Counted { inner, position }))
        };
        reader.with_context(|| format!("cannot read {}", file.display()))
    }

    /// Sends one chunk, which begins with `first`, and takes note of the
    /// answer.
    async fn send_chunk(
        &mut self,
        mut client: MemoryServiceClient<Channel>,
        place: &Place,
        first: Found,
        found: &mut mpsc::Receiver<Found>,
    ) -> anyhow::Result<()> {
        let (items, stream) = mpsc::channel(QUEUE);
        let mut request = place.request(ReceiverStream::new(stream))?;
        let batch = format!("{}-{}", self.state.import, self.state.chunks);
        request.metadata_mut().insert(BATCH_ID, batch.parse()?);
        let mut call = tokio::spawn(async move { client.batch_store_memories(request).await });

        // Position in the batch → line in the file.
        let mut lines = Vec::new();
        let mut bad = Vec::new();
        let mut next = Some(first);
        let mut taken = true;
        loop {
            match next {
                Some(Found::Memory { line, memory }) => {
                    lines.push(line);
                    if items.send(memory).await.is_err() {
                        // The call has ended before its stream.
                        taken = false;
                        break;
                    }
                }
                Some(Found::Bad { line, message }) => bad.push((line, message)),
                Some(Found::Broken { line, error }) => {
                    call.abort();
                    return Err(error).with_context(|| format!("cannot read on after line {line}"));
                }
                Some(Found::ChunkEnd) | None => break,
            }
            next = found.recv().await;
        }
        drop(items);
        let answer = (&mut call).await?;
        let response = answer.map_err(Failed::from)?.into_inner();
        if !taken {
            bail!("the server has answered before it had all memories");
        }
        self.note(&response, &lines, bad)
    }

    /// Counts what became of a chunk, in the order of its lines.
    fn note(
        &mut self,
        response: &BatchStoreMemoriesResponse,
        lines: &[u64],
        mut bad: Vec<(u64, String)>,
    ) -> anyhow::Result<()> {
        for failure in &response.failures {
            let line = usize::try_from(failure.index)
                .ok()
                .and_then(|index| lines.get(index));
            let line = line.context("the server reports a memory that was not sent")?;
            bad.push((*line, failure.message.clone()));
        }
        bad.sort_unstable_by_key(|(line, _)| *line);
        self.state.stored += response.ids.len() as u64;
        for (line, message) in bad {
            self.state.fail(line, message);
        }
        Ok(())
    }

    /// What to say when it stops before the end.
    fn how_far(&self, name: &str) -> String {
        let stored = thousands(self.state.stored);
        let lines = self.state.chunks * self.state.chunk_lines;
        match self.state_path {
            Some(_) => format!(
                "the import of {name} stopped after line {lines} with {stored} memories stored; \
                 run the same command again to go on"
            ),
            None => format!(
                "the import of standard input stopped after line {lines} with {stored} memories stored"
            ),
        }
    }

    /// Sums up.
    fn finish(self, name: &str, json: bool) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.state_path {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        let state = self.state;
        for Failure { line, message } in &state.failures {
            output::complain(&format!("{name}:{line}: {message}"));
        }
        if state.failed > state.failures.len() as u64 {
            output::complain(&format!(
                "… and {} more",
                thousands(state.failed - state.failures.len() as u64)
            ));
        }
        let rate = if state.seconds > 0.0 {
            state.stored as f64 / state.seconds
        } else {
            0.0
        };
        output::result(&if json {
            serde_json::to_string(&Summary {
                stored: state.stored,
                failed: state.failed,
                failures: &state.failures,
                seconds: state.seconds,
                memories_per_second: rate,
                resumed: self.resumed,
            })?
        } else {
            format!(
                "stored {}, failed {}, in {:.1} s ({} a second){}",
                thousands(state.stored),
                thousands(state.failed),
                state.seconds,
                thousands(rate as u64),
                if self.resumed { ", resumed" } else { "" }
            )
        })?;
        Ok(if state.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// The summary, for programs.
#[derive(Serialize)]
struct Summary<'a> {
    stored: u64,
    failed: u64,
    failures: &'a [Failure],
    seconds: f64,
    memories_per_second: f64,
    resumed: bool,
}
