//! Where the logs go, and in which form. Which of them to keep is a filter that
//! the caller gives; everything goes to standard error.

use std::backtrace::Backtrace;
use std::io::{IsTerminal, stderr};
use std::panic;

use tracing::Dispatch;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::{self, MakeWriter};

use crate::Error;
use crate::edge::access_log;
use crate::outlet::Outlet;

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
///
/// Lines of the access log may come 20 ms late, and those of the last moment are
/// lost when the process is killed; every other line is written at once.
pub fn install(format: LogFormat, filter: EnvFilter) {
    let coloured = format == LogFormat::Text && stderr().is_terminal();
    let logs = dispatch(format, coloured, filter, Outlet);
    if tracing::dispatcher::set_global_default(logs).is_err() {
        return;
    }
    Outlet::open();
    if !coloured {
        access_log::write_directly(format, Outlet);
    }
    panic::set_hook(Box::new(|panic| {
        let message = crate::edge::recover::message(panic.payload());
        let location = panic.location().map(ToString::to_string);
        // Whoever reads of it later cannot ask for the way there any more.
        let backtrace = Backtrace::force_capture();
        tracing::error!(
            target: "portolan::panic",
            location,
            %backtrace,
            "panicked: {message}"
        );
    }));
}

/// Lines of this form for this writer.
pub(crate) fn dispatch<W>(
    format: LogFormat,
    coloured: bool,
    filter: EnvFilter,
    writer: W,
) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let logs = fmt::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => logs.compact().with_ansi(coloured).into(),
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .into(),
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
