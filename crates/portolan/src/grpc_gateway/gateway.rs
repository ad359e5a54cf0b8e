//! The gateway: serves its port, and hands its services to others.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portolan_gateway::{GatewayLayer, Options};
use portolan_schema::Schema;
use portolan_server::interceptor::InterceptorLayer;
use portolan_server::{Drained, Health, Listener, Metrics, Recover, Server, Tls};
use portolan_telemetry::Telemetry;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower_layer::Layer;

use super::in_process::Guarded;
use super::path::BasePath;
use super::services::Services;
use super::{Error, GrpcGatewayBuilder, InProcess, routes};

/// Services with a port of their own, and with named HTTP routes for an app.
///
/// ```
/// use portolan::grpc_gateway::GrpcGateway;
/// use portolan::server::Health;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), portolan::grpc_gateway::Error> {
/// let gateway = GrpcGateway::new("/grpc")
///     .service(Health::new(["greeter.Greeter"]).service())
///     .descriptors(Health::FILE_DESCRIPTOR_SET)
///     .port(0)
///     .build()?;
/// let address = gateway.startup().await?;
/// assert_eq!(gateway.local_address(), Some(address));
/// assert_eq!(gateway.local_url(), Some(format!("http://{address}")));
///
/// let drained = gateway.shutdown().await;
/// assert_eq!(drained.map(|drained| drained.cut), Some(0));
/// assert_eq!(gateway.local_address(), None);
/// # Ok(())
/// # }
/// ```
///
/// Clones are the same gateway. When the last one is dropped, what
/// [`startup`](Self::startup) started ends as [`shutdown`](Self::shutdown)
/// would end it, only that nobody waits for it.
#[derive(Clone)]
pub struct GrpcGateway(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Every protocol, on the gateway's own port.
    layer: GatewayLayer,
    running: Mutex<Option<Running>>,
}

/// What a gateway is made of.
pub(super) struct Parts {
    pub(super) schema: Arc<Schema>,
    /// Those that were given.
    pub(super) services: Services,
    /// Those, and what the gateway adds on its own port.
    pub(super) behind: Services,
    pub(super) path: BasePath,
    pub(super) expose_http: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) metrics: Metrics,
    pub(super) interceptors: InterceptorLayer,
    pub(super) telemetry: Option<Telemetry>,
    pub(super) options: Options,
}

impl Parts {
    /// The layer that makes the services speak every protocol.
    fn everything(&self) -> GatewayLayer {
        let mut options = self.options.clone();
        options.named_path = self.expose_http.then(|| self.path.as_str().to_owned());
        GatewayLayer::with_options(Arc::clone(&self.schema), options)
    }

    /// The same for named routes only, below `base`.
    #[cfg(feature = "axum")]
    fn named_only(&self, base: &BasePath) -> GatewayLayer {
        let mut options = self.options.clone();
        options.base_path = base.as_str().to_owned();
        options.rules = false;
        options.auto = false;
        options.named_path = Some(self.path.as_str().to_owned());
        GatewayLayer::with_options(Arc::clone(&self.schema), options)
    }
}

/// The named routes of a gateway in an app.
#[cfg(feature = "axum")]
pub(super) struct NamedRoutes {
    /// What answers at each.
    pub(super) service: InProcess,
    /// The paths, each with the full name of its RPC.
    pub(super) routes: Vec<(String, String)>,
}

