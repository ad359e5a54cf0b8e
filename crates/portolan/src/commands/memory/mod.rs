//! `portolan memory`: memories in and out of a running server, as a file with
//! one in JSON on each line. What the two directions share is here.

mod chunks;
mod export;
mod import;
mod part;
mod state;

use std::io::{BufRead, BufReader, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use portolan_memory::Namespace;
use portolan_memory::grpc::NAMESPACE;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// The first bytes of every zstd frame (RFC 8878 §3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How long to try to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is tried, to notice a server that is gone
/// without a word.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How much may be on its way before we read it.
const WINDOW: u32 = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan memory export backup.jsonl.zst\n  \
    portolan memory import backup.jsonl.zst --namespace copy")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    direction: Direction,
}

#[derive(Debug, Subcommand)]
enum Direction {
    /// Store the memories of a file on a running server
    Import(import::Arguments),
    /// Write the memories of a running server into a file
    Export(export::Arguments),
}

/// Where the memories are.
#[derive(Debug, clap::Args)]
struct Place {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    server: String,

    /// The namespace on the server
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = namespace)]
    namespace: Namespace,
}

fn namespace(text: &str) -> Result<Namespace, String> {
    Namespace::new(text).map_err(|error| error.to_string())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let end = match arguments.direction {
        Direction::Import(arguments) => runtime.block_on(import::run(arguments)),
        Direction::Export(arguments) => runtime.block_on(export::run(arguments)),
    };
    // A thread that waits for standard input must not hold us up.
    runtime.shutdown_background();
    end
}

impl Place {
    /// Connects, so that a wrong address is told before any work.
    async fn connect(&self) -> anyhow::Result<Channel> {
        let url = if self.server.contains("://") {
            self.server.clone()
        } else {
            format!("http://{}", self.server)
        };
        let endpoint = Endpoint::from_shared(url)
            .with_context(|| {
                format!(
                    "`{}` is not the address of a server; write http://127.0.0.1:50051",
                    self.server
                )
            })?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        let channel = endpoint.connect().await;
        channel.map_err(|error| {
            anyhow::anyhow!(
                "cannot reach {}: {}; start it with `portolan serve`",
                self.server,
                reason(&error)
            )
        })
    }

    /// A request in this namespace.
    fn request<T>(&self, message: T) -> anyhow::Result<tonic::Request<T>> {
        let mut request = tonic::Request::new(message);
        let name: MetadataValue<Ascii> = self.namespace.as_str().parse()?;
        request.metadata_mut().insert(NAMESPACE, name);
        Ok(request)
    }
}

/// The last cause, which is the one that says something.
fn reason(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// A call that failed: why. What was lost, and what to do, is the caller's to
/// add.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
struct Failed {
    code: Code,
    sentence: String,
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        let code = status.code();
        let sentence = match std::error::Error::source(&status) {
            // There is no answer at all.
            Some(source) => format!("the connection broke: {}", reason(source)),
            None => {
                let name = portolan_gateway::Code::from_number(code as i32);
                format!("the server says {name}: {}", status.message())
            }
        };
        Self { code, sentence }
    }
}

/// Reads what may be compressed.
fn decompressed<R: Read + Send + 'static>(reader: R) -> std::io::Result<Box<dyn BufRead + Send>> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    Ok(if reader.fill_buf()?.starts_with(&ZSTD) {
        Box::new(BufReader::with_capacity(
            1 << 16,
            zstd::Decoder::with_buffer(reader)?,
        ))
    } else {
        Box::new(reader)
    })
}
