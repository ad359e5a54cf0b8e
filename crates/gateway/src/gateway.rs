//! The tower service and layer.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use portolan_schema::Schema;
use portolan_transcode::Transcoder;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxError;
use crate::call::{Call, Reply};
use crate::linger::Unread;
use crate::protocol::{self, Accept, Accepted, Conversation, Core, Eventually};
use crate::route::Routes;
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::{
    Body, Code, Deadline, Finding, MultiSegment, Options, Outcome, OutcomeSlot, RouteEntry,
    RouteErrors, Severity, Status,
};

/// Puts a [`Gateway`] around a service that speaks gRPC.
#[derive(Clone, Debug)]
pub struct GatewayLayer {
    core: Arc<Core>,
}

impl GatewayLayer {
    /// A layer that serves every service of the schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self::with_options(schema, Options::default())
    }

    /// A layer with choices of one's own. What is wrong with the routes is logged:
    /// errors as warnings, the rest for whoever debugs; see
    /// [`findings`](Self::findings).
    #[must_use]
    pub fn with_options(schema: Arc<Schema>, options: Options) -> Self {
        let layer = Self::build(schema, options);
        for finding in layer.findings() {
            match finding.severity() {
                Severity::Error => tracing::warn!("{finding}"),
                Severity::Warning => tracing::debug!("{finding}"),
            }
        }
        layer
    }

    /// A layer that serves every service of the schema, with all its rules.
    ///
    /// # Errors
    /// When a rule cannot be used or never answers.
    pub fn try_new(schema: Arc<Schema>) -> Result<Self, RouteErrors> {
        Self::try_with_options(schema, Options::default())
    }

    /// As [`try_new`](Self::try_new), with choices of one's own. Nothing is
    /// logged.
    ///
    /// # Errors
    /// When there is a finding of the severity [`Severity::Error`].
    pub fn try_with_options(schema: Arc<Schema>, options: Options) -> Result<Self, RouteErrors> {
        let layer = Self::build(schema, options);
        let wrong = |finding: &Finding| finding.severity() == Severity::Error;
        if layer.findings().iter().any(wrong) {
            return Err(RouteErrors::of(layer.findings()));
        }
        Ok(layer)
    }

    fn build(schema: Arc<Schema>, options: Options) -> Self {
        let routes = Routes::of(&schema, &options);
        let configured = match schema.fully_decode_reserved_expansion() {
            Some(false) => MultiSegment::DecodeUnreserved,
            Some(true) | None => MultiSegment::DecodeAllButSlash,
        };
        let multi_segment = options.multi_segment.unwrap_or(configured);
        Self {
            core: Arc::new(Core {
                transcoder: Transcoder::new(schema),
                routes,
                multi_segment,
                options,
            }),
        }
    }

    /// What is wrong with the routes, errors and warnings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.core.routes.findings()
    }

    /// Every way to reach an RPC with plain HTTP and JSON: rules, then automatic
    /// routes, then named ones, each in the order of declaration.
    pub fn routes(&self) -> impl Iterator<Item = RouteEntry<'_>> {
        self.core.routes.entries()
    }

    /// The route that a request would take; `None` when it is no plain HTTP, or
    /// would be refused.
    #[must_use]
    pub fn resolve(&self, method: &Method, path: &str) -> Option<RouteEntry<'_>> {
        self.core.routes.resolve(method, path)
    }
}

impl<S> Layer<S> for GatewayLayer {
    type Service = Gateway<S>;

    fn layer(&self, inner: S) -> Gateway<S> {
        Gateway {
            core: Arc::clone(&self.core),
            inner,
        }
    }
}

/// A service that speaks gRPC, reached by gRPC, gRPC-Web, Connect and
/// REST/JSON.
///
/// It takes any HTTP request and always answers; see [`GatewayLayer`].
#[derive(Clone, Debug)]
pub struct Gateway<S> {
    core: Arc<Core>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Gateway<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Eventually<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is asked when a call is made: a request that is
        // none must not wait for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let core = Arc::clone(&self.core);
        let mut inner = self.inner.clone();
        let (head, body) = request.into_parts();
        let upstream: Upstream = Box::new(move |request| {
            Box::pin(async move {
                std::future::poll_fn(|context| inner.poll_ready(context))
                    .await
                    .map_err(Into::into)?;
                inner
                    .call(request)
                    .await
                    .map(|response| response.map(Body::new))
                    .map_err(Into::into)
            })
        });
        let (body, unread) = Unread::watch(&head, Body::new(body));
        Box::pin(async move {
            let response = serve(core, head, body, upstream).await;
            Ok(unread.settle(response).await)
        })
    }
}

/// One call of the service behind.
type Upstream =
    Box<dyn FnOnce(Request<Body>) -> Eventually<'static, Result<Response<Body>, BoxError>> + Send>;