/// A port that is served.
struct Running {
    address: SocketAddr,
    /// Sent or dropped, it begins the end.
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl GrpcGateway {
    /// Begins a gateway whose named routes are below `path`, such as `/grpc`.
    #[expect(
        clippy::new_ret_no_self,
        reason = "it reads as the constructor with named arguments that it stands for"
    )]
    pub fn new(path: impl Into<String>) -> GrpcGatewayBuilder {
        GrpcGatewayBuilder::new(path.into())
    }

    pub(super) fn of(parts: Parts) -> Result<Self, Error> {
        let layer = parts.everything();
        if parts.expose_http {
            routes::named(&layer, &parts.services)?;
        }
        Ok(Self(Arc::new(Inner {
            parts,
            layer,
            running: Mutex::new(None),
        })))
    }

    /// Serves the gateway's own port: gRPC, gRPC-Web, Connect and REST/JSON,
    /// over HTTP/1.1 and HTTP/2, with health checks and reflection. Returns as
    /// soon as clients can connect, with the address.
    ///
    /// # Errors
    /// When the host has no address, the port is taken or forbidden, or the
    /// gateway serves already.
    pub async fn startup(&self) -> Result<SocketAddr, Error> {
        let addresses = self.addresses().await?;
        let mut running = self.running();
        if let Some(running) = &*running {
            return Err(Error::Started(running.address));
        }
        let listeners = bind(addresses)?;
        let bound = listeners.iter().filter_map(|one| one.address().socket());
        let bound: Vec<SocketAddr> = bound.collect();
        let Some(&address) = bound.first() else {
            return Err(self.no_address());
        };
        let tls = &self.0.parts.tls;
        if tls.is_none()
            && let Some(address) = bound.iter().find(|one| !one.ip().is_loopback())
        {
            tracing::warn!(
                %address,
                "can be reached from other machines without TLS; give a certificate and its key \
                 with .tls(certificate, key), or listen on 127.0.0.1"
            );
        }
        let health = Health::new(self.0.parts.services.names());
        let mut server = Server::new(self.everywhere(&health))
            .health(health)
            .metrics(self.0.parts.metrics.clone());
        if let Some(limit) = self.0.parts.drain_timeout {
            server = server.drain_timeout(limit);
        }
        if let Some(telemetry) = &self.0.parts.telemetry {
            server = server.telemetry(telemetry.clone());
        }
        for listener in listeners {
            server = server.listen(match tls {
                Some(tls) => listener.tls(tls.clone()),
                None => listener,
            });
        }
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async move { stopped.await.unwrap_or_default() }));
        tracing::info!(%address, "serving gRPC");
        *running = Some(Running {
            address,
            stop,
            serving,
        });
        Ok(address)
    }

    /// Ends what [`startup`](Self::startup) started: no more connections are
    /// taken, running calls finish, and returns when all is over. `None` when
    /// the gateway was not started. It can be started anew.
    pub async fn shutdown(&self) -> Option<Drained> {
        let Running { stop, serving, .. } = self.running().take()?;
        // Should it be over already, nobody is there to hear it.
        let _ = stop.send(());
        match serving.await {
            Ok(drained) => Some(drained),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is about to end.
            Err(_) => None,
        }
    }

    /// Where the gateway serves, with the port that the system chose; `None`
    /// before it is started and after it is shut down.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.running().as_ref().map(|running| running.address)
    }

    /// The same as a URL, such as `https://127.0.0.1:50051`.
    #[must_use]
    pub fn local_url(&self) -> Option<String> {
        let scheme = match self.0.parts.tls {
            Some(_) => "https",
            None => "http",
        };
        let address = self.local_address()?;
        Some(format!("{scheme}://{address}"))
    }

    /// The services in every protocol without a port, started or not: for
    /// tests, for calls within the program, and for an app's own port.
    #[must_use]
    pub fn in_process(&self) -> InProcess {
        self.everywhere(&Health::new(self.0.parts.services.names()))
    }

    /// What answers at the named routes below `base`, and the routes, each with
    /// its RPC; `None` without [`GrpcGatewayBuilder::expose_http`].
    #[cfg(feature = "axum")]
    pub(super) fn named_routes(&self, base: &BasePath) -> Result<Option<NamedRoutes>, Error> {
        let parts = &self.0.parts;
        if !parts.expose_http {
            return Ok(None);
        }
        let layer = parts.named_only(base);
        let routes = routes::named(&layer, &parts.services)?;
        let routes = routes.iter();
        let routes = routes.map(|route| (route.path().to_owned(), routes::rpc(route)));
        let routes = routes.collect();
        let service = InProcess::new(layer.layer(self.guarded(parts.services.clone())));
        Ok(Some(NamedRoutes { service, routes }))
    }

    fn everywhere(&self, health: &Health) -> InProcess {
        let services = self.0.parts.behind.clone().with(health.service());
        InProcess::new(self.0.layer.layer(self.guarded(services)))
    }

    fn guarded(&self, services: Services) -> Guarded {
        Recover::new(self.0.parts.interceptors.layer(services))
    }

    /// Where to listen.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let Parts { host, port, .. } = &self.0.parts;
        // As in a URL, where the colons of an IPv6 address need it.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match tokio::net::lookup_host((bare, *port)).await {
            Ok(found) => Ok(found.collect()),
            Err(source) => Err(Error::Host {
                host: host.clone(),
                source,
            }),
        }
    }

    fn no_address(&self) -> Error {
        Error::Host {
            host: self.0.parts.host.clone(),
            source: std::io::Error::other("it has no address"),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // What it guards is put in and taken out whole.
        let running = self.0.running.lock();
        running.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens on all of a host's addresses that this machine has; when the system
/// chooses the port, on the first.
fn bind(addresses: Vec<SocketAddr>) -> Result<Vec<Listener>, Error> {
    use portolan_server::Error::{PortForbidden, PortInUse};
    let mut listeners = Vec::new();
    let mut missing = None;
    for address in addresses {
        match Listener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error @ (PortInUse(_) | PortForbidden(_))) => return Err(error.into()),
            // `localhost` is ::1 too, also where there is no IPv6.
            Err(error) => missing = missing.or(Some(error)),
        }
        if address.port() == 0 && !listeners.is_empty() {
            break;
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error.into()),
        _ => Ok(listeners),
    }
}

impl fmt::Debug for GrpcGateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut services: Vec<_> = self.0.parts.services.names().collect();
        services.sort_unstable();
        formatter
            .debug_struct("GrpcGateway")
            .field("path", &self.0.parts.path.as_str())
            .field("services", &services)
            .field("local_address", &self.local_address())
            .finish_non_exhaustive()
    }
}
