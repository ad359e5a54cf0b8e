//! From what a configuration says to what the rooms below take.

use std::time::Duration;

use portolan_gateway::{ErrorStyle, Options};
use portolan_server::Cors;
use portolan_transcode::{PrintDefaults, ReadOptions, WriteOptions};

use crate::config::{self, Config};

/// How long running calls may take to finish, unless told otherwise.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

impl Config {
    /// The choices for a gateway.
    pub(crate) fn gateway_options(&self) -> Options {
        let defaults = Options::default();
        Options {
            max_message_size: self.max_message_size(),
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

    /// Which pages of other origins may call.
    pub(crate) fn cors(&self) -> anyhow::Result<Option<Cors>> {
        let Some(config) = &self.cors else {
            return Ok(None);
        };
        let origins = config.origins.iter().map(|origin| origin.0.clone());
        let mut cors = Cors::new(origins);
        if config.credentials {
            cors = cors.allow_credentials()?;
        }
        if let Some(age) = config.max_age {
            cors = cors.max_age(age.0);
        }
        Ok(Some(cors))
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
