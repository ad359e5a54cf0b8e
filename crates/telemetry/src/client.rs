//! A span for each call that is made for another: around the way to a server,
//! such as a channel.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use portolan_rpc::{Body, BoxError, Code, GRPC_STATUS, Status};
use tower_service::Service;

use crate::span::{Kind, Running, SpanStatus};
use crate::{Telemetry, TraceContext};

/// A service whose calls are spans, if the request's extensions have the
/// [`TraceContext`] of one around it that is recorded; other calls pass
/// untouched.
#[derive(Clone, Debug)]
pub struct Traced<S> {
    service: S,
    telemetry: Option<Telemetry>,
}

impl<S> Traced<S> {
    /// Without telemetry every call passes untouched.
    pub fn new(service: S, telemetry: Option<Telemetry>) -> Self {
        let telemetry = telemetry.filter(Telemetry::traces);
        Self { service, telemetry }
    }
}

impl<S> Service<Request<Body>> for Traced<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Status>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let telemetry = self.telemetry.as_ref();
        let around = telemetry.and_then(|_| request.extensions().get::<TraceContext>());
        let around = around.filter(|around| around.is_sampled());
        let call = telemetry.zip(around).map(|(telemetry, around)| Call {
            telemetry: telemetry.clone(),
            path: request.uri().path().into(),
            running: Some(telemetry.call(around)),
        });
        if let Some(running) = call.as_ref().and_then(|call| call.running.as_ref()) {
            running.write_to(request.headers_mut());
        }
        Answering {
            answer: self.service.call(request),
            call,
        }
    }
}

/// What is to come of a call.
#[derive(Debug)]
pub struct Answering<F> {
    answer: F,
    /// Absent when it is no span.
    call: Option<Call>,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, Status>> + Unpin,
{
    type Output = Result<Response<Body>, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        let Some(mut call) = self.call.take() else {
            return Poll::Ready(answer);
        };
        Poll::Ready(match answer {
            Err(error) => {
                call.end(error.code());
                Err(error)
            }
            // There is nothing but trailers.
            Ok(response) if response.headers().contains_key(GRPC_STATUS) => {
                call.end(code_of(response.headers()));
                Ok(response)
            }
            Ok(response) => Ok(response.map(|body| Body::new(Watched { body, call }))),
        })
    }
}

/// A call that is a span. Dropped before its end, it was given up.
#[derive(Debug)]
struct Call {
    telemetry: Telemetry,
    path: Box<str>,
    /// Until it has ended.
    running: Option<Running>,
}

impl Call {
    fn end(&mut self, code: Code) {
        let Some(running) = self.running.take() else {
            return;
        };
        let path = &*self.path;
        let name = || path.trim_start_matches('/').to_owned();
        let status = SpanStatus::of_client(code);
        self.telemetry
            .record(running, Kind::Client, name, status, |span| {
                span.put_rpc(path, code);
            });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// An answer whose end is noted.
struct Watched {
    body: Body,
    call: Call,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.end(code_of(trailers));
                }
            }
            Some(Err(error)) => {
                let status = error.downcast_ref::<Status>();
                self.call
                    .end(status.map_or(Code::Unavailable, Status::code));
            }
            // Without a status it broke off.
            None => self.call.end(Code::Internal),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The code that trailers carry.
fn code_of(trailers: &HeaderMap) -> Code {
    let code = trailers.get(GRPC_STATUS);
    let number = code.and_then(|code| code.to_str().ok()?.parse().ok());
    number.map_or(Code::Unknown, Code::from_number)
}
