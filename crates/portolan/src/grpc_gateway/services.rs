//! The services behind a gateway, each reached by its name.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use portolan_gateway::{Body, BoxError};
use tonic::server::NamedService;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

/// One service, of whatever type.
pub(super) type Served = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// Hides what a service is made of.
pub(super) fn served<S, B>(service: S) -> Served
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service
        .map_request(|request: Request<Body>| request.map(tonic::body::Body::new))
        .map_response(|response: Response<B>| response.map(Body::new))
        .map_err(Into::into);
    BoxCloneSyncService::new(service)
}

/// All services, by the first segment of a gRPC path. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Services(Arc<HashMap<&'static str, Served>>);

impl Services {
    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    /// These, and one more; it does not take the place of one that is there.
    pub(super) fn with<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<tonic::body::Body>, Response = Response<B>>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Arc::make_mut(&mut self.0)
            .entry(S::NAME)
            .or_insert_with(|| served(service));
        self
    }
}

impl FromIterator<(&'static str, Served)> for Services {
    fn from_iter<I: IntoIterator<Item = (&'static str, Served)>>(services: I) -> Self {
        Self(Arc::new(services.into_iter().collect()))
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Which service it is for, the request says.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        let Some(service) = self.0.get(name).cloned() else {
            let message = format!("there is no service `{name}` here");
            let response = tonic::Status::unimplemented(message).into_http();
            return Box::pin(std::future::ready(Ok(response)));
        };
        Box::pin(async move {
            let answer = service.oneshot(request).await;
            // A layer of the service may have said what it thinks of a call.
            Ok(answer.unwrap_or_else(|error| tonic::Status::from_error(error).into_http()))
        })
    }
}