/// All that it takes to make a call of what a client says.
pub(crate) struct Opening {
    upstream: Upstream,
    deadline: Result<Deadline, Status>,
    /// Who the client is, for instance, is known in front of here.
    extensions: Extensions,
    limit: usize,
    /// Whether the reply may be read slowly.
    streams: bool,
    outcome: Outcome,
}

impl Opening {
    fn new<E>(core: &Core, accept: &Accept<E>, head: &mut Parts, upstream: Upstream) -> Self {
        let route = accept.route.as_ref();
        let path = Arc::clone(&accept.path);
        let outcome = Outcome::new(path, accept.protocol, route.is_some());
        if let Some(slot) = head.extensions.get::<OutcomeSlot>() {
            slot.fill(&outcome);
        }
        let default = core.options.default_timeout;
        let deadline = accept.deadline.clone();
        Self {
            upstream,
            deadline: deadline.map(|deadline| deadline.or_after(default)),
            extensions: std::mem::take(&mut head.extensions),
            limit: core.options.reply_limit(),
            streams: route.is_none_or(|route| route.streaming.from_server()),
            outcome,
        }
    }

    /// When the call is over, if it has a time limit.
    pub(crate) fn instant(&self) -> Option<Instant> {
        self.deadline
            .as_ref()
            .ok()
            .and_then(|deadline| deadline.instant())
    }

    /// How the call ends.
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Makes the call that `call` gives, unless its deadline passes before.
    pub(crate) async fn open(
        self,
        call: impl Future<Output = Result<Call, Status>>,
    ) -> Result<Reply, Status> {
        let outcome = self.outcome.clone();
        let reply = match self.deadline.clone() {
            Err(status) => Err(status),
            // What nobody waits for any more is not begun.
            Ok(deadline) if deadline.has_passed() => Err(Deadline::exceeded()),
            Ok(deadline) => within(deadline, self.ask(call, deadline)).await,
        };
        reply.inspect_err(|status| outcome.end(status.code()))
    }

    async fn ask(
        self,
        call: impl Future<Output = Result<Call, Status>>,
        deadline: Deadline,
    ) -> Result<Reply, Status> {
        let call = call.await?;
        let fault = call.fault.clone();
        let mut request = call.into_request(deadline);
        *request.extensions_mut() = self.extensions;
        match (self.upstream)(request).await {
            Ok(response) => Ok(Reply::from_response(
                response,
                deadline,
                fault,
                self.limit,
                self.outcome,
                self.streams,
            )),
            Err(error) => Err(fault
                .get()
                .cloned()
                .unwrap_or_else(|| unavailable(error, deadline))),
        }
    }
}

async fn serve(core: Arc<Core>, mut head: Parts, body: Body, upstream: Upstream) -> Response<Body> {
    let mut accept = match protocol::accept(&head, &core) {
        Some(Accepted::Call(accept)) => accept,
        Some(Accepted::Tunnel(accept, response)) => {
            return converse(&core, accept, response, head, upstream);
        }
        Some(Accepted::Answer(response)) => return response,
        None => return protocol::bare(StatusCode::NOT_FOUND),
    };
    let opening = Opening::new(&core, &accept, &mut head, upstream);
    let outcome = opening.outcome.clone();
    let reply = opening.open(accept.exchange.call(head, body)).await;
    let mut response = accept.exchange.reply(reply).await;
    response.extensions_mut().insert(outcome);
    response
}

/// Answers now, and sees to it that the call goes on behind the answer.
fn converse(
    core: &Core,
    accept: Accept<Box<dyn Conversation>>,
    mut response: Response<Body>,
    mut head: Parts,
    upstream: Upstream,
) -> Response<Body> {
    let slot = head.extensions.remove::<TunnelSlot>();
    let Some(upgrade) = head.extensions.remove::<OnUpgrade>() else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        tracing::error!("a WebSocket was asked for on a connection that cannot become one");
        return protocol::bare(status);
    };
    let opening = Opening::new(core, &accept, &mut head, upstream);
    response.extensions_mut().insert(opening.outcome.clone());
    let tunnel = Tunnel::new(accept.exchange.hold(upgrade, opening));
    match slot {
        Some(slot) => slot.fill(tunnel),
        // It ends with its connection or its call, whichever is first.
        None => drop(tokio::spawn(tunnel)),
    }
    response
}

/// Lets go of the work when the deadline passes.
async fn within<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match deadline.instant() {
        None => work.await,
        Some(instant) => tokio::time::timeout_at(instant, work)
            .await
            .unwrap_or_else(|_| Err(Deadline::exceeded())),
    }
}

/// The status of a call that the service did not answer: its own where whoever
/// leads to the service knows more, as a channel does. A service that heeds the
/// deadline may give up a moment before the gateway notices.
fn unavailable(error: BoxError, deadline: Deadline) -> Status {
    if deadline.has_passed() {
        return Deadline::exceeded();
    }
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => Status::new(
            Code::Unavailable,
            format!("the service cannot be reached: {error}"),
        ),
    }
}
