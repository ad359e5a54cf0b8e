//! The first room of a gateway: calls in gRPC's own protocol pass even before
//! the contracts are known, all others are told to come again. So is whoever
//! asks for what is not found while it may be an upstream's that is not known.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, Ready, ready};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use portolan_gateway::{Body, Code, Outcome};
use tower_service::Service;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const CODE_UNIMPLEMENTED: &str = "12";

/// A gateway, and whose contracts it does not know.
#[derive(Clone, Debug)]
pub(crate) struct Entry<G> {
    pub(super) gateway: G,
    pub(super) unknown: Unknown,
}

/// Which upstreams have not told their contracts yet, as sentences name them.
#[derive(Clone, Debug)]
pub(super) enum Unknown {
    Nothing,
    /// Some: what is not found may be theirs.
    Some(Arc<str>),
    /// All: nothing can be found.
    Everything(Arc<str>),
}

impl<G, B> Service<Request<B>> for Entry<G>
where
    G: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    G::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        Either<G::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>,
        Ready<Result<Response<Body>, Infallible>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.gateway.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match &self.unknown {
            Unknown::Everything(upstreams) if !is_grpc(request.headers()) => {
                Either::Right(ready(Ok(come_again(upstreams))))
            }
            Unknown::Some(upstreams) => {
                let upstreams = Arc::clone(upstreams);
                let answer = self.gateway.call(request);
                Either::Left(Either::Right(Box::pin(async move {
                    let response = answer.await?;
                    Ok(if is_not_found(&response) {
                        come_again(&upstreams)
                    } else if is_unimplemented(&response) {
                        unavailable(response, &upstreams)
                    } else {
                        response
                    })
                })))
            }
            _ => Either::Left(Either::Left(self.gateway.call(request))),
        }
    }
}

/// Whether no route leads anywhere. An upstream that does not find what it was
/// asked for has had a call.
fn is_not_found(response: &Response<Body>) -> bool {
    response.status() == StatusCode::NOT_FOUND && response.extensions().get::<Outcome>().is_none()
}

/// Whether a call that no contract has went to an upstream that does not have it
/// either.
fn is_unimplemented(response: &Response<Body>) -> bool {
    let outcome = response.extensions().get::<Outcome>();
    let status = response.headers().get(STATUS);
    outcome.is_some_and(|outcome| !outcome.is_routed())
        && status.is_some_and(|status| status == CODE_UNIMPLEMENTED)
}

/// The same answer with the status that says to come again (gRPC over HTTP/2,
/// "Responses": Trailers-Only).
fn unavailable(mut response: Response<Body>, upstreams: &str) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(Code::Unavailable as i32));
    headers.remove("grpc-status-details-bin");
    match HeaderValue::try_from(sentence(upstreams)) {
        Ok(message) => headers.insert(MESSAGE, message),
        // It says nothing then, rather than what is not so.
        Err(_) => headers.remove(MESSAGE),
    };
    response
}

fn sentence(upstreams: &str) -> String {
    format!(
        "the contracts of {upstreams} are not known yet; the log says why, and a server without \
         reflection needs --proto or --descriptors"
    )
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// 503 with a `google.rpc.Status`, which is what every route would answer when
/// its upstream cannot be reached.
fn come_again(upstreams: &str) -> Response<Body> {
    let message = sentence(upstreams);
    let body = serde_json::json!({ "code": Code::Unavailable as i32, "message": message });
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
