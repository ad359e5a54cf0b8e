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
use http::Uri;
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
    /// The server's address, in the one form that all its spellings have.
    fn url(&self) -> anyhow::Result<Uri> {
        let server = self.server.as_str();
        let url = if server.contains("://") {
            server.parse()
        } else {
            format!("http://{server}").parse::<Uri>()
        };
        let normal = url.ok().and_then(|url| {
            let (scheme, authority) = (url.scheme()?.as_str(), url.authority()?);
            let scheme = scheme.to_ascii_lowercase();
            if !matches!(scheme.as_str(), "http" | "https") {
                return None;
            }
            let port = match authority.port_u16() {
                Some(port) => port,
                // What stands after the colon is no number.
                None if !authority.as_str().ends_with(authority.host()) => return None,
                None if scheme == "https" => 443,
                None => 80,
            };
            let host = authority.host().to_ascii_lowercase();
            let path = url.path().trim_end_matches('/');
            format!("{scheme}://{host}:{port}{path}").parse().ok()
        });
        normal.with_context(|| {
            format!("`{server}` is not the address of a server; write http://127.0.0.1:50051")
        })
    }

    /// Connects, so that a wrong address is told before any work.
    async fn connect(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from(self.url()?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_one_address_however_it_is_written() {
        let url = |server: &str| {
            let place = Place {
                server: server.to_owned(),
                namespace: Namespace::default(),
            };
            place.url().map(|url| url.to_string())
        };
        for (server, expected) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051/"),
            ("127.0.0.1:50051", "http://127.0.0.1:50051/"),
            ("HTTP://Example.COM/", "http://example.com:80/"),
            ("example.com", "http://example.com:80/"),
            ("https://[::1]", "https://[::1]:443/"),
            ("http://a:1/below/", "http://a:1/below"),
        ] {
            assert_eq!(url(server).unwrap(), expected, "{server}");
        }
        for server in [
            "",
            "not a url",
            "http://",
            "http://a:port",
            "://a",
            "ftp://a",
        ] {
            assert_eq!(
                url(server).unwrap_err().to_string(),
                format!("`{server}` is not the address of a server; write http://127.0.0.1:50051")
            );
        }
    }
}
