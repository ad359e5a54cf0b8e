//! The front of a gateway: which contracts it serves and what is behind, both
//! replaced while it serves when the upstreams or the configuration change.
//!
//! Sockets are not its business, nor what a protocol is.

mod behind;
pub(crate) mod contracts;
mod entry;
mod refresh;
pub(crate) mod source;
mod told;
mod union;
pub(crate) mod upstreams;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portolan_client::Upstreams;
use portolan_gateway::{Gateway, GatewayLayer};
use portolan_schema::http::ServiceConfig;
use portolan_server::Health;
use portolan_server::interceptor::{Intercepted, InterceptorLayer};
use portolan_telemetry::{Telemetry, Traced};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_layer::Layer;

use crate::config::Config;
use crate::contracts::Files;
use crate::documented::{Documented, documented};
use crate::live::Live;
use behind::{Behind, Own};
use contracts::Contracts;
use entry::{Entry, Unknown};
use source::{Gathered, Source};
use upstreams::{Directory, Upstream};
use watched::Watched;

/// How long a start, or a new configuration, waits for upstreams to tell their
/// contracts; those that take longer are served when they have.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whoever only checks waits for as long as it may take.
const ALL_PATIENCE: Duration = Duration::from_secs(60);

/// What every request goes to.
pub(crate) type Service = Live<Current>;

