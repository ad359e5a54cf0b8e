//! What a server does around its service: logs, listeners, their one line on
//! standard output, and an end in good order.

use std::convert::Infallible;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use portolan_server::{BuildInfo, Drained, Listener, Metrics, RequestBody, Server, Tls, logging};
use tower_service::Service;

use crate::config::{self, Address, Config, LogFormat};
use crate::output;
use crate::signals::Signals;

/// What is to be done where everybody may call.
const EVERYTHING: &str = "listen on 127.0.0.1 unless everyone there may read and change everything";
/// The same where tokens travel openly.
const TOKENS: &str = "whoever is between can read the tokens: serve by TLS with --tls-cert and \
                      --tls-key, or listen on 127.0.0.1";

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
pub(crate) struct Listeners(Vec<Listener>);

impl Listeners {
    /// Binds where the configuration says, or else at the defaults.
    pub(crate) fn bind(config: &Config, defaults: &[&str]) -> anyhow::Result<Self> {
        let addresses = match &config.listen {
            Some(addresses) => addresses.clone(),
            None => defaults
                .iter()
                .map(|text| text.parse().map_err(anyhow::Error::msg))
                .collect::<anyhow::Result<Vec<_>>>()?,
        };
        let tls = config.tls.as_ref().map(tls).transpose()?;
        let listeners = addresses
            .iter()
            .map(|address| {
                let listener = match address {
                    Address::Tcp(address) => Listener::bind(*address)?,
                    Address::Unix(path) => Listener::unix(path)?,
                };
                Ok(match &tls {
                    Some(tls) => listener.tls(tls.clone()),
                    None => listener,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let bound = Self(listeners);
        bound.warn_of_strangers(config);
        Ok(bound)
    }

    /// Says where, and serves until a first signal drains or a second cuts.
    pub(crate) async fn serve<S, B>(
        self,
        mut server: Server<S>,
        config: &Config,
        signals: &Signals,
    ) -> anyhow::Result<()>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<portolan_gateway::BoxError>,
    {
        server = server
            .limits(config.limits())
            .drain_timeout(config.drain_timeout());
        if let Some(proxies) = &config.trusted_proxies {
            server = server.trust(proxies.iter().map(|proxy| proxy.0));
        }
        if let Some(cors) = config.cors()? {
            server = server.cors(cors);
        }
        for listener in self.0 {
            output::result(&format!("listening on {}", listener.url()))
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

    /// Whoever reaches a port that asks for no certificate may do everything.
    fn warn_of_strangers(&self, config: &Config) {
        let knows_callers = config.auth.is_some();
        let (lacking, advice) = match &config.tls {
            Some(tls) if tls.client_ca.is_some() || knows_callers => return,
            Some(_) => ("without authentication", EVERYTHING),
            None if knows_callers => ("without TLS", TOKENS),
            None => ("without TLS and without authentication", EVERYTHING),
        };
        let addresses = self.0.iter().filter_map(|one| one.address().socket());
        let open = addresses.filter(|address| !address.ip().is_loopback());
        let open: Vec<_> = open.map(|address| address.to_string()).collect();
        if !open.is_empty() {
            output::warning(&format!(
                "{} can be reached from other machines {lacking}; \
                 {advice}",
                open.join(" and ")
            ));
        }
    }
}

/// The certificate of the listeners.
fn tls(config: &config::Tls) -> anyhow::Result<Tls> {
    let tls = Tls::from_files(&config.cert, &config.key)?;
    Ok(match &config.client_ca {
        Some(path) => tls.client_ca(path)?,
        None => tls,
    })
}
