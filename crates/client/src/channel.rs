//! The channel: a tower service that takes gRPC requests to a remote server.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use portolan_rpc::{Body, Code, Deadline, Status, deadline};
use tokio::time::timeout_at;
use tower_service::Service;

use crate::balance::{Balancer, Discovery, Lease, Pace, Settings};
use crate::builder::Builder;
use crate::endpoint::Place;
use crate::reply::Reply;
use crate::transport::{Dialer, Failure, Upload};
use crate::{BuildError, Endpoint, Resolve};

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

struct Core {
    balancer: Arc<Balancer>,
    dialers: Vec<Arc<Dialer>>,
    resolver: Arc<dyn Resolve>,
    pace: Pace,
    discovery: OnceLock<Discovery>,
    default_timeout: Option<Duration>,
    wait_for_ready: bool,
    replay_limit: usize,
}

/// How often a request is sent that no server has begun to work on.
const MAX_SENT: usize = 5;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

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
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.endpoints()).finish()
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
        let mut known = Vec::new();
        for dialer in &self.dialers {
            let Place::Fixed(addresses) = dialer.endpoint.place() else {
                return;
            };
            let pairs = addresses
                .iter()
                .map(|address| (address.clone(), Arc::clone(dialer)));
            known.extend(pairs);
        }
        self.balancer.update(known.into_iter());
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

    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        self.discover();
        let (head, body) = request.into_parts();
        let mut deadline = Deadline::from_grpc(&head.headers)?;
        if deadline == Deadline::NEVER
            && let Some(timeout) = self.default_timeout
        {
            deadline = Deadline::after(timeout);
        }
        let upload = Upload::new(body, self.replay_limit);
        let attempts = self.attempts(head, upload, deadline);
        match deadline.instant() {
            None => attempts.await,
            Some(moment) => match timeout_at(moment, attempts).await {
                Ok(answer) => answer,
                Err(_) => Err(Deadline::exceeded()),
            },
        }
    }

    async fn attempts(
        &self,
        head: Parts,
        mut upload: Upload,
        deadline: Deadline,
    ) -> Result<Response<Body>, Status> {
        let path = head.uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut sent = 0;
        loop {
            let lease = self.balancer.pick(self.wait_for_ready).await?;
            let request = outgoing(&head, &path, &lease, deadline)?;
            sent += 1;
            match lease.connection.call(request, upload).await {
                Ok(response) => {
                    return Ok(
                        response.map(|incoming| Body::new(Reply::new(incoming, lease, deadline)))
                    );
                }
                Err((Failure::Unprocessed(status), back)) => {
                    upload = back;
                    if sent == MAX_SENT || !upload.rewind() {
                        return Err(status);
                    }
                }
                Err((failure, _)) => return Err(failure.into_status()),
            }
        }
    }
}

/// The head of a request as this server gets it (gRPC over HTTP/2, "Requests").
fn outgoing(
    head: &Parts,
    path: &PathAndQuery,
    lease: &Lease,
    deadline: Deadline,
) -> Result<Request<()>, Status> {
    let endpoint = &lease.subchannel().dialer.endpoint;
    let uri = Uri::builder()
        .scheme(endpoint.scheme())
        .authority(endpoint.authority().clone())
        .path_and_query(path.clone())
        .build();
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.map_err(|error| {
        Status::new(
            Code::Internal,
            format!("`{path}` is no path of a method: {error}"),
        )
    })?;
    let mut headers = head.headers.clone();
    for name in [
        header::HOST,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/grpc"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!(
            "grpc-portolan/",
            env!("CARGO_PKG_VERSION")
        )));
    if let Some(left) = deadline.remaining()
        && let Ok(value) = HeaderValue::try_from(deadline::to_grpc(left))
    {
        headers.insert(GRPC_TIMEOUT, value);
    }
    *request.headers_mut() = headers;
    Ok(request)
}
