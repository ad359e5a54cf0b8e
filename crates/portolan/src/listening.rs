//! What a server does around its service: logs, listeners, their one line on
//! standard output, and an end in good order.

use std::convert::Infallible;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use portolan_server::{BuildInfo, Drained, Listener, Metrics, Server, logging};
use tower_service::Service;

use crate::config::{Config, LogFormat};
use crate::output;
use crate::signals::Signals;

/// Sets up the logs.
pub(crate) fn install_logs(config: &Config) -> anyhow::Result<()> {
    let directives = std::env::var("RUST_LOG").unwrap_or_default();
    let format = match config.log.format.unwrap_or_default() {
        LogFormat::Text => logging::LogFormat::Text,
        LogFormat::Json => logging::LogFormat::Json,
    };
    logging::install(format, logging::filter(&directives)?);
    Ok(())
}

/// Figures that know which build they are of.
pub(crate) fn metrics() -> Metrics {
    Metrics::new(BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Sockets that are bound already.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    scheme: &'static str,
}

impl Listeners {
    /// Binds where the configuration says, or else at the defaults.
    pub(crate) fn bind(config: &Config, defaults: &[&str]) -> anyhow::Result<Self> {
        let addresses = match &config.listen {
            Some(addresses) => addresses.iter().map(|address| address.0).collect(),
            None => defaults
                .iter()
                .map(|text| text.parse())
                .collect::<Result<Vec<_>, _>>()?,
        };
        let listeners = addresses
            .into_iter()
            .map(Listener::bind)
            .collect::<Result<Vec<_>, _>>()?;
        let bound = Self {
            listeners,
            scheme: "http",
        };
        bound.warn_of_strangers();
        Ok(bound)
    }

    /// Says where, and serves until a first signal drains or a second cuts.
    pub(crate) async fn serve<S, B>(
        self,
        mut server: Server<S>,
        signals: &Signals,
    ) -> anyhow::Result<()>
    where
        S: Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<portolan_gateway::BoxError>,
    {
        for listener in self.listeners {
            let (scheme, address) = (self.scheme, listener.address());
            output::result(&format!("listening on {scheme}://{address}"))
                .context("cannot write to standard output")?;
            server = server.listen(listener);
        }
        let Drained { .. } = tokio::select! {
            drained = server.serve(signals.first()) => drained,
            () = signals.second() => {
                tracing::warn!("second signal, running calls are cut");
                Drained { cut: 0 }
            }
        };
        Ok(())
    }

    /// As long as there is no authentication, whoever reaches the port may do
    /// everything.
    fn warn_of_strangers(&self) {
        let open = self
            .listeners
            .iter()
            .map(Listener::address)
            .filter(|address| !address.ip().is_loopback());
        let open: Vec<_> = open.map(|address| address.to_string()).collect();
        if !open.is_empty() {
            output::warning(&format!(
                "{} can be reached from other machines without TLS and without authentication; \
                 listen on 127.0.0.1 unless everyone there may read and change everything",
                open.join(" and ")
            ));
        }
    }
}
