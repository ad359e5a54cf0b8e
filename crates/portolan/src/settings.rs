//! From what a configuration says to what the rooms below take.

use std::time::Duration;

use portolan_gateway::{ErrorStyle, Options};
use portolan_schema::http::ServiceConfig;
use portolan_server::{Cors, Limits};
use portolan_transcode::{PrintDefaults, ReadOptions, WriteOptions};

use crate::config::{self, Clients, Config};
use crate::contracts;

/// How long running calls may take to finish, unless told otherwise.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

impl Config {
    /// The choices for a gateway.
    pub(crate) fn gateway_options(&self) -> Options {
        let defaults = Options::default();
        Options {
            max_message_size: self.max_message_size(),
            default_timeout: self.limits.default_timeout.map(|time| time.0),
            // A call that is refused is not to be read before.
            read_on_demand: self.has_guards(),
            read: ReadOptions {
                ignore_unknown: self.json.ignore_unknown.unwrap_or(false),
                ..defaults.read
            },
            write: WriteOptions {
                proto_names: self.json.proto_names.unwrap_or(false),
                print_defaults: match self.json.print_defaults.unwrap_or_default() {
                    config::PrintDefaults::No => PrintDefaults::No,
                    config::PrintDefaults::WithoutPresence => PrintDefaults::WithoutPresence,
                    config::PrintDefaults::All => PrintDefaults::All,
                },
                enums_as_numbers: self.json.enums_as_numbers.unwrap_or(false),
                indent: self.json.indent,
                ..defaults.write
            },
            errors: self.errors.map(ErrorStyle::from),
            named_path: match self.routes.path.as_deref() {
                None => defaults.named_path,
                Some("") => None,
                Some(path) => Some(path.to_owned()),
            },
            base_path: self.routes.base_path.clone().unwrap_or_default(),
            http_methods: self
                .routes
                .http_methods
                .as_ref()
                .map(|methods| methods.iter().map(|method| method.0.clone()).collect()),
            ..defaults
        }
    }

    /// Whether something stands in front of calls that may refuse them.
    fn has_guards(&self) -> bool {
        let limits = &self.limits;
        self.auth.is_some() || limits.rate.is_some() || limits.max_concurrency.is_some()
    }

    /// Which pages of other origins may call.
    pub(crate) fn cors(&self) -> anyhow::Result<Option<Cors>> {
        let cors = self.cors.as_ref().map(config::Cors::settings);
        Ok(cors.transpose()?)
    }

    /// What clients may cost.
    pub(crate) fn limits(&self) -> Limits {
        let Clients {
            max_connections,
            max_streams,
            max_header_size,
            header_timeout,
            body_timeout,
            write_timeout,
            idle_timeout,
            connection_age,
        } = self.limits.clients;
        let mut limits = Limits::default();
        if let Some(connections) = max_connections {
            limits = limits.max_connections(connections);
        }
        if let Some(streams) = max_streams {
            limits = limits.streams(streams);
        }
        if let Some(size) = max_header_size {
            limits = limits.header_bytes(u32::try_from(size.0).unwrap_or(u32::MAX));
        }
        for (time, set) in [
            (
                header_timeout,
                Limits::header_timeout as fn(Limits, Duration) -> Limits,
            ),
            (body_timeout, Limits::body_timeout),
            (write_timeout, Limits::write_timeout),
            (idle_timeout, Limits::idle_timeout),
            (connection_age, Limits::connection_age),
        ] {
            if let Some(time) = time {
                limits = set(limits, time.0);
            }
        }
        limits
    }

    /// The rules of the service configurations, the first before the last.
    pub(crate) fn rules(&self) -> anyhow::Result<Vec<ServiceConfig>> {
        contracts::rules(&self.routes.service_config)
    }

    /// The largest message in bytes.
    pub(crate) fn max_message_size(&self) -> usize {
        let size = self.limits.max_message_size;
        size.map_or(portolan_gateway::DEFAULT_MAX_MESSAGE_SIZE, |size| size.0)
    }

    /// How long running calls may take to finish.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain_timeout.map_or(DRAIN_TIMEOUT, |time| time.0)
    }
}

impl From<config::Errors> for ErrorStyle {
    fn from(errors: config::Errors) -> Self {
        match errors {
            config::Errors::Status => Self::Status,
            config::Errors::Detail => Self::Detail,
            config::Errors::Problem => Self::Problem,
        }
    }
}
