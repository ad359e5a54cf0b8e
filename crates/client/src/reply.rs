//! The body of a response: what comes from the connection, within the call's
//! deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use portolan_rpc::{Deadline, Status};
use tokio::time::{Sleep, sleep_until};

use crate::balance::Lease;
use crate::transport::Incoming;

/// Frames and trailers of one call. Dropped early, it cancels the call.
pub(crate) struct Reply {
    incoming: Incoming,
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
    _lease: Lease,
}

impl Reply {
    pub(crate) fn new(incoming: Incoming, lease: Lease, deadline: Deadline) -> Self {
        let over = incoming.is_end_stream();
        // What has all come cannot be late any more.
        let deadline = deadline.instant().filter(|_| !over);
        Self {
            incoming,
            deadline: deadline.map(|moment| Box::pin(sleep_until(moment))),
            over,
            _lease: lease,
        }
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
        if let Poll::Ready(frame) = self.incoming.poll_frame(context) {
            self.over = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
            return Poll::Ready(frame);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            self.over = true;
            return Poll::Ready(Some(Err(Deadline::exceeded())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