/// What is served at a time.
type Current = Entry<Documented<Gateway<Intercepted<Behind<Traced<Upstreams>>>>>>;

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
    /// the configuration again, but for what guards calls.
    pub(crate) async fn open(
        config: Config,
        guards: InterceptorLayer,
        telemetry: Option<Telemetry>,
        reload: impl Fn() -> anyhow::Result<Config> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let health = Health::new(Vec::<String>::new());
        let mut state = State::open(config)?.lasting(guards, telemetry);
        // Before anything is waited for: a change meanwhile is to be seen.
        let mut watched = Watched::new(state.files());
        state.gather(PATIENCE).await?;
        // What is imported is known only now.
        watched.follow(state.files());
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

/// The layer that a configuration means, with the contracts as they are now, and
/// what of those is left out.
///
/// # Errors
/// When there are none: files are wrong, or an upstream does not answer.
pub(crate) async fn layer(config: Config) -> anyhow::Result<(GatewayLayer, Vec<String>)> {
    let mut state = State::open(config)?;
    state.gather(ALL_PATIENCE).await?;
    if let Some(reason) = state.source.silence() {
        anyhow::bail!("{reason}");
    }
    Ok((state.layer(), state.left_out))
}

/// One configuration, with everything that was made of it.
struct State {
    config: Config,
    /// Who is told of calls to upstreams.
    telemetry: Option<Telemetry>,
    upstreams: Vec<Upstream>,
    source: Source,
    rules: Vec<ServiceConfig>,
    /// What the contracts were made of.
    gathered: Gathered,
    /// The upstreams that may have more.
    unknown: Vec<String>,
    contracts: Contracts,
    /// What does not go with the others, in sentences.
    left_out: Vec<String>,
    /// What stands in front of every call, for as long as the process runs.
    guards: InterceptorLayer,
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
            source: Source::of(&config, &upstreams),
            rules: config.rules()?,
            config,
            telemetry: None,
            upstreams,
            gathered: Gathered::default(),
            unknown: Vec::new(),
            contracts: Contracts::none()?,
            left_out: Vec::new(),
            guards: InterceptorLayer::new(),
        })
    }

    /// With what stays as it is for as long as the process runs.
    fn lasting(self, guards: InterceptorLayer, telemetry: Option<Telemetry>) -> Self {
        Self {
            guards,
            telemetry,
            ..self
        }
    }

    /// Gets the contracts, for which it waits no longer than that; whether
    /// something is other than before.
    async fn gather(&mut self, at_most: Duration) -> anyhow::Result<bool> {
        let gathered = self.source.gather(at_most).await?;
        self.take(gathered)
    }

    /// Takes contracts; whether they, or who has which service, are others than
    /// before.
    fn take(&mut self, gathered: Gathered) -> anyhow::Result<bool> {
        let unknown = self.source.unknown();
        let is_known = unknown == self.unknown;
        self.unknown = unknown;
        // To link them costs far more than to compare them, and mostly they are
        // the same.
        if gathered == self.gathered || gathered.parts.is_empty() {
            return Ok(!is_known);
        }
        let directory = Directory::new(&self.upstreams, &gathered.services);
        // The contract of a service comes from where its calls go.
        let of_files = self.source.files().is_some();
        let owns =
            |origin: &str, service: &str| of_files || directory.owner(service) == Some(origin);
        let mut left_out = Vec::new();
        self.contracts = Contracts::merge(&gathered.parts, owns, &self.rules, |complaint| {
            tracing::warn!("{complaint}");
            left_out.push(complaint);
        })?;
        self.left_out = left_out;
        self.gathered = gathered;
        Ok(true)
    }

    /// Every file that this was made of, as they are each time.
    fn files(&self) -> impl Fn() -> Vec<PathBuf> + Send + use<> {
        let contracts = self.source.files().cloned();
        let mut named = self.config.files();
        if let Some(files) = &contracts {
            for (_, set) in &self.gathered.parts {
                named.extend(files.named(union::names(set).iter().map(String::as_str)));
            }
        }
        move || {
            let contracts = contracts.iter().flat_map(Files::watched);
            let mut all: Vec<_> = named.iter().cloned().chain(contracts).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
    }

    /// The service for this state of things.
    fn serve(&self, health: &Health) -> anyhow::Result<Current> {
        health.serve_only(self.contracts.services());
        let directory = Directory::new(&self.upstreams, &self.gathered.services);
        let behind = Behind {
            own: Own::new(health, &self.contracts)?,
            upstreams: Traced::new(directory.channels(), self.telemetry.clone()),
        };
        let unknown = if self.contracts.services().next().is_none() {
            let names = self.upstreams.iter().map(|upstream| upstream.name.as_str());
            Unknown::Everything(names.collect::<Vec<_>>().join(" and ").into())
        } else if self.unknown.is_empty() {
            Unknown::Nothing
        } else {
            Unknown::Some(self.unknown.join(" and ").into())
        };
        let services = self.contracts.services().map(str::to_owned);
        Ok(Entry {
            gateway: documented(
                self.layer().layer(self.guards.layer(behind)),
                &self.contracts.schema,
                services.collect(),
                &self.config,
            ),
            unknown,
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

    use portolan_gateway::Body;
    use portolan_server::{Listener, Server};
    use tower_service::Service as _;

    use super::*;
    use crate::config;

    /// What serves the contracts of a folder, with reflection.
    async fn of_folder(folder: &Path) -> Current {
        let mut config = Config::default();
        config.contracts.proto = Some(vec![folder.into()]);
        let mut state = State::open(config).unwrap();
        assert!(state.gather(ALL_PATIENCE).await.unwrap());
        state.serve(&Health::new(Vec::<String>::new())).unwrap()
    }

    impl State {
        /// Asks the upstreams before they are due.
        async fn ask_again(&mut self) -> bool {
            if let Source::Upstreams(told) = &mut self.source {
                told.hurry();
            }
            self.gather(ALL_PATIENCE).await.unwrap()
        }
    }

    /// A server of the contracts of a folder.
    pub(super) struct Running {
        service: Service,
        pub(super) url: String,
        stop: CancellationToken,
        serving: JoinHandle<portolan_server::Drained>,
    }

    impl Running {
        pub(super) async fn of(folder: &Path) -> Self {
            let service = Live::new(of_folder(folder).await);
            let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let url = listener.url();
            let server = Server::new(service.clone()).listen(listener);
            let stop = CancellationToken::new();
            let serving = tokio::spawn(server.serve(stop.clone().cancelled_owned()));
            Self {
                service,
                url,
                stop,
                serving,
            }
        }

        async fn end(self) {
            self.stop.cancel();
            let _ = self.serving.await.unwrap();
        }
    }

    /// A configuration of these upstreams.
    pub(super) fn to<'a>(urls: impl IntoIterator<Item = &'a str>) -> Config {
        let urls = urls.into_iter().map(|url| url.parse().unwrap());
        let mut config = Config::default();
        config.upstreams = urls.map(config::Upstream::at).collect();
        config
    }

    pub(super) fn write(folder: &Path, service: &str) {
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
        let running = Running::of(folder.path()).await;
        let mut state = State::open(to([&*running.url])).unwrap();
        assert!(
            state.gather(ALL_PATIENCE).await.unwrap(),
            "at first there were none"
        );
        let schema = Arc::clone(&state.contracts.schema);
        for _ in 0..2 {
            assert!(!state.ask_again().await);
            assert!(Arc::ptr_eq(&schema, &state.contracts.schema));
        }
        write(folder.path(), "B");
        running.service.replace(of_folder(folder.path()).await);
        assert!(state.ask_again().await);
        let services: Vec<_> = state.contracts.services().collect();
        assert_eq!(services, ["a.A", "a.B"]);

        // One that is silent keeps what it told.
        let schema = Arc::clone(&state.contracts.schema);
        running.end().await;
        while state.source.silence().is_none() {
            assert!(!state.ask_again().await);
        }
        assert!(Arc::ptr_eq(&schema, &state.contracts.schema));
    }

    /// A folder with a `service.proto`.
    fn with_service(package: &str, method: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "syntax = \"proto3\"; package {package}; message M {{}} \
             service S {{ rpc {method}(M) returns (M); }}"
        );
        std::fs::write(folder.path().join("service.proto"), text).unwrap();
        folder
    }

    #[tokio::test]
    async fn servers_with_files_of_one_name_are_both_served() {
        let (a, b) = (with_service("a", "R"), with_service("b", "R"));
        let (a, b) = (Running::of(a.path()).await, Running::of(b.path()).await);
        let mut state = State::open(to([&*a.url, &b.url])).unwrap();
        assert!(state.gather(ALL_PATIENCE).await.unwrap());
        let services: Vec<_> = state.contracts.services().collect();
        assert_eq!(services, ["a.S", "b.S"]);
    }

    #[tokio::test]
    async fn the_contract_of_a_service_is_that_of_the_server_that_is_called() {
        let (old, new) = (with_service("a", "Old"), with_service("a", "New"));
        let (old, new) = (Running::of(old.path()).await, Running::of(new.path()).await);
        let mut config = to([&*old.url, &new.url]);
        for (services, expected) in [(vec![], "/a.S/Old"), (vec!["a.*".to_owned()], "/a.S/New")] {
            config.upstreams[1].services = services;
            let mut state = State::open(config.clone()).unwrap();
            assert!(state.gather(ALL_PATIENCE).await.unwrap());
            let routes = state.layer();
            let paths: Vec<_> = routes
                .routes()
                .map(|route| route.rpc().to_owned())
                .collect();
            assert!(paths.iter().any(|path| path == expected), "{paths:?}");
            let of_a = paths.iter().filter(|path| path.starts_with("/a.S/"));
            assert!(of_a.clone().all(|path| path == expected), "{paths:?}");
        }
    }

    #[tokio::test]
    async fn what_contradicts_another_is_told_to_whoever_checks() {
        let common = |folder: &tempfile::TempDir, package: &str, kind: &str| {
            let common = format!(
                "syntax = \"proto3\"; package common; message Money {{ {kind} units = 1; }}"
            );
            let service = format!(
                "syntax = \"proto3\"; package {package}; import \"common.proto\"; \
                 service S {{ rpc R(common.Money) returns (common.Money); }}"
            );
            std::fs::write(folder.path().join("common.proto"), common).unwrap();
            std::fs::write(folder.path().join("service.proto"), service).unwrap();
        };
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        common(&a, "a", "int64");
        common(&b, "b", "string");
        let (a, b) = (Running::of(a.path()).await, Running::of(b.path()).await);
        let (layer, left_out) = layer(to([&*a.url, &b.url])).await.unwrap();
        let told = format!(
            "the service b.S of {} is left out: common.Money is not the same in {}",
            b.url, a.url
        );
        assert_eq!(left_out, [told]);
        assert!(layer.routes().any(|route| route.rpc() == "/a.S/R"));
        assert!(layer.routes().all(|route| route.rpc() != "/b.S/R"));
    }

    #[tokio::test]
    async fn what_is_imported_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for folder in ["given", "include"] {
            std::fs::create_dir(path(folder)).unwrap();
        }
        let message = |name: &str| format!("syntax = \"proto3\"; package a; message {name} {{}}");
        std::fs::write(path("given/beside.proto"), message("B")).unwrap();
        std::fs::write(path("include/imported.proto"), message("I")).unwrap();
        std::fs::write(path("include/other.proto"), message("O")).unwrap();
        let service = "syntax = \"proto3\"; package a; import \"beside.proto\"; \
                       import \"imported.proto\"; service S { rpc R(B) returns (I); }";
        std::fs::write(path("given/service.proto"), service).unwrap();
        let mut config = Config::default();
        config.contracts.proto = Some(vec![path("given/service.proto")]);
        config.contracts.include = Some(vec![path("include")]);
        let mut state = State::open(config).unwrap();
        assert!(state.gather(PATIENCE).await.unwrap());
        let files = [
            "given/beside.proto",
            "given/service.proto",
            "include/imported.proto",
        ];
        assert_eq!(state.files()(), files.map(path));
    }

    async fn answer(service: &mut Current, path: &str, content_type: &str) -> http::Response<Body> {
        let request = http::Request::post(path).header("content-type", content_type);
        let request = if content_type == "application/grpc" {
            let request = request.version(http::Version::HTTP_2);
            request.body(Body::from(vec![0; 5])).unwrap()
        } else {
            request.body(Body::from(b"{}".to_vec())).unwrap()
        };
        service.call(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_not_found_may_be_that_of_a_silent_upstream() {
        let folder = with_service("a", "R");
        let known = Running::of(folder.path()).await;
        let silent = "http://127.0.0.1:1";
        let mut state = State::open(to([&*known.url, silent])).unwrap();
        let health = Health::new(Vec::<String>::new());
        assert!(state.gather(ALL_PATIENCE).await.unwrap());
        let mut service = state.serve(&health).unwrap();
        for (path, content_type) in [
            ("/b.S/R", "application/json"),
            ("/nowhere", "application/json"),
            ("/nowhere", "text/plain"),
        ] {
            let answer = answer(&mut service, path, content_type).await;
            assert_eq!(answer.status(), 503, "{path}");
            let body = http_body_util::BodyExt::collect(answer.into_body()).await;
            let body = body.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains(silent), "{body}");
        }
        let grpc = answer(&mut service, "/b.S/R", "application/grpc").await;
        assert_eq!(grpc.headers()["grpc-status"], "14");
        // What is known to be there answers for itself.
        let there = answer(&mut service, "/a.S/R", "application/json").await;
        assert_eq!(there.status(), 501);

        // When all are known, what is not found is not there.
        let mut state = State::open(to([&*known.url])).unwrap();
        assert!(state.gather(ALL_PATIENCE).await.unwrap());
        let mut service = state.serve(&health).unwrap();
        let answer = answer(&mut service, "/b.S/R", "application/json").await;
        assert_eq!(answer.status(), 404);
    }
}
