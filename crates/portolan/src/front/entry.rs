//! The first room of a gateway: calls in gRPC's own protocol pass even before
//! the contracts are known, all others are told to come again.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use portolan_gateway::{Body, Code};
use tower_service::Service;

/// A gateway, and of which upstreams it does not know the contracts.
#[derive(Clone, Debug)]
pub(crate) struct Entry<G> {
    pub(super) gateway: G,
    /// None when contracts are known.
    pub(super) waiting_for: Option<Arc<str>>,
}

impl<G, B> Service<Request<B>> for Entry<G>
where
    G: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<G::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.gateway.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match &self.waiting_for {
            Some(upstreams) if !is_grpc(request.headers()) => {
                Either::Right(ready(Ok(come_again(upstreams))))
            }
            _ => Either::Left(self.gateway.call(request)),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// 503 with a `google.rpc.Status`, which is what every route would answer when
/// its upstream cannot be reached.
fn come_again(upstreams: &str) -> Response<Body> {
    let message = format!("the contracts of {upstreams} are not known yet: it does not answer");
    let body = serde_json::json!({ "code": Code::Unavailable as i32, "message": message });
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
