//! `portolan serve`: opens the data folder, puts the services together, serves
//! them, and ends in good order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use portolan_memory::{Dimension, Memories, Metric, Settings};
use portolan_server::{BuildInfo, Drained, Listener, Metrics, Server, logging};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{demo, output, services, units};

/// How long work that cannot be interrupted, such as a search, may hold up the
/// end of the process.
const LAST_WORK: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan serve --demo\n  \
    portolan serve --listen 10.0.0.7:8080 --data /var/lib/portolan --dimension 768\n  \
    RUST_LOG=warn portolan serve --log-format json")]
pub(crate) struct Arguments {
    /// Where to listen; every listener speaks every protocol. May be repeated;
    /// port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_values = ["127.0.0.1:50051", "127.0.0.1:8080"])]
    listen: Vec<SocketAddr>,

    /// The folder that holds everything; made when it is missing
    #[arg(long, value_name = "FOLDER", default_value = "./portolan-data")]
    data: PathBuf,

    /// How many components every vector has; by default the first vector stored
    /// in a namespace decides
    #[arg(long, value_name = "N", value_parser = dimension)]
    dimension: Option<Dimension>,

    /// How vectors are compared
    #[arg(long, value_name = "METRIC", value_enum, default_value_t)]
    metric: MetricArgument,

    /// What an answered write survives: a power cut, or the end of the process
    /// only
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    durability: DurabilityArgument,

    /// The largest message in either direction
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = units::message_size)]
    max_message_size: usize,

    /// How long running calls may take to finish after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration)]
    drain_timeout: Duration,

    /// The form of the logs on standard error; RUST_LOG chooses which to keep
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormatArgument,

    /// Start with a corpus of real texts and vectors when there is nothing yet
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum MetricArgument {
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

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum DurabilityArgument {
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

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormatArgument {
    #[default]
    Text,
    Json,
}

impl From<LogFormatArgument> for logging::LogFormat {
    fn from(argument: LogFormatArgument) -> Self {
        match argument {
            LogFormatArgument::Text => Self::Text,
            LogFormatArgument::Json => Self::Json,
        }
    }
}

fn dimension(text: &str) -> Result<Dimension, String> {
    let components = text
        .parse()
        .map_err(|_| "write a whole number, such as 384".to_owned())?;
    Dimension::new(components).map_err(|error| error.to_string())
}

/// Serves until a signal comes.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let directives = std::env::var("RUST_LOG").unwrap_or_default();
    logging::install(arguments.log_format.into(), logging::filter(&directives)?);
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(arguments));
    runtime.shutdown_timeout(LAST_WORK);
    served
}

async fn serve(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Before anything is done that a signal should end in good order.
    let signals = Signals::catch()?;
    let listeners = arguments
        .listen
        .iter()
        .map(|address| Listener::bind(*address))
        .collect::<Result<Vec<_>, _>>()?;
    warn_of_strangers(&listeners);

    let settings = Settings {
        data: arguments.data,
        dimension: arguments.dimension,
        metric: arguments.metric.into(),
        durability: arguments.durability.into(),
    };
    let Some(memories) = open(settings, arguments.demo, &signals).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    // An answer that the gateway would refuse is not put together first.
    let memories = memories.with_max_answer(arguments.max_message_size);

    let metrics = Metrics::new(BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
    });
    let services = services::compose(
        memories.clone(),
        metrics.calls().clone(),
        arguments.max_message_size,
    )?;
    let mut server = Server::new(services.everywhere)
        .health(services.health)
        .metrics(metrics)
        .drain_timeout(arguments.drain_timeout);
    for listener in listeners {
        output::result(&format!("listening on http://{}", listener.address()))
            .context("cannot write to standard output")?;
        server = server.listen(listener);
    }

    let Drained { .. } = tokio::select! {
        drained = server.serve(signals.first()) => drained,
        () = signals.second() => {
            tracing::warn!("second signal, running calls are cut");
            Drained { cut: 0 }
        }
    };
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

/// As long as there is neither TLS nor authentication, whoever reaches the port
/// may do everything.
fn warn_of_strangers(listeners: &[Listener]) {
    let open = listeners
        .iter()
        .map(Listener::address)
        .filter(|address| !address.ip().is_loopback());
    let open: Vec<_> = open.map(|address| address.to_string()).collect();
    if !open.is_empty() {
        output::warning(&format!(
            "{} can be reached from other machines without TLS and without authentication; \
             listen on 127.0.0.1 unless everyone there may read and change everything",
            open.join(" and ")
        ));
    }
}

/// The signals that end a server, counted from the moment on in which they are
/// caught: nobody has to be waiting when one comes.
struct Signals {
    count: watch::Receiver<usize>,
    counting: JoinHandle<()>,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        let mut terminate = catch(SignalKind::terminate())?;
        let mut interrupt = catch(SignalKind::interrupt())?;
        let (counter, count) = watch::channel(0);
        let counting = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                counter.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count, counting })
    }

    async fn first(&self) {
        self.reach(1).await;
    }

    async fn second(&self) {
        self.reach(2).await;
    }

    /// Waits until so many have come, from the beginning on.
    async fn reach(&self, signals: usize) {
        let mut count = self.count.clone();
        // The one who counts lives as long as `self`.
        let _ = count.wait_for(|count| *count >= signals).await;
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.counting.abort();
    }
}
