//! The section of the file about telemetry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Collector, Time, ranges};

/// What a collector of OpenTelemetry is told.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// The collector; without one there is no telemetry.
    pub(crate) endpoint: Option<Collector>,
    /// How it is spoken to; `http` at port 4318, else `grpc`.
    pub(crate) protocol: Option<OtlpProtocol>,
    /// What goes along with each export, such as an `authorization`.
    #[serde(deserialize_with = "headers")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) headers: HeaderMap,
    /// Who signs the collector's certificate, as PEM; by default whom browsers
    /// trust.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that is shown to the collector, as PEM.
    pub(crate) cert: Option<PathBuf>,
    /// The private key of that, as PEM.
    pub(crate) key: Option<PathBuf>,
    /// The name under which the collector knows this server; `portolan` by
    /// default.
    pub(crate) service_name: Option<String>,
    /// More that is said of this server, such as `deployment.environment.name`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Whether traces are sent; they are by default.
    pub(crate) traces: Option<bool>,
    /// The share of traces that is recorded, of those that begin here; all by
    /// default.
    #[schemars(range(min = 0, max = 1))]
    #[serde(deserialize_with = "ranges::share")]
    pub(crate) trace_ratio: Option<f64>,
    /// Whether the share holds for traces that began elsewhere too, for servers
    /// that strangers call.
    pub(crate) ignore_parents: Option<bool>,
    /// The most spans that wait for the collector; further ones are dropped.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) max_queue: Option<u32>,
    /// Whether metrics are sent; they are by default.
    pub(crate) metrics: Option<bool>,
    /// How often metrics are sent; 60s by default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) metrics_interval: Option<Time>,
    /// How long one export may take; 10s by default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) timeout: Option<Time>,
}

impl Telemetry {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.ca, &mut self.cert, &mut self.key]
            .into_iter()
            .flatten()
    }
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtlpProtocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    Http,
}

/// Headers, whose values may be secrets.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
    let header = |(name, value): (String, String)| {
        header(&name, &value)
            .ok_or_else(|| D::Error::custom(format!("`{name}` and its value are no header")))
    };
    pairs.into_iter().map(header).collect()
}

/// A header that no log shows.
pub(crate) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = name.trim().parse().ok()?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
