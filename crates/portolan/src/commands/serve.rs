//! `portolan serve`: opens the data folder, puts the services together, serves
//! them, and ends in good order.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use portolan_memory::{Dimension, Memories, Metric, Settings};
use portolan_server::Server;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{self, Config};
use crate::flags::{ServerFlags, put, yes};
use crate::listening::{self, Listeners};
use crate::signals::Signals;
use crate::{demo, services};

/// Where to listen, unless told otherwise.
const LISTEN: [&str; 2] = ["127.0.0.1:50051", "127.0.0.1:8080"];
/// The data folder, unless told otherwise.
const DATA: &str = "./portolan-data";

/// How long work that cannot be interrupted, such as a search, may hold up the
/// end of the process.
const LAST_WORK: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan serve --demo\n  \
    portolan serve --listen 10.0.0.7:8080 --data /var/lib/portolan --dimension 768\n  \
    RUST_LOG=warn portolan serve --log-format json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    memory: MemoryFlags,
}

/// The flags of the vector memory.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Memory")]
struct MemoryFlags {
    /// The folder that holds everything; made when it is missing [default:
    /// ./portolan-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// How many components every vector has; by default the first vector stored
    /// in a namespace decides
    #[arg(long, value_name = "N", value_parser = components)]
    dimension: Option<usize>,

    /// How vectors are compared [default: cosine]
    #[arg(long, value_name = "METRIC", value_enum)]
    metric: Option<MetricArgument>,

    /// What an answered write survives: a power cut, or the end of the process
    /// only [default: fsync]
    #[arg(long, value_name = "HOW", value_enum)]
    durability: Option<DurabilityArgument>,

    /// Start with a corpus of real texts and vectors when there is nothing yet
    #[arg(long)]
    demo: bool,
}

impl MemoryFlags {
    fn put_onto(self, config: &mut config::Memory) {
        put(&mut config.data, self.data);
        put(&mut config.dimension, self.dimension);
        put(&mut config.metric, self.metric);
        put(&mut config.durability, self.durability);
        put(&mut config.demo, yes(self.demo));
    }
}

/// The configuration that a command line means.
fn configuration(arguments: Arguments) -> anyhow::Result<Config> {
    let mut config = arguments.server.configuration()?;
    arguments.memory.put_onto(&mut config.memory);
    Ok(config)
}

fn settings(config: &config::Memory) -> anyhow::Result<Settings> {
    Ok(Settings {
        data: config.data.clone().unwrap_or_else(|| DATA.into()),
        dimension: config.dimension.map(Dimension::new).transpose()?,
        metric: config.metric.unwrap_or_default().into(),
        durability: config.durability.unwrap_or_default().into(),
    })
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MetricArgument {
    #[default]
    Cosine,
    Dot,
    L2,
}

impl From<MetricArgument> for Metric {
    fn from(argument: MetricArgument) -> Self {
        match argument {
            MetricArgument::Cosine => Self::Cosine,
            MetricArgument::Dot => Self::Dot,
            MetricArgument::L2 => Self::L2,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DurabilityArgument {
    #[default]
    Fsync,
    Os,
}

impl From<DurabilityArgument> for portolan_memory::Durability {
    fn from(argument: DurabilityArgument) -> Self {
        match argument {
            DurabilityArgument::Fsync => Self::Fsync,
            DurabilityArgument::Os => Self::Os,
        }
    }
}

fn components(text: &str) -> Result<usize, String> {
    let components = text
        .parse()
        .map_err(|_| "write a whole number, such as 384".to_owned())?;
    match Dimension::new(components) {
        Ok(_) => Ok(components),
        Err(error) => Err(error.to_string()),
    }
}

/// Serves until a signal comes.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = configuration(arguments)?;
    listening::install_logs(&config)?;
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LAST_WORK);
    served
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    // Before anything is done that a signal should end in good order.
    let signals = Signals::catch()?;
    let listeners = Listeners::bind(&config, &LISTEN)?;

    let demo = config.memory.demo.unwrap_or(false);
    let Some(memories) = open(settings(&config.memory)?, demo, &signals).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    // An answer that the gateway would refuse is not put together first.
    let memories = memories.with_max_answer(config.max_message_size());

    let metrics = listening::metrics();
    let services = services::compose(memories.clone(), metrics.calls().clone(), &config)?;
    let server = Server::new(services.everywhere)
        .health(services.health)
        .metrics(metrics);
    listeners.serve(server, &config, &signals).await?;
    memories.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the data folder and sees to the demo. `None` when a signal came before
/// that was done; what was begun is then as after a crash, and a next start goes
/// on with it.
async fn open(
    settings: Settings,
    demo: bool,
    signals: &Signals,
) -> anyhow::Result<Option<Memories>> {
    let folder = settings.data.clone();
    let opening = tokio::task::spawn_blocking(move || Memories::open(&settings));
    let memories = tokio::select! {
        memories = opening => memories??,
        // The end of the process waits for it a little.
        () = signals.first() => return Ok(None),
    };
    if demo {
        let loaded = tokio::select! {
            loaded = demo::load(&memories, &folder) => Some(loaded),
            () = signals.first() => None,
        };
        let Some(loaded) = loaded else {
            // A second signal need not wait for what is on its way to the disk.
            tokio::select! {
                closed = memories.close() => closed?,
                () = signals.second() => {}
            }
            return Ok(None);
        };
        loaded?;
    }
    Ok(Some(memories))
}
