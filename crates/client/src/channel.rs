//! The channel: a tower service that takes gRPC requests to a remote server.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use portolan_rpc::{Body, Code, Deadline, Status};
use tokio::sync::watch;
use tokio::time::timeout_at;
use tower_service::Service;

use crate::attempts::Attempts;
use crate::balance::{Balancer, Discovery, Pace, Settings, Subchannel};
use crate::builder::Builder;
use crate::endpoint::Place;
use crate::limit::Gate;
use crate::throttle::Throttle;
use crate::transport::Dialer;
use crate::{Address, BuildError, Endpoint, Resolve, ServiceConfig};

/// The way to a gRPC server, or to several that are the same.
///
/// Cheap to clone; clones share connections. It takes gRPC requests (`POST`, the
/// method as path, frames as body) and answers with gRPC responses, or with the
/// [`Status`] of a call that no server answered. It connects when it is first
/// called, which has to be within a Tokio runtime.
///
/// Dropping a response's body cancels its call.
///
/// ```no_run
/// use portolan_client::Channel;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = Channel::connect_lazy("http://127.0.0.1:50051".parse()?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Channel {
    core: Arc<Core>,
}

/// What clones of a channel share.
pub(crate) struct Core {
    pub(crate) balancer: Arc<Balancer>,
    dialers: Vec<Arc<Dialer>>,
    resolver: Arc<dyn Resolve>,
    pace: Pace,
    discovery: OnceLock<Discovery>,
    default_timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) replay_limit: usize,
    pub(crate) gate: Option<Gate>,
    service_config: ServiceConfig,
    pub(crate) throttle: Option<Throttle>,
}

/// An address of a channel, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressState {
    /// The address.
    pub address: Address,
    /// How many connections there are to it.
    pub connections: usize,
    /// How many calls are under way.
    pub calls: usize,
    /// Whether it is left out since its calls fail.
    pub ejected: bool,
}

impl Channel {
    /// A channel to one endpoint, with the defaults.
    ///
    /// # Errors
    /// When its name cannot be that of a certificate.
    pub fn connect_lazy(endpoint: Endpoint) -> Result<Self, BuildError> {
        Self::builder([endpoint]).build()
    }

    /// A channel to these endpoints, with choices. Their addresses are taken
    /// together: all of them have to serve the same.
    pub fn builder(endpoints: impl IntoIterator<Item = Endpoint>) -> Builder {
        Builder::new(endpoints.into_iter().collect())
    }

    pub(crate) fn new(
        choices: &Builder,
        dialers: Vec<Arc<Dialer>>,
        resolver: Arc<dyn Resolve>,
        settings: Settings,
    ) -> Self {
        let core = Core {
            balancer: Arc::new(Balancer::new(settings)),
            dialers,
            resolver,
            pace: choices.pace,
            discovery: OnceLock::new(),
            default_timeout: choices.default_timeout,
            wait_for_ready: choices.wait_for_ready,
            replay_limit: choices.replay_limit,
            gate: choices.call_limit.map(Gate::new),
            throttle: choices.service_config.throttling.map(Throttle::new),
            service_config: choices.service_config.clone(),
        };
        core.begin();
        Self {
            core: Arc::new(core),
        }
    }

    /// The endpoints, as they were given.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.core.dialers.iter().map(|dialer| &dialer.endpoint)
    }

    /// Connects, if nobody has yet, and waits until a call could be made.
    ///
    /// # Errors
    /// When no address can be reached.
    pub async fn connect(&self) -> Result<(), Status> {
        self.core.discover();
        self.core.balancer.pick(false, None).await.map(drop)
    }

    /// Counts the connections that have been made, so that whoever depends on
    /// what is at the other end learns that it may have changed.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<u64> {
        self.core.balancer.settings.connected.subscribe()
    }

    /// The addresses, as they are now.
    #[must_use]
    pub fn addresses(&self) -> Vec<AddressState> {
        let state = |subchannel: &Arc<Subchannel>| AddressState {
            address: subchannel.address.clone(),
            connections: subchannel.connections(),
            calls: subchannel.calls(),
            ejected: subchannel.is_ejected(),
        };
        self.core.balancer.snapshot().iter().map(state).collect()
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.endpoints().map(Endpoint::to_string);
        formatter.debug_list().entries(names).finish()
    }
}

/// What a channel gives for a request.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // A call waits for a connection itself, within its deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let core = Arc::clone(&self.core);
        Box::pin(async move { core.call(request).await })
    }
}

impl Core {
    /// Takes the addresses that are known without asking.
    fn begin(&self) {
        let known = self.dialers.iter().flat_map(|dialer| {
            let pair = |address: &Address| (address.clone(), Arc::clone(dialer));
            dialer.endpoint.place().known().iter().map(pair)
        });
        self.balancer.update(known);
    }

    /// Looks names up, if there are any.
    fn discover(&self) {
        let named = |dialer: &Arc<Dialer>| matches!(dialer.endpoint.place(), Place::Name { .. });
        if self.discovery.get().is_some() || !self.dialers.iter().any(named) {
            return;
        }
        self.discovery.get_or_init(|| {
            let resolver = Arc::clone(&self.resolver);
            Discovery::start(&self.balancer, self.dialers.clone(), resolver, self.pace)
        });
    }

    async fn call(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Status> {
        self.discover();
        let (head, body) = request.into_parts();
        let mut deadline = Deadline::from_grpc(&head.headers)?;
        let method = self.service_config.method(head.uri.path()).cloned();
        // The earlier of what the client says and what the method may take.
        let most = method.as_ref().and_then(|method| method.timeout);
        let most = most.or(self.default_timeout.filter(|_| deadline == Deadline::NEVER));
        if let Some(most) = most.map(Deadline::after)
            && (deadline == Deadline::NEVER || most.instant() < deadline.instant())
        {
            deadline = most;
        }
        let attempts = Attempts::new(self, &head, body, deadline, method.as_deref()).run();
        match deadline.instant() {
            None => attempts.await,
            Some(moment) => match timeout_at(moment, attempts).await {
                Ok(answer) => answer,
                Err(_) => Err(Deadline::exceeded()),
            },
        }
    }

    /// Who wants to know how a call ends, if anybody does.
    pub(crate) fn observer(self: &Arc<Self>) -> Option<Observer> {
        let wanted = self.throttle.is_some() || self.balancer.settings.outliers.is_some();
        wanted.then(|| Observer(Arc::clone(self)))
    }
}

/// Learns how calls end: servers that fail are left out, and retries are
/// budgeted.
pub(crate) struct Observer(Arc<Core>);

/// How long before its deadline a call counts as given up for it. Whoever made
/// the call, a gateway for instance, has a clock that began a moment earlier.
const EARLY: Duration = Duration::from_millis(10);

impl Observer {
    /// Nobody waits for the call any more. It failed if that is for its deadline.
    pub(crate) fn given_up(&self, subchannel: &Arc<Subchannel>, deadline: Deadline) {
        if deadline.remaining().is_some_and(|left| left <= EARLY) {
            self.ended(subchannel, Code::DeadlineExceeded);
        }
    }

    pub(crate) fn ended(&self, subchannel: &Arc<Subchannel>, code: Code) {
        self.0.balancer.note(subchannel, code);
        if code == Code::Ok
            && let Some(throttle) = &self.0.throttle
        {
            throttle.succeeded();
        }
    }
}
