//! The server: accepts, serves, and ends in good order.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use portolan_telemetry::Telemetry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::connection::{Connections, End};
use crate::edge::Edge;
use crate::edge::tunnel::Tunnels;
use crate::forwarded::Proxies;
use crate::{BoxError, Cors, Health, Limits, Listener, Metrics, Proxy, RequestBody, Tls, outlet};

/// How long running calls may take to finish, unless told otherwise.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before accepting again when the system has no more file
/// descriptors: until one is free, every attempt fails at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves one service on any number of listeners. See the [crate] for an
/// example.
#[derive(Debug)]
pub struct Server<S> {
    service: S,
    listeners: Vec<Listener>,
    health: Option<Health>,
    metrics: Metrics,
    cors: Option<Cors>,
    limits: Limits,
    proxies: Option<Proxies>,
    forwards: bool,
    drain_timeout: Duration,
    telemetry: Option<Telemetry>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections that still had running calls at the time limit and were
    /// closed nevertheless; 0 is a clean end.
    pub cut: usize,
}

impl<S> Server<S> {
    /// A server for this service; it listens nowhere yet.
    #[must_use]
    pub fn new(service: S) -> Self {
        Self {
            service,
            listeners: Vec::new(),
            health: None,
            metrics: Metrics::default(),
            cors: None,
            limits: Limits::default(),
            proxies: None,
            forwards: false,
            drain_timeout: DRAIN_TIMEOUT,
            telemetry: None,
        }
    }

    /// Listens here too.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Tells these health checks when the end begins. The health service itself
    /// is part of what is served, so that every protocol reaches it.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }

    /// Counts the calls here and answers `GET /metrics` with the figures;
    /// without this they are counted all the same.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Lets web pages of other origins use the service; without this only those
    /// of its own may.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(cors);
        self
    }

    /// Believes these proxies in what they say of their clients, see
    /// [`Client`](crate::Client), and nobody else: `Forwarded` and
    /// `X-Forwarded-…` of others are taken out of their requests. Without this
    /// nobody is believed, and the headers stay as they are.
    #[must_use]
    pub fn trust(mut self, proxies: impl IntoIterator<Item = Proxy>) -> Self {
        self.proxies = Some(Proxies::new(proxies));
        self
    }

    /// Tells the service whom a request comes from, as proxies tell whoever is
    /// behind them: the peer's address at the end of `X-Forwarded-For`, and
    /// `X-Forwarded-Proto` and `X-Forwarded-Host` unless a proxy that is
    /// [trusted](Self::trust) has said them. What others say in these headers, in
    /// `Forwarded` and in `X-Real-IP` is taken out. Without this headers pass as
    /// they come.
    #[must_use]
    pub fn forward_clients(mut self) -> Self {
        self.forwards = true;
        self
    }

    /// What clients may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long running calls may take to finish after the end began; 30
    /// seconds by default.
    #[must_use]
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// Makes a span of each request, within that of its caller when `traceparent`
    /// names one, and sends spans and figures to a collector. The service finds
    /// its [`TraceContext`](portolan_telemetry::TraceContext) in the extensions
    /// of each request and in its `traceparent`. What is left is sent when the
    /// server ends. Without this `traceparent` passes as it comes.
    #[must_use]
    pub fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }

    /// Serves until `shutdown` is done, then drains: takes no more connections,
    /// says so to health checks, lets every call finish, and at the time limit
    /// closes what is left. All tasks have ended when this returns. Dropped
    /// before, it ends at once: listeners and connections are closed.
    pub async fn serve<B>(self, shutdown: impl Future<Output = ()>) -> Drained
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let drain = CancellationToken::new();
        let abort = CancellationToken::new();
        // Whoever drops this before its end, wants the end at once.
        let _end = [drain.clone().drop_guard(), abort.clone().drop_guard()];
        let tasks = TaskTracker::new();
        let cut = Arc::new(AtomicUsize::new(0));
        let room = Arc::new(Semaphore::new(
            self.limits.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        let connections =
            Connections::new(tasks.clone(), drain.clone(), abort.clone(), self.limits);
        let tunnels = Tunnels::new(tasks.clone(), abort.clone());
        let exporting = self.telemetry.as_ref().and_then(|telemetry| {
            self.metrics.know(telemetry);
            telemetry.start(vec![Box::new(self.metrics.clone())])
        });
        let edge = Edge::new(self.service, self.metrics, self.cors, self.proxies, tunnels)
            .forwarding(self.forwards)
            .tracing(self.telemetry.filter(Telemetry::traces));
        let mut renewed: Vec<&Tls> = Vec::new();
        for tls in self.listeners.iter().filter_map(Listener::tls_of) {
            if !renewed.iter().any(|known| known.is_same(tls)) {
                renewed.push(tls);
                tasks.spawn(tls.clone().renew(drain.clone()));
            }
        }
        for listener in self.listeners {
            tasks.spawn(accept(
                listener,
                connections.clone(),
                edge.clone(),
                drain.clone(),
                Arc::clone(&room),
                Arc::clone(&cut),
            ));
        }
        // The service lives on in the connections only.
        drop((connections, edge));

        shutdown.await;
        tracing::info!(limit_seconds = self.drain_timeout.as_secs_f64(), "draining");
        if let Some(health) = &self.health {
            health.drain();
        }
        drain.cancel();
        tasks.close();
        if tokio::time::timeout(self.drain_timeout, tasks.wait())
            .await
            .is_err()
        {
            abort.cancel();
            // Nothing waits for a client any more, so this is soon.
            tasks.wait().await;
        }
        let drained = Drained {
            cut: cut.load(Ordering::Relaxed),
        };
        if drained.cut == 0 {
            tracing::info!("drained");
        } else {
            tracing::warn!(
                connections = drained.cut,
                "time limit for draining reached, connections closed"
            );
        }
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
        outlet::flush();
        drained
    }
}

/// Takes the connections of one listener until the end begins.
async fn accept<S, B>(
    listener: Listener,
    connections: Connections,
    edge: Edge<S>,
    drain: CancellationToken,
    room: Arc<Semaphore>,
    cut: Arc<AtomicUsize>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Whether there was no room for the last connection.
    let mut crowded = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((wire, peer)) => {
                let (room, was_free) = tokio::select! {
                    biased;
                    () = drain.cancelled() => return,
                    given = make_room(&room, &listener, crowded) => given,
                };
                crowded = !was_free;
                let tls = listener.tls_of().cloned();
                let serving = connections.clone().serve(wire, peer, tls, edge.clone());
                let cut = Arc::clone(&cut);
                // An async block would have room for it twice.
                connections.tasks().spawn(serving.map(move |end| {
                    if end == End::Cut {
                        cut.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(room);
                }));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(address = %listener.address(), %error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Room for one connection, which it has to wait for when there is none; whether
/// it had not to. The log says so once until there is room again.
async fn make_room(
    room: &Arc<Semaphore>,
    listener: &Listener,
    said: bool,
) -> (OwnedSemaphorePermit, bool) {
    if let Ok(free) = Arc::clone(room).try_acquire_owned() {
        return (free, true);
    }
    if !said {
        tracing::warn!(
            address = %listener.address(),
            "as many connections are open as may be, others have to wait"
        );
    }
    let free = Arc::clone(room).acquire_owned().await;
    (free.expect("nobody closes the room"), false)
}

/// Whether only the connection that was to be accepted is broken.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
