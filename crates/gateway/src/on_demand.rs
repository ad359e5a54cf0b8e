//! A request that is read when its service asks for it, and not before: a
//! service that refuses a call by its metadata has then cost nothing more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Frame;

use crate::call::Fault;
use crate::protocol::Eventually;
use crate::{Body, BoxError, Status};

/// Messages that are made of a request when they are asked for.
pub(crate) struct OnDemand {
    state: State,
    fault: Fault,
}

enum State {
    Asked(Eventually<'static, Result<Body, Status>>),
    There(Body),
    Failed,
}

impl OnDemand {
    /// The messages that `read` gives; what is wrong with them decides the
    /// status of the call.
    pub(crate) fn body(
        read: impl Future<Output = Result<Body, Status>> + Send + 'static,
        fault: Fault,
    ) -> Body {
        Body::new(Self {
            state: State::Asked(Box::pin(read)),
            fault,
        })
    }
}

/// Takes the headers, which the service gets at once, and leaves what is to be
/// known when the body is read.
pub(crate) fn take_headers(head: &mut Parts) -> HeaderMap {
    let headers = std::mem::take(&mut head.headers);
    for name in [CONTENT_TYPE, http::header::CONTENT_ENCODING] {
        if let Some(value) = headers.get(&name) {
            head.headers.insert(name, value.clone());
        }
    }
    headers
}

impl http_body::Body for OnDemand {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let State::Asked(read) = &mut self.state {
            match ready!(read.as_mut().poll(context)) {
                Ok(body) => self.state = State::There(body),
                Err(status) => {
                    self.state = State::Failed;
                    self.fault.set(status.clone());
                    return Poll::Ready(Some(Err(status.into())));
                }
            }
        }
        match &mut self.state {
            State::There(body) => Pin::new(body).poll_frame(context),
            State::Asked(_) | State::Failed => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::There(body) => body.is_end_stream(),
            State::Asked(_) => false,
            State::Failed => true,
        }
    }
}
