//! The front of a gateway: which contracts it serves and what is behind, both
//! replaced while it serves when the upstreams or the configuration change.
//!
//! Sockets are not its business, nor what a protocol is.

mod behind;
pub(crate) mod contracts;
mod entry;
mod refresh;
pub(crate) mod source;
mod union;
pub(crate) mod upstreams;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use portolan_client::Upstreams;
use portolan_gateway::{Gateway, GatewayLayer};
use portolan_schema::http::ServiceConfig;
use portolan_server::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;

use crate::config::Config;
use crate::contracts::Files;
use crate::documented::{Documented, documented};
use crate::live::Live;
use behind::{Behind, Own};
use contracts::Contracts;
use entry::Entry;
use source::{Gathered, Source};
use upstreams::Upstream;
use watched::Watched;

/// What every request goes to.
pub(crate) type Service = Live<Current>;

/// What is served at a time.
type Current = Entry<Documented<Gateway<Behind<Upstreams>>>>;

/// A gateway's front.
pub(crate) struct Front {
    service: Service,
    health: Health,
    stop: CancellationToken,
    refreshing: JoinHandle<()>,
}

impl Front {
    /// Opens it. Contracts of files have to be there and right; those of
    /// upstreams may come later: until then only gRPC passes. `reload` reads
    /// the configuration again.
    pub(crate) async fn open(
        config: Config,
        reload: impl Fn() -> anyhow::Result<Config> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let health = Health::new(Vec::<String>::new());
        let mut state = State::open(config)?;
        // Before anything is waited for: a change meanwhile is to be seen.
        let watched = Watched::new(state.files());
        state.gather().await?;
        let service = Live::new(state.serve(&health)?);
        let stop = CancellationToken::new();
        let refreshing = refresh::Refresh {
            state,
            reload: Box::new(reload),
            service: service.clone(),
            health: health.clone(),
            watched,
            stop: stop.clone(),
        };
        let refreshing = refreshing.start()?;
        Ok(Self {
            service,
            health,
            stop,
            refreshing,
        })
    }

    /// What every request goes to.
    pub(crate) fn service(&self) -> Service {
        self.service.clone()
    }

    /// Whether the gateway takes calls.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// Stops looking for changes.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        // It holds nothing that could be lost.
        let _ = self.refreshing.await;
    }
}

/// The layer that a configuration means, with the contracts as they are now.
///
/// # Errors
/// When there are none: files are wrong, or an upstream does not answer.
pub(crate) async fn layer(config: Config) -> anyhow::Result<GatewayLayer> {
    let mut state = State::open(config)?;
    state.gather().await?;
    if let Some(reason) = state.source.silence() {
        anyhow::bail!("{reason}");
    }
    Ok(state.layer())
}

/// One configuration, with everything that was made of it.
struct State {
    config: Config,
    upstreams: Vec<Upstream>,
    source: Source,
    rules: Vec<ServiceConfig>,
    /// What the contracts were made of.
    gathered: Gathered,
    contracts: Contracts,
}

impl State {
    /// Makes what needs no answer of anybody.
    fn open(config: Config) -> anyhow::Result<Self> {
        let upstreams = config
            .upstreams
            .iter()
            .map(Upstream::open)
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            source: Source::of(&config),
            rules: config.rules()?,
            config,
            upstreams,
            gathered: Gathered::default(),
            contracts: Contracts::none()?,
        })
    }

    /// Gets the contracts; whether they, or who has which service, are others
    /// than before.
    async fn gather(&mut self) -> anyhow::Result<bool> {
        let gathered = self.source.gather(&self.upstreams).await?;
        // To link them costs far more than to compare them, and mostly they are
        // the same.
        if gathered == self.gathered || gathered.parts.is_empty() {
            return Ok(false);
        }
        let everything = |_: &str, _: &str| true;
        self.contracts = Contracts::merge(&gathered.parts, everything, &self.rules, |complaint| {
            tracing::warn!("{complaint}");
        })?;
        self.gathered = gathered;
        Ok(true)
    }

    /// Every file that this was made of, as they are each time.
    fn files(&self) -> impl Fn() -> Vec<PathBuf> + Send + use<> {
        let named = self.config.files();
        let contracts = self.source.files().cloned();
        move || {
            let contracts = contracts.iter().flat_map(Files::watched);
            named.iter().cloned().chain(contracts).collect()
        }
    }

    /// The service for this state of things.
    fn serve(&self, health: &Health) -> anyhow::Result<Current> {
        health.serve_only(self.contracts.services());
        let behind = Behind {
            own: Own::new(health, &self.contracts)?,
            upstreams: upstreams::table(&self.upstreams, &self.gathered.services),
        };
        let nothing_known = self.contracts.services().next().is_none();
        let names = self.upstreams.iter().map(|upstream| upstream.name.as_str());
        let names: Vec<_> = names.collect();
        let services = self.contracts.services().map(str::to_owned);
        Ok(Entry {
            gateway: documented(
                self.layer().layer(behind),
                &self.contracts.schema,
                services.collect(),
                &self.config,
            ),
            waiting_for: nothing_known.then(|| names.join(" and ").into()),
        })
    }

    fn layer(&self) -> GatewayLayer {
        GatewayLayer::with_options(
            Arc::clone(&self.contracts.schema),
            self.config.gateway_options(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use portolan_server::{Listener, Server};

    use super::*;
    use crate::config;

    /// What serves the contracts of a folder, with reflection.
    async fn of_folder(folder: &Path) -> Current {
        let mut config = Config::default();
        config.contracts.proto = Some(vec![folder.into()]);
        let mut state = State::open(config).unwrap();
        assert!(state.gather().await.unwrap());
        state.serve(&Health::new(Vec::<String>::new())).unwrap()
    }

    fn write(folder: &Path, service: &str) {
        let text = format!(
            "syntax = \"proto3\"; package a; message {service}M {{}} \
             service {service} {{ rpc R({service}M) returns ({service}M); }}"
        );
        std::fs::write(folder.join(format!("{service}.proto")), text).unwrap();
    }

    #[tokio::test]
    async fn contracts_are_linked_again_only_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "A");
        let upstream = Live::new(of_folder(folder.path()).await);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut config = Config::default();
        config
            .upstreams
            .push(config::Upstream::at(listener.url().parse().unwrap()));
        let server = Server::new(upstream.clone()).listen(listener);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone().cancelled_owned()));

        let mut state = State::open(config).unwrap();
        assert!(state.gather().await.unwrap(), "at first there were none");
        let schema = Arc::clone(&state.contracts.schema);
        for _ in 0..2 {
            assert!(!state.gather().await.unwrap());
            assert!(Arc::ptr_eq(&schema, &state.contracts.schema));
        }
        write(folder.path(), "B");
        upstream.replace(of_folder(folder.path()).await);
        assert!(state.gather().await.unwrap());
        let services: Vec<_> = state.contracts.services().collect();
        assert_eq!(services, ["a.A", "a.B"]);

        // One that is silent keeps what it told.
        let schema = Arc::clone(&state.contracts.schema);
        stop.cancel();
        let _ = serving.await.unwrap();
        while state.source.silence().is_none() {
            assert!(!state.gather().await.unwrap());
        }
        assert!(Arc::ptr_eq(&schema, &state.contracts.schema));
    }
}
