//! What stands around the service and knows nothing of it: a request comes in
//! from a connection and goes through the files here in the order of
//! [`Edge::answer`].

pub(crate) mod access_log;
mod apology;
mod head;
pub(crate) mod observe;
pub(crate) mod recover;
pub(crate) mod request_id;
mod span;
pub(crate) mod tunnel;

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::future;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use portolan_gateway::TrustedOrigin;
use portolan_telemetry::Telemetry;
use tower_service::Service;

use crate::connection::Running;
use crate::forwarded::{Forwarding, Proxies};
use crate::request_body::Came;
use crate::{BoxError, Client, Cors, Metrics, Peer, metrics};
use observe::{Observation, Observed, Piece};
use recover::{Recover, Recovered};
use span::ServerSpan;
use tunnel::Tunnels;

/// The service with its edge around it.
#[derive(Clone, Debug)]
pub(crate) struct Edge<S> {
    service: Recover<S>,
    metrics: Metrics,
    cors: Option<Arc<Cors>>,
    proxies: Option<Arc<Proxies>>,
    /// Whether the service hears of clients as from a proxy, and what it hears
    /// over one connection.
    forwards: bool,
    forwarding: Option<Arc<Forwarding>>,
    tunnels: Tunnels,
    telemetry: Option<Telemetry>,
    /// Whether the connection is encrypted.
    secure: bool,
}

/// The body of what the edge answers: the service's, watched, or our own.
pub(crate) type EdgeBody<B> = Either<Observed<Recovered<B>>, Full<Piece>>;

impl<S> Edge<S> {
    pub(crate) fn new(
        service: S,
        metrics: Metrics,
        cors: Option<Cors>,
        proxies: Option<Proxies>,
        tunnels: Tunnels,
    ) -> Self {
        Self {
            service: Recover::new(service),
            metrics,
            cors: cors.map(Arc::new),
            proxies: proxies.map(Arc::new),
            forwards: false,
            forwarding: None,
            tunnels,
            telemetry: None,
            secure: false,
        }
    }

    /// Tells the service of clients, as proxies do.
    pub(crate) fn forwarding(self, forwards: bool) -> Self {
        Self { forwards, ..self }
    }

    /// Makes each request a span.
    pub(crate) fn tracing(self, telemetry: Option<Telemetry>) -> Self {
        Self { telemetry, ..self }
    }

    /// For the connection of a peer, which is encrypted or not.
    pub(crate) fn over(self, peer: Peer, secure: bool) -> Self {
        let forwarding = self.forwards.then(|| {
            let proxies = self.proxies.as_deref();
            Arc::new(Forwarding::of(peer, proxies, secure))
        });
        Self {
            forwarding,
            secure,
            ..self
        }
    }

    /// Answers one request.
    ///
    /// What comes before the service is done at once: an async function would
    /// have room for its arguments twice, and over HTTP/1.1 a connection keeps
    /// this future's memory.
    pub(crate) fn answer<I, B>(
        mut self,
        mut request: Request<I>,
        running: Running,
        came: Came,
    ) -> impl Future<Output = Result<Response<EdgeBody<B>>, Infallible>>
    where
        S: Service<Request<I>, Response = Response<B>, Error = Infallible>,
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let is_head = request.method() == Method::HEAD;
        if let Some(figures) = metrics::answer(&self.metrics, &request) {
            let figures = if is_head {
                head::without_body(figures)
            } else {
                figures
            };
            return future::Either::Left(ready(Ok(figures.map(Either::Right))));
        }
        if let Some(peer) = request.extensions().get::<Peer>().copied() {
            let client = match &self.proxies {
                Some(proxies) => proxies.client(peer, request.headers_mut()),
                None => peer.address().map(|address| Client(address.ip())),
            };
            if let Some(client) = client {
                request.extensions_mut().insert(client);
            }
        }
        if let Some(forwarding) = &self.forwarding {
            forwarding.tell(&mut request);
        }
        // What the browser itself has sent counts, not what a page puts beside it
        // for a WebSocket.
        if let Some(cors) = self.cors.as_deref()
            && cors.trusts(request.headers())
        {
            request.extensions_mut().insert(TrustedOrigin);
        }
        let tunnel = tunnel::prepare(&mut request);
        let id = request_id::keep_or_make(request.headers_mut());
        let telemetry = self.telemetry.as_ref();
        let span =
            telemetry.map(|telemetry| ServerSpan::begin(telemetry, &mut request, self.secure));
        let observation = Observation::begin(
            &mut request,
            id.clone(),
            span,
            self.metrics.calls(),
            running,
            came,
        );
        let mut grant = None;
        if let Some(cors) = self.cors.as_deref() {
            let asked = request.headers();
            let granted = cors.grant(asked);
            if let Some(answer) = cors.preflight(request.method(), asked) {
                let mut answer = answer.map(|text| Bytes::from_static(text.as_bytes()));
                cors.put(granted, answer.headers_mut());
                request_id::put(answer.headers_mut(), id);
                let answer = observation.answer(answer).map(Either::Right);
                return future::Either::Left(ready(Ok(answer)));
            }
            grant = Some(granted);
        }
        let mut request = Some(request);
        future::Either::Right(async move {
            let asking = poll_fn(|context| {
                let ready = Service::<Request<I>>::poll_ready(&mut self.service, context);
                let Ok(()) = task::ready!(ready);
                let request = request.take().expect("it is asked for once");
                Poll::Ready(self.service.call(request))
            });
            let mut response = asking.await.await?;
            request_id::put(response.headers_mut(), id);
            if let (Some(cors), Some(grant)) = (self.cors.as_deref(), grant) {
                cors.put(grant, response.headers_mut());
            }
            if let Some(tunnel) = tunnel.and_then(|slot| slot.take()) {
                self.tunnels
                    .run(tunnel, observation.begun(&response).aside());
                return Ok(response.map(|_| Either::Right(Full::default())));
            }
            let response = observation.watch(response);
            Ok(if is_head {
                head::without_body(response).map(Either::Right)
            } else {
                response.map(Either::Left)
            })
        })
    }
}
