//! The sections of the file that every server has.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::ranges;
use super::{HttpMethod, PageOrigin, Rate, Secret, Size, Time};

/// Certificates for the listeners.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate and what signed it, as PEM.
    pub(crate) cert: PathBuf,
    /// The certificate's private key, as PEM.
    pub(crate) key: PathBuf,
    /// Who signs the certificates of clients, as PEM: with this every client
    /// has to show one.
    pub(crate) client_ca: Option<PathBuf>,
}

impl Tls {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.cert, &mut self.key]
            .into_iter()
            .chain(&mut self.client_ca)
    }
}

/// Where contracts come from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Contracts {
    /// `.proto` files, or folders of them.
    pub(crate) proto: Option<Vec<PathBuf>>,
    /// Folders in which imports are looked for.
    pub(crate) include: Option<Vec<PathBuf>>,
    /// Encoded descriptor sets, or images of buf.
    pub(crate) descriptors: Option<Vec<PathBuf>>,
    /// How often the upstreams are asked again by reflection; with 0 only when
    /// they are connected to anew. 30s by default.
    pub(crate) refresh: Option<Time>,
}

impl Contracts {
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.proto, &mut self.include, &mut self.descriptors]
            .into_iter()
            .flatten()
            .flatten()
    }
}

/// How paths lead to RPCs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Routes {
    /// `google.api.Service` files with HTTP rules, for contracts that cannot be
    /// changed.
    pub(crate) service_config: Vec<PathBuf>,
    /// Where named routes (`/path/service/method`) begin; empty for none.
    pub(crate) path: Option<String>,
    /// What stands before every route of REST.
    pub(crate) base_path: Option<String>,
    /// The only HTTP methods that automatic and named routes take.
    pub(crate) http_methods: Option<Vec<HttpMethod>>,
}

/// How JSON is read and written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Json {
    /// Fields under the names of the contract instead of lowerCamelCase.
    pub(crate) proto_names: Option<bool>,
    /// Which fields without a value are written.
    pub(crate) print_defaults: Option<PrintDefaults>,
    /// Enums as numbers instead of names.
    pub(crate) enums_as_numbers: Option<bool>,
    /// How many spaces each level is indented by; compact without.
    #[schemars(range(max = 16))]
    #[serde(deserialize_with = "ranges::indent")]
    pub(crate) indent: Option<u8>,
    /// Whether fields that the contract does not have are passed over instead
    /// of refused.
    pub(crate) ignore_unknown: Option<bool>,
}

/// Which fields without a value are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PrintDefaults {
    /// None of them.
    #[default]
    No,
    /// Those that cannot tell absent from default.
    WithoutPresence,
    /// All of them.
    All,
}

/// The form of error bodies on REST routes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Errors {
    /// `google.rpc.Status`: code, message, details.
    Status,
    /// `{"detail": "…"}`.
    Detail,
    /// RFC 9457.
    Problem,
}

/// What is too much.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// The largest message in either direction.
    pub(crate) max_message_size: Option<Size>,
    /// The longest that a call may take when its client names no deadline.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) default_timeout: Option<Time>,
    /// How often each caller may call; as often as it likes by default.
    pub(crate) rate: Option<Rate>,
    /// How many calls may run at a time; any number by default.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) max_concurrency: Option<usize>,
    /// How many more may wait when as many run as `max_concurrency` says; none
    /// by default. The others answer RESOURCE_EXHAUSTED.
    pub(crate) max_queue: Option<usize>,
    /// What a client may cost before it calls anything, and while it does.
    pub(crate) clients: Clients,
}

impl Limits {
    /// Those of calls, which are decided when a server starts.
    pub(super) fn guards(&self) -> (Option<Rate>, Option<usize>, Option<usize>) {
        (self.rate, self.max_concurrency, self.max_queue)
    }
}

/// What a client may cost. All of it is decided when a server starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Clients {
    /// How many connections may be open; 16,384 by default.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) max_connections: Option<usize>,
    /// How many calls one HTTP/2 connection may have open; 1,000 by default.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) max_streams: Option<u32>,
    /// How large the headers of a request may be; 64KiB by default.
    pub(crate) max_header_size: Option<Size>,
    /// How long the head of a request may take; 30s by default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) header_timeout: Option<Time>,
    /// How long a body that has begun may keep a service waiting; 30s by
    /// default, and more for large ones.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) body_timeout: Option<Time>,
    /// How long a client may take nothing of what is ready for it; 5m by
    /// default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) write_timeout: Option<Time>,
    /// How long a connection may stay open without calls; 620s by default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) idle_timeout: Option<Time>,
    /// How old a connection may become; as old as it likes by default.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) connection_age: Option<Time>,
}

/// Which pages of other origins may call (the Fetch standard, CORS).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cors {
    /// Origins such as `https://app.example.com`, `https://*.example.com`, or
    /// `*` for all.
    pub(crate) origins: Vec<PageOrigin>,
    /// Whether browsers may send cookies and credentials.
    pub(crate) credentials: bool,
    /// How long browsers remember what is allowed.
    pub(crate) max_age: Option<Time>,
}

impl Cors {
    /// Reads the section, and refuses what no server would do.
    pub(super) fn checked<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let cors = Option::<Self>::deserialize(deserializer)?;
        if let Some(cors) = &cors {
            cors.settings().map_err(D::Error::custom)?;
        }
        Ok(cors)
    }

    /// What it means for a server.
    ///
    /// # Errors
    /// When any page could send the credentials of its visitors.
    pub(crate) fn settings(&self) -> Result<portolan_server::Cors, portolan_server::Error> {
        let origins = self.origins.iter().map(|origin| origin.0.clone());
        let mut cors = portolan_server::Cors::new(origins);
        if self.credentials {
            cors = cors.allow_credentials()?;
        }
        if let Some(age) = self.max_age {
            cors = cors.max_age(age.0);
        }
        Ok(cors)
    }
}

/// The logs on standard error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Their form.
    pub(crate) format: Option<LogFormat>,
}

/// The form of the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

/// The vector memory of `portolan serve`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// The folder that holds everything, of the users too; made when it is
    /// missing.
    pub(crate) data: Option<PathBuf>,
    /// How many components every vector has.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) dimension: Option<usize>,
    /// How vectors are compared.
    pub(crate) metric: Option<crate::commands::serve::MetricArgument>,
    /// What an answered write survives, of the users too.
    pub(crate) durability: Option<crate::commands::serve::DurabilityArgument>,
    /// Start with a corpus of real texts and vectors, and with a few users, when
    /// there is nothing yet.
    pub(crate) demo: Option<bool>,
}

/// The directory of users of `portolan serve`: in the data folder, unless a
/// database is named.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Users {
    /// The PostgreSQL database that keeps the users, as
    /// `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full`.
    pub(crate) database: Option<Secret>,
    /// A file that has this URL in it, and nothing else.
    pub(crate) database_file: Option<PathBuf>,
    /// The most connections to it, besides one that listens.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::some")]
    pub(crate) connections: Option<usize>,
    /// How long a connection may take to come about.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) connect_timeout: Option<Time>,
    /// How long a statement may take.
    #[serde(deserialize_with = "ranges::time")]
    pub(crate) statement_timeout: Option<Time>,
}
