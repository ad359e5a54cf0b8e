//! What is behind the gateway: its own services, and the upstreams for all
//! others.

use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use portolan_gateway::{Body, BoxError};
use portolan_server::{Health, Recover, reflection};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tower_service::Service;

use super::contracts::{Contracts, is_own};
use crate::encoding::InKind;

/// The services that a gateway has itself: health and reflection.
#[derive(Clone, Debug)]
pub(crate) struct Own(Recover<InKind<Routes>>);

impl Own {
    pub(crate) fn new(health: &Health, contracts: &Contracts) -> anyhow::Result<Self> {
        let sets = || contracts.sets.iter().map(|set| &**set);
        let health = health
            .service()
            .accept_compressed(Gzip)
            .send_compressed(Gzip);
        let reflection = reflection::v1(sets())?
            .accept_compressed(Gzip)
            .send_compressed(Gzip);
        let routes = Routes::new(health)
            .add_service(reflection)
            .add_service(reflection::v1alpha(sets())?.compressed(Gzip))
            .prepare();
        Ok(Self(Recover::new(InKind(routes))))
    }
}

/// A service of the gateway's own or of an upstream, by the path.
#[derive(Clone, Debug)]
pub(crate) struct Behind<U> {
    pub(crate) own: Own,
    pub(crate) upstreams: U,
}

/// The service of `/service/method`.
fn service_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.rsplit_once('/').map_or(path, |(service, _)| service)
}

type Answer = Result<Response<Body>, BoxError>;

impl<U> Service<Request<Body>> for Behind<U>
where
    U: Service<Request<Body>, Response = Response<Body>>,
    U::Error: Into<BoxError>,
    U::Future: Send,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Either<
        futures_util::future::BoxFuture<'static, Answer>,
        futures_util::future::MapErr<U::Future, fn(U::Error) -> BoxError>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The own services always are.
        self.upstreams.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        use futures_util::TryFutureExt;

        if is_own(service_of(request.uri().path())) {
            let answer = self.own.0.call(request);
            Either::Left(Box::pin(async move {
                let response = answer.await.map_err(BoxError::from)?;
                Ok(response.map(Body::new))
            }))
        } else {
            Either::Right(self.upstreams.call(request).map_err(Into::into))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_service() {
        for (path, service) in [
            ("/a.S/M", "a.S"),
            ("a.S/M", "a.S"),
            ("/a.S", "a.S"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(service_of(path), service, "{path}");
        }
    }
}
