//! A service with interceptors around it.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use portolan_gateway::{Body, BoxError, Code, OutcomeSlot, Status};
use tonic::server::NamedService;
use tower_service::Service;

use super::body::{Asked, InterceptedBody, failed};
use super::watching::{Ending, Watches};
use super::{CallHead, Interceptor, Refusal};

/// A service with interceptors around it, see
/// [`InterceptorLayer`](super::InterceptorLayer).
#[derive(Clone)]
pub struct Intercepted<S> {
    interceptors: Arc<[Arc<dyn Interceptor>]>,
    service: S,
}

impl<S> Intercepted<S> {
    pub(super) fn new(interceptors: Arc<[Arc<dyn Interceptor>]>, service: S) -> Self {
        Self {
            interceptors,
            service,
        }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for Intercepted<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Intercepted")
            .field("interceptors", &self.interceptors.len())
            .field("service", &self.service)
            .finish()
    }
}

impl<S: NamedService> NamedService for Intercepted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for Intercepted<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<InterceptedBody<R>>;
    type Error = S::Error;
    type Future = Intercepting<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.interceptors.is_empty() {
            return self.service.poll_ready(context);
        }
        // A call that is refused must not wait for the service.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        let way = if self.interceptors.is_empty() {
            Way::Straight {
                call: self.service.call(request),
            }
        } else {
            let interceptors = Arc::clone(&self.interceptors);
            let service = self.service.clone();
            Way::Guarded {
                call: Box::pin(guard(interceptors, service, request)),
            }
        };
        Intercepting { way }
    }
}

type Answer<R, E> = Result<Response<InterceptedBody<R>>, E>;

pin_project_lite::pin_project! {
    /// The future of [`Intercepted`].
    pub struct Intercepting<F, R, E> {
        #[pin]
        way: Way<F, R, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = WayProjection]
    enum Way<F, R, E> {
        Straight { #[pin] call: F },
        Guarded { call: Pin<Box<dyn Future<Output = Answer<R, E>> + Send>> },
    }
}

impl<F, R, E> Future for Intercepting<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Answer<R, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProjection::Straight { call } => {
                let response = ready!(call.poll(context));
                Poll::Ready(response.map(|response| response.map(InterceptedBody::plain)))
            }
            WayProjection::Guarded { call } => call.as_mut().poll(context),
        }
    }
}

/// Asks the interceptors one by one, and then the service.
async fn guard<S, R>(
    interceptors: Arc<[Arc<dyn Interceptor>]>,
    mut service: S,
    request: Request<Body>,
) -> Answer<R, S::Error>
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: 'static,
{
    let (parts, body) = request.into_parts();
    let mut call = CallHead::new(parts);
    let slot = call.extensions().get::<OutcomeSlot>().cloned();
    let mut watches = Watches::new(call.deadline(), slot);
    for interceptor in &*interceptors {
        match interceptor.intercept(&mut call).await {
            Ok(admission) => watches.add(admission),
            Err(refusal) => return Ok(refused(watches, refusal)),
        }
    }
    if watches.is_empty() {
        let request = Request::from_parts(call.into_parts(), body);
        std::future::poll_fn(|context| service.poll_ready(context)).await?;
        let response = service.call(request).await?;
        return Ok(response.map(InterceptedBody::plain));
    }
    let ending = Ending::new(watches);
    let body = Asked::watch(body, ending.watching().clone());
    let request = Request::from_parts(call.into_parts(), body);
    let asked = async {
        std::future::poll_fn(|context| service.poll_ready(context)).await?;
        service.call(request).await
    };
    match asked.await {
        Ok(response) => Ok(watched(response, ending)),
        Err(error) => {
            ending.end(unanswered(&error));
            Err(error)
        }
    }
}

/// A reply that is seen to its end.
fn watched<R>(response: Response<R>, ending: Ending) -> Response<InterceptedBody<R>> {
    let (mut head, body) = response.into_parts();
    let content_type = head.headers.remove(header::CONTENT_TYPE);
    let body = match Status::take_from(&mut head.headers) {
        Some(status) => {
            ending.close(status.clone(), &mut head.headers);
            status.write_to(&mut head.headers);
            InterceptedBody::plain(body)
        }
        None => {
            ending.metadata(&mut head.headers);
            InterceptedBody::watched(body, ending)
        }
    };
    if let Some(content_type) = content_type {
        head.headers.insert(header::CONTENT_TYPE, content_type);
    }
    Response::from_parts(head, body)
}

/// The answer to a call that does not pass (gRPC over HTTP/2, "Responses":
/// Trailers-Only).
fn refused<R>(mut watches: Watches, refusal: Refusal) -> Response<InterceptedBody<R>> {
    let Refusal {
        status,
        metadata: mut trailers,
    } = refusal;
    watches.close(&status, &mut trailers);
    status.write_to(&mut trailers);
    let grpc = HeaderValue::from_static("application/grpc");
    trailers.insert(header::CONTENT_TYPE, grpc);
    let mut response = Response::new(InterceptedBody::nothing());
    *response.headers_mut() = trailers;
    response
}

/// The status of a call that the service gave no answer to.
fn unanswered<E: Any>(error: &E) -> Status {
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<BoxError>() {
        return failed(error);
    }
    if let Some(status) = any.downcast_ref::<Status>() {
        return status.clone();
    }
    Status::new(Code::Unavailable, "the service cannot be reached")
}
