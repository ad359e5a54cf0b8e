//! The section of the file about the gRPC servers behind the gateway.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Time, UpstreamUrl, ranges};

/// One gRPC server, or several that are the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"max_queue": ["max_concurrency"]}))]
pub(crate) struct Upstream {
    /// Where it is.
    pub(crate) url: UpstreamUrl,
    /// Where others are that do the same.
    #[serde(default)]
    pub(crate) and: Vec<UpstreamUrl>,
    /// The services that it has: full names, or `package.*`. By default those
    /// that it names by reflection, or else all that no other upstream has.
    #[serde(default)]
    pub(crate) services: Vec<String>,
    /// How calls are spread over its addresses.
    pub(crate) balance: Option<Balance>,
    /// How it is reached by TLS.
    pub(crate) tls: Option<UpstreamTls>,
    /// Watch the health of each address by `grpc.health.v1.Health`: of this
    /// service, or of the whole server when it is empty. An address that is not
    /// well gets no calls.
    pub(crate) health_check: Option<String>,
    /// When an address whose calls fail is left out for a while; never by
    /// default.
    pub(crate) outliers: Option<Outliers>,
    /// A file with a gRPC service config in JSON: timeouts, retries and their
    /// budget.
    pub(crate) service_config: Option<PathBuf>,
    /// How long making a connection may take.
    #[serde(default, deserialize_with = "ranges::time")]
    pub(crate) connect_timeout: Option<Time>,
    /// How many calls may run at a time; any number by default.
    #[schemars(range(min = 1))]
    #[serde(default, deserialize_with = "ranges::some")]
    pub(crate) max_concurrency: Option<usize>,
    /// How many more may wait when as many run as `max_concurrency` says; none
    /// by default. The others answer RESOURCE_EXHAUSTED.
    pub(crate) max_queue: Option<usize>,
}

impl Upstream {
    /// An upstream of which nothing but its address is said.
    pub(crate) fn at(url: UpstreamUrl) -> Self {
        Self {
            url,
            and: Vec::new(),
            services: Vec::new(),
            balance: None,
            tls: None,
            health_check: None,
            outliers: None,
            service_config: None,
            connect_timeout: None,
            max_concurrency: None,
            max_queue: None,
        }
    }

    /// What single keys do not show to be wrong.
    fn check(&self) -> Result<(), String> {
        if self.max_queue.is_some() && self.max_concurrency.is_none() {
            return Err(format!(
                "max_queue of the upstream {} needs max_concurrency: calls wait only when it says \
                 how many may run; set both or neither",
                self.url.0
            ));
        }
        let tls = self.tls.as_ref();
        if tls.is_some_and(|tls| tls.cert.is_some() != tls.key.is_some()) {
            return Err(format!(
                "the certificate that is shown to the upstream {} needs its key; give both cert \
                 and key",
                self.url.0
            ));
        }
        Ok(())
    }

    /// Its addresses, of which some may be paths.
    pub(super) fn urls(&mut self) -> impl Iterator<Item = &mut UpstreamUrl> {
        std::iter::once(&mut self.url).chain(&mut self.and)
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.iter_mut().flat_map(|tls| {
            [&mut tls.ca, &mut tls.cert, &mut tls.key]
                .into_iter()
                .flatten()
        });
        tls.chain(&mut self.service_config)
    }
}

/// Reads upstreams, and refuses those whose keys do not go together.
pub(super) fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Upstream>, D::Error> {
    let upstreams = Vec::<Upstream>::deserialize(deserializer)?;
    for upstream in &upstreams {
        upstream.check().map_err(D::Error::custom)?;
    }
    Ok(upstreams)
}

/// How calls are spread over addresses.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Balance {
    /// All to the first that can be reached.
    PickFirst,
    /// To each in turn.
    #[default]
    RoundRobin,
    /// To that of two, picked at random, which has fewer calls running.
    LeastRequest,
}

/// How an upstream is reached by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamTls {
    /// Who signs the upstream's certificate, as PEM; by default whom the system
    /// trusts.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that is shown to the upstream, as PEM.
    pub(crate) cert: Option<PathBuf>,
    /// The private key of that, as PEM.
    pub(crate) key: Option<PathBuf>,
    /// The name that the certificate must have; by default the host's.
    pub(crate) server_name: Option<String>,
    /// Whether any certificate is taken. Whoever is between can then read and
    /// change everything.
    pub(crate) insecure: bool,
}

/// When an address that fails is left out for a while.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Outliers {
    /// After how many failures in a row.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::failures")]
    pub(crate) consecutive_failures: u32,
    /// For how long the first time; longer each further time.
    pub(crate) ejection_time: Time,
    /// The most addresses that are left out at a time, in percent.
    #[schemars(range(max = 100))]
    #[serde(deserialize_with = "ranges::percent")]
    pub(crate) max_ejection_percent: u8,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            ejection_time: Time(std::time::Duration::from_secs(30)),
            max_ejection_percent: 50,
        }
    }
}
