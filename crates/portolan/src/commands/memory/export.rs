//! `portolan memory export`: streams everything in a namespace into a file,
//! oldest first.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use portolan_memory::proto::memory_service_client::MemoryServiceClient;
use portolan_memory::proto::metrics_client::MetricsClient;
use portolan_memory::proto::{GetMemoryRequest, GetMetricsRequest, Memory, StreamMemoriesRequest};
use serde::Serialize;
use tonic::transport::Channel;
use tonic::{Code, Streaming};

use super::part::{Earlier, Part};
use super::{Failed, Place};
use crate::lines::MemoryJson;
use crate::output::{self, Progress, Unit, thousands};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan memory export backup.jsonl.zst\n  \
    portolan memory export - --namespace notes | head -n 1")]
pub(super) struct Arguments {
    /// The file, compressed with zstd when its name ends with .zst; `-` is
    /// standard output. While it is being written its name ends with .part; if
    /// that is there already, the export goes on after it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    place: Place,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let json = MemoryJson::new()?;
    let channel = arguments.place.connect().await?;
    let started = Instant::now();
    let (earlier, written) = if arguments.file == Path::new("-") {
        (
            0,
            to_standard_output(&arguments.place, channel, &json).await?,
        )
    } else {
        to_file(&arguments, channel, &json).await?
    };
    let summary = Summary {
        exported: earlier + written,
        resumed_after: earlier,
        seconds: started.elapsed().as_secs_f64(),
        memories_per_second: written as f64 / started.elapsed().as_secs_f64(),
    };
    let sentence = if arguments.json {
        serde_json::to_string(&summary)?
    } else {
        summary.sentence()
    };
    if arguments.file == Path::new("-") {
        // Standard output has the memories.
        output::complain(&sentence);
    } else {
        output::result(&sentence)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The summary, for programs.
#[derive(Serialize)]
struct Summary {
    exported: u64,
    resumed_after: u64,
    seconds: f64,
    memories_per_second: f64,
}

impl Summary {
    fn sentence(&self) -> String {
        let resumed = match self.resumed_after {
            0 => String::new(),
            count => format!(", resumed after {}", thousands(count)),
        };
        format!(
            "exported {} in {:.1} s ({} a second){resumed}",
            thousands(self.exported),
            self.seconds,
            thousands(self.memories_per_second as u64)
        )
    }
}

async fn to_standard_output(
    place: &Place,
    channel: Channel,
    json: &MemoryJson,
) -> anyhow::Result<u64> {
    let mut memories = stream(place, channel).await?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    let mut written = 0;
    while let Some(memory) = next(&mut memories).await? {
        line.clear();
        json.write(&memory, &mut line)?;
        match stdout.write_all(&line) {
            // The reader has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(written),
            result => result.context("cannot write to standard output")?,
        }
        written += 1;
    }
    match stdout.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(written),
    }
}

/// How many memories an earlier run has written, and how many this one.
async fn to_file(
    arguments: &Arguments,
    channel: Channel,
    json: &MemoryJson,
) -> anyhow::Result<(u64, u64)> {
    let place = &arguments.place;
    let mut part = Part::open(&arguments.file, json)?;
    let Earlier {
        memories: earlier,
        last,
    } = part.earlier.clone();
    if let Some(last) = &last {
        must_be_here(place, channel.clone(), last, part.unfinished()).await?;
    }
    let mut progress = Progress::new(Some(total(place, channel.clone()).await?), Unit::Memories);
    let mut memories = stream(place, channel).await?;
    let mut written = 0;
    loop {
        let memory = match next(&mut memories).await {
            Ok(Some(memory)) => memory,
            Ok(None) => break,
            Err(error) => {
                // What has come is kept for the next run.
                part.flush()?;
                return Err(error).with_context(|| {
                    format!(
                        "the export to {} stopped after {} memories; run the same command again to go on",
                        arguments.file.display(),
                        thousands(earlier + written)
                    )
                });
            }
        };
        // Ids are in the order of the stream.
        if last.as_ref().is_some_and(|last| memory.id <= *last) {
            continue;
        }
        part.add(|out| json.write(&memory, out))?;
        written += 1;
        progress.set(earlier + written, String::new);
    }
    drop(progress);
    part.finish()?;
    Ok((earlier, written))
}

/// Makes sure that the unfinished file is of this server and namespace.
async fn must_be_here(
    place: &Place,
    channel: Channel,
    last: &str,
    part: &Path,
) -> anyhow::Result<()> {
    let request = place.request(GetMemoryRequest {
        id: last.to_owned(),
    })?;
    let mut client = MemoryServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    match client.get_memory(request).await {
        Ok(_) => Ok(()),
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => bail!(
            "the last memory in {} is not in namespace {} of {}; remove that file to begin anew",
            part.display(),
            place.namespace.as_str(),
            place.server
        ),
        Err(status) => Err(Failed::from(status).into()),
    }
}

async fn total(place: &Place, channel: Channel) -> anyhow::Result<u64> {
    let metrics = MetricsClient::new(channel)
        .get_metrics(place.request(GetMetricsRequest {})?)
        .await;
    let metrics = metrics.map_err(Failed::from)?;
    Ok(metrics
        .into_inner()
        .memories_total
        .try_into()
        .unwrap_or_default())
}

async fn stream(place: &Place, channel: Channel) -> anyhow::Result<Streaming<Memory>> {
    let mut client = MemoryServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let stream = client
        .stream_memories(place.request(StreamMemoriesRequest::default())?)
        .await;
    Ok(stream.map_err(Failed::from)?.into_inner())
}

async fn next(memories: &mut Streaming<Memory>) -> anyhow::Result<Option<Memory>> {
    Ok(memories.message().await.map_err(Failed::from)?)
}
