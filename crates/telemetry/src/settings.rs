//! Where telemetry goes, and how much of it.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Uri};
use portolan_client::Tls;

use crate::Sampler;

/// How a collector is spoken to (OTLP 1.x).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC, usually at port 4317.
    Grpc,
    /// OTLP/HTTP with protobuf, usually at port 4318.
    Http,
}

/// The choices for [`Telemetry`](crate::Telemetry).
///
/// ```
/// use portolan_telemetry::{Sampler, Settings};
///
/// let mut settings = Settings::new("http://127.0.0.1:4317".parse()?);
/// settings.service_name = "orders".to_owned();
/// settings.sampler = Sampler::ratio(0.1).ok_or("no share")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Settings {
    /// The collector. OTLP/HTTP appends `/v1/traces` and `/v1/metrics`.
    pub endpoint: Uri,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// What goes along with each export, such as an `authorization`.
    pub headers: HeaderMap,
    /// How it is known to be the one, for `https://`.
    pub tls: Tls,
    /// Who tells: `service.name`.
    pub service_name: String,
    /// Which version: `service.version`.
    pub service_version: String,
    /// More of it, such as `deployment.environment.name`.
    pub attributes: Vec<(String, String)>,
    /// Whether spans are exported.
    pub traces: bool,
    /// Which of them.
    pub sampler: Sampler,
    /// Whether figures are exported.
    pub metrics: bool,
    /// How often figures are exported.
    pub metrics_interval: Duration,
    /// How long a span waits for others at most.
    pub delay: Duration,
    /// With how many spans an export is worth while, and how many it has.
    pub batch: usize,
    /// The most spans that wait; further ones are dropped and counted.
    pub queue: usize,
    /// How long one attempt to export may take.
    pub timeout: Duration,
    /// For how long an export is tried again.
    pub patience: Duration,
    /// How long the last exports may hold up the end of the process.
    pub flush_timeout: Duration,
}

impl Settings {
    /// The defaults, which are those of other implementations.
    #[must_use]
    pub fn new(endpoint: Uri) -> Self {
        let protocol = match endpoint.port_u16() {
            Some(4318) => Protocol::Http,
            _ => Protocol::Grpc,
        };
        Self {
            endpoint,
            protocol,
            headers: HeaderMap::new(),
            tls: Tls::new(),
            service_name: "portolan".to_owned(),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            attributes: Vec::new(),
            traces: true,
            sampler: Sampler::all(),
            metrics: true,
            metrics_interval: Duration::from_secs(60),
            delay: Duration::from_secs(5),
            batch: 512,
            queue: 8192,
            timeout: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            flush_timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for Settings {
    /// Headers may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("service_name", &self.service_name)
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The collector's address is none.
    #[error("`{0}` is no collector; write it as http://host:4317 or https://host:4317")]
    Endpoint(Uri),
    /// The way to it cannot be built.
    #[error("the collector cannot be called: {0}")]
    Channel(#[from] portolan_client::BuildError),
    /// The choices for TLS do not work.
    #[error("the collector cannot be called by TLS: {0}")]
    Tls(#[from] portolan_client::TlsError),
}
