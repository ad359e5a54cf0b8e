//! `portolan serve`: opens the data folder, puts the services together, serves
//! them, and ends in good order.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use portolan_memory::{Dimension, Metric};
use portolan_server::Server;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{self, Config, Secret};
use crate::flags::{ServerFlags, put, yes};
use crate::guards::guards;
use crate::listening::{self, Listeners};
use crate::opened::{Only, Opened};
use crate::services;
use crate::signals::Signals;
use crate::telemetry;

/// Where to listen, unless told otherwise.
const LISTEN: [&str; 2] = ["127.0.0.1:50051", "127.0.0.1:8080"];

/// How long work that cannot be interrupted, such as a search, may hold up the
/// end of the process.
const LAST_WORK: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan serve --demo\n  \
    portolan serve --only users --listen 127.0.0.1:8080\n  \
    portolan serve --database-file users.url --data /var/lib/portolan\n  \
    portolan serve --listen 10.0.0.7:8080 --data /var/lib/portolan --dimension 768\n  \
    RUST_LOG=warn portolan serve --log-format json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    services: ServiceFlags,

    #[command(flatten)]
    memory: MemoryFlags,
}

/// Which services there are, and where they keep what they know.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Services")]
struct ServiceFlags {
    /// Serve this service alone [default: both]
    #[arg(long, value_name = "SERVICE", value_enum)]
    only: Option<Only>,

    /// The folder that holds everything; made when it is missing [default:
    /// ./portolan-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// What an answered write survives: a power cut, or the end of the process
    /// only [default: fsync]
    #[arg(long, value_name = "HOW", value_enum)]
    durability: Option<DurabilityArgument>,

    /// Start with a corpus of real texts and vectors, and with a few users, when
    /// there is nothing yet
    #[arg(long)]
    demo: bool,

    /// Keep the users in this PostgreSQL database, which other servers may share:
    /// postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full. Others see
    /// the command line: with a password in it, say it in a file
    #[arg(long, value_name = "URL", conflicts_with = "database_file")]
    database: Option<Secret>,

    /// The same, with the URL in this file
    #[arg(long, value_name = "FILE")]
    database_file: Option<PathBuf>,
}

/// The flags of the vector memory.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Memory")]
struct MemoryFlags {
    /// How many components every vector has; by default the first vector stored
    /// in a namespace decides
    #[arg(long, value_name = "N", value_parser = components)]
    dimension: Option<usize>,

    /// How vectors are compared [default: cosine]
    #[arg(long, value_name = "METRIC", value_enum)]
    metric: Option<MetricArgument>,
}

impl ServiceFlags {
    fn put_onto(self, config: &mut Config) {
        put(&mut config.only, self.only);
        put(&mut config.memory.data, self.data);
        put(&mut config.memory.durability, self.durability);
        put(&mut config.memory.demo, yes(self.demo));
        // One of the two says where, and a flag wins over the file.
        if self.database.is_some() || self.database_file.is_some() {
            config.users.database = self.database;
            config.users.database_file = self.database_file;
        }
    }
}

impl MemoryFlags {
    fn put_onto(self, config: &mut config::Memory) {
        put(&mut config.dimension, self.dimension);
        put(&mut config.metric, self.metric);
    }
}

/// The configuration that a command line means.
fn configuration(arguments: Arguments) -> anyhow::Result<Config> {
    let mut config = arguments.server.configuration()?;
    arguments.services.put_onto(&mut config);
    arguments.memory.put_onto(&mut config.memory);
    Ok(config)
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
    let telemetry = telemetry::of(&config)?;

    let guards = tokio::select! {
        guards = guards(&config) => guards?,
        // Keys may be asked for far away.
        () = signals.first() => return Ok(ExitCode::SUCCESS),
    };
    let Some(opened) = Opened::open(&config, &signals).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let metrics = listening::metrics();
    let services = services::compose(&opened, metrics.calls().clone(), &config, &guards)?;
    let health = services.health.clone();
    let mut server = Server::new(services.everywhere)
        .health(services.health)
        .metrics(metrics);
    if let Some(telemetry) = telemetry {
        server = server.telemetry(telemetry);
    }
    let mut serving = pin!(listeners.serve(server, &config, &signals));
    tokio::select! {
        served = &mut serving => served?,
        never = services::follow(&opened, &health) => match never {},
        () = signals.first() => {
            // Running calls may finish, and these never would.
            opened.end_streams();
            serving.await?;
        }
    }
    opened.close().await?;
    Ok(ExitCode::SUCCESS)
}
