//! A service that panics fails one call, not the connection and not the server.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use portolan_gateway::Code;
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxError;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// What a client is told: nothing of the inside.
const SENTENCE: &str = "internal error";
/// The same as `google.rpc.Status`, code INTERNAL.
const JSON: &str = "{\"code\":13,\"message\":\"internal error\",\"details\":[]}";

/// Puts [`Recover`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoverLayer;

impl<S> Layer<S> for RecoverLayer {
    type Service = Recover<S>;

    fn layer(&self, service: S) -> Self::Service {
        Recover::new(service)
    }
}

/// Answers for a service that panics: a gRPC request with the status INTERNAL,
/// any other with the HTTP status 500. The server does so for all it serves;
/// put one more around a gRPC service inside of a gateway, so that the answer
/// is translated like any other.
#[derive(Clone, Debug)]
pub struct Recover<S>(S);

impl<S> Recover<S> {
    /// Guards this service.
    pub fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S, I, B> Service<Request<I>> for Recover<S>
where
    S: Service<Request<I>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Recovered<B>>;
    type Error = Infallible;
    type Future = Recovering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        let is_grpc = is_grpc(request.headers());
        // The service is not used again after a panic within `call`: every
        // request has its own clone.
        match catch_unwind(AssertUnwindSafe(|| self.0.call(request))) {
            Ok(call) => Recovering {
                call: Some(call),
                is_grpc,
            },
            Err(panic) => {
                log(&*panic);
                Recovering {
                    call: None,
                    is_grpc,
                }
            }
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn log(panic: &(dyn Any + Send)) {
    tracing::error!(target: "portolan::panic", "a call panicked, its client gets INTERNAL: {}", message(panic));
}

pin_project_lite::pin_project! {
    /// The future of [`Recover`].
    pub struct Recovering<F> {
        // Absent when the service fell before there was one.
        #[pin]
        call: Option<F>,
        is_grpc: bool,
    }
}

impl<F, B> Future for Recovering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Recovered<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let is_grpc = *this.is_grpc;
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Ok(apology(is_grpc)));
        };
        // A future that panicked is not polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| call.poll(context))) {
            Ok(polled) => {
                let Ok(response) = ready!(polled);
                let is_grpc = is_grpc && !response.headers().contains_key(GRPC_STATUS);
                Poll::Ready(Ok(response.map(|body| Recovered {
                    state: State::Service {
                        body,
                        is_grpc,
                        fallen: false,
                    },
                })))
            }
            Err(panic) => {
                log(&*panic);
                Poll::Ready(Ok(apology(is_grpc)))
            }
        }
    }
}

/// The answer in place of the service's.
fn apology<B>(is_grpc: bool) -> Response<Recovered<B>> {
    let (status, content_type, bytes) = if is_grpc {
        (StatusCode::OK, "application/grpc", None)
    } else {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "application/json",
            Some(Bytes::from_static(JSON.as_bytes())),
        )
    };
    let mut response = Response::new(Recovered {
        state: State::Apology { bytes },
    });
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if is_grpc {
        put_status(response.headers_mut());
    }
    response
}

fn put_status(headers: &mut HeaderMap) {
    headers.insert(GRPC_STATUS, HeaderValue::from(Code::Internal as i32));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(SENTENCE));
}

pin_project_lite::pin_project! {
    /// The body of a guarded service's response.
    #[derive(Debug)]
    pub struct Recovered<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project_lite::pin_project! {
    #[derive(Debug)]
    #[project = StateProjection]
    enum State<B> {
        // The service's own body; whether its status comes in trailers, and
        // whether it has panicked.
        Service { #[pin] body: B, is_grpc: bool, fallen: bool },
        // What is said in place of it, until it is sent.
        Apology { bytes: Option<Bytes> },
    }
}

impl<B> Body for Recovered<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, is_grpc, fallen) = match self.project().state.project() {
            StateProjection::Apology { bytes } => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            StateProjection::Service { fallen: true, .. } => return Poll::Ready(None),
            StateProjection::Service {
                body,
                is_grpc,
                fallen,
            } => (body, *is_grpc, fallen),
        };
        match catch_unwind(AssertUnwindSafe(|| body.poll_frame(context))) {
            Ok(polled) => polled.map_err(Into::into),
            Err(panic) => {
                log(&*panic);
                *fallen = true;
                if !is_grpc {
                    // The head is gone, so only breaking off says it.
                    return Poll::Ready(Some(Err(SENTENCE.into())));
                }
                let mut trailers = HeaderMap::new();
                put_status(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Apology { bytes } => bytes.is_none(),
            State::Service { fallen: true, .. } => true,
            State::Service { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Apology { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            State::Service { fallen: true, .. } => SizeHint::with_exact(0),
            State::Service { body, .. } => body.size_hint(),
        }
    }
}
