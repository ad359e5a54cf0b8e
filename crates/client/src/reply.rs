//! The body of a response: what comes from the connection, within the call's
//! deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use portolan_rpc::{Code, Deadline, GRPC_STATUS, Status};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::balance::Lease;
use crate::channel::Observer;
use crate::limit::Place;
use crate::transport::Incoming;

/// Frames and trailers of one call. Dropped early, it cancels the call.
pub(crate) struct Reply {
    incoming: Incoming,
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
    /// Who wants to know how it ends.
    observer: Option<Observer>,
    lease: Lease,
    _place: Option<Place>,
}

impl Reply {
    pub(crate) fn new(
        incoming: Incoming,
        lease: Lease,
        deadline: Deadline,
        observer: Option<Observer>,
        place: Option<Place>,
    ) -> Self {
        let over = incoming.is_end_stream();
        // What has all come cannot be late any more.
        let deadline = deadline.instant().filter(|_| !incoming.is_complete());
        Self {
            incoming,
            deadline: deadline.map(|moment| Box::pin(sleep_until(moment))),
            over,
            observer,
            lease,
            _place: place,
        }
    }

    fn end(&mut self, code: impl FnOnce() -> Code) {
        self.over = true;
        if let Some(observer) = self.observer.take() {
            observer.ended(self.lease.subchannel(), code());
        }
    }

    /// Ends it since its time is over, whatever may still come.
    fn exceeded(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.end(|| Code::DeadlineExceeded);
        Poll::Ready(Some(Err(Deadline::exceeded())))
    }

    fn is_late(&self) -> bool {
        let late = |deadline: &Pin<Box<Sleep>>| deadline.deadline() <= Instant::now();
        self.deadline.as_ref().is_some_and(late)
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = self.incoming.poll_frame(context);
        // Neither a reader that is slow nor a request that breaks off says
        // anything of the server.
        let late = self.is_late();
        if late && matches!(frame, Poll::Ready(Some(Ok(_)))) || self.incoming.broke_off() {
            self.observer = None;
        }
        if late {
            return self.exceeded();
        }
        if let Poll::Ready(frame) = frame {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(trailers) = frame.trailers_ref() {
                        self.end(|| code_of(trailers));
                    }
                }
                Some(Err(status)) => self.end(|| status.code()),
                None => self.end(|| Code::Internal),
            }
            return Poll::Ready(frame);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return self.exceeded();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

/// The code that trailers carry.
pub(crate) fn code_of(trailers: &http::HeaderMap) -> Code {
    let code = trailers.get(GRPC_STATUS);
    let number = code.and_then(|code| code.to_str().ok()?.parse().ok());
    number.map_or(Code::Unknown, Code::from_number)
}
