//! A service that panics fails one call, not the connection and not the server.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::apology::{Dialect, GRPC_STATUS, SENTENCE, put_status};
use crate::BoxError;

/// Puts [`Recover`] around a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoverLayer;

impl<S> Layer<S> for RecoverLayer {
    type Service = Recover<S>;

    fn layer(&self, service: S) -> Self::Service {
        Recover::new(service)
    }
}

/// Answers for a service that panics: gRPC, gRPC-Web and Connect with the status
/// INTERNAL in their own words, any other request with the HTTP status 500. An
/// answer that has begun is broken off, unless it is gRPC's, which can still end
/// with the status. The server does so for all it serves;
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
        let dialect = Dialect::of(&request);
        // The service is not used again after a panic within `call`: every
        // request has its own clone.
        let call = match catch_unwind(AssertUnwindSafe(|| self.0.call(request))) {
            Ok(call) => Some(call),
            Err(panic) => {
                log(&*panic);
                None
            }
        };
        Recovering { call, dialect }
    }
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
        dialect: Dialect,
    }
}

impl<F, B> Future for Recovering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Recovered<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let dialect = *this.dialect;
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Ok(apology(dialect)));
        };
        // A future that panicked is not polled again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| call.poll(context))) {
            Ok(polled) => {
                let Ok(response) = ready!(polled);
                let is_grpc =
                    dialect == Dialect::Grpc && !response.headers().contains_key(GRPC_STATUS);
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
                Poll::Ready(Ok(apology(dialect)))
            }
        }
    }
}

/// The answer in place of the service's.
fn apology<B>(dialect: Dialect) -> Response<Recovered<B>> {
    dialect.apology().map(|bytes| Recovered {
        state: State::Apology { bytes },
    })
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
