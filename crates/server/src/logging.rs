//! Where the logs go, and in which form. Which of them to keep is a filter that
//! the caller gives; everything goes to standard error.

use std::io::{IsTerminal, stderr};
use std::panic;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt;

use crate::Error;

/// The form of the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people, coloured on a terminal.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Reads a filter in the form of `RUST_LOG`, such as
/// `info,portolan_gateway=debug`; without a word for everything it is `info`.
///
/// # Errors
/// When it does not parse.
pub fn filter(directives: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives)
        .map_err(|error| Error::LogFilter {
            filter: directives.to_owned(),
            reason: error.to_string(),
        })
}

/// Sends the logs of the whole process to standard error, panics included. To
/// be called once; a second call changes nothing.
pub fn install(format: LogFormat, filter: EnvFilter) {
    let logs = fmt().with_env_filter(filter).with_writer(stderr);
    let installed = match format {
        LogFormat::Text => logs
            .compact()
            .with_ansi(stderr().is_terminal())
            .try_init_quietly(),
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init_quietly(),
    };
    if installed {
        panic::set_hook(Box::new(|panic| {
            let message = crate::edge::recover::message(panic.payload());
            let location = panic.location().map(ToString::to_string);
            tracing::error!(target: "portolan::panic", location, "panicked: {message}");
        }));
    }
}

/// The builders of both forms are different types with the same last step.
trait TryInitQuietly {
    /// Whether this was the first.
    fn try_init_quietly(self) -> bool;
}

impl<N, E, F, W> TryInitQuietly for fmt::SubscriberBuilder<N, E, F, W>
where
    fmt::SubscriberBuilder<N, E, F, W>: Into<tracing::Dispatch>,
{
    fn try_init_quietly(self) -> bool {
        tracing::dispatcher::set_global_default(self.into()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_keeps_info_by_default() {
        assert_eq!(
            filter("").unwrap().max_level_hint(),
            Some(LevelFilter::INFO)
        );
        assert_eq!(
            filter("warn").unwrap().max_level_hint(),
            Some(LevelFilter::WARN)
        );
        let error = filter("portolan=loud").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read the log filter `portolan=loud`: "),
            "{error}"
        );
    }
}
