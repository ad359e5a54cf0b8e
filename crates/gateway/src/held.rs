//! The body of a service, let go at the deadline of its call even when nobody
//! reads it any more.
//!
//! HTTP/2 does not ask for a body whose client has closed its window, so a
//! reader that stops would keep a stream of the service, and what it holds, for
//! as long as its connection lives. Whoever reads learns of the deadline from
//! [`crate::call::Guarded`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::BoxError;
use crate::{Body, Code, Outcome};

/// A body until its deadline.
pub(crate) enum Held {
    /// Without one, there is nobody to share it with.
    Untimed(Option<Body>),
    Timed {
        body: Arc<Mutex<Option<Body>>>,
        timer: JoinHandle<()>,
    },
}

impl Held {
    /// Holds a body for good, or until the deadline of the call, which is then
    /// over.
    pub(crate) fn new(body: Body, until: Option<Instant>, outcome: &Outcome) -> Self {
        let Some(instant) = until else {
            return Self::Untimed(Some(body));
        };
        let body = Arc::new(Mutex::new(Some(body)));
        let outcome = outcome.clone();
        let held = Arc::clone(&body);
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(instant).await;
            if let Some(body) = lock(&held).take() {
                // A reader that never comes back would pass for one that gave up.
                outcome.end(Code::DeadlineExceeded);
                drop(body);
            }
        });
        Self::Timed { body, timer }
    }

    /// The next frame; pending for good once the body was let go.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut locked;
        let body = match self {
            Self::Untimed(body) => body,
            Self::Timed { body, .. } => {
                locked = lock(body);
                &mut *locked
            }
        };
        match body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Pending,
        }
    }

    /// Lets go of the body now.
    pub(crate) fn release(&mut self) {
        // What was there is dropped, and its timer with it.
        *self = Self::Untimed(None);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Timed { body, timer } = self {
            // Here and now: an aborted timer lets go of its share only later.
            drop(lock(body).take());
            timer.abort();
        }
    }
}

fn lock(body: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::StreamBody;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_reads_goes_at_its_deadline() {
        let alive = Arc::new(());
        let seen = Arc::downgrade(&alive);
        let frames = futures_util::stream::poll_fn(move |_| {
            let _ = &alive;
            Poll::<Option<Result<Frame<Bytes>, BoxError>>>::Pending
        });
        let body = Body::new(StreamBody::new(frames));
        let outcome = Outcome::new("/a/B".into(), "grpc", true);
        let until = Instant::now() + Duration::from_secs(1);
        let held = Held::new(body, Some(until), &outcome);
        tokio::time::sleep(Duration::from_millis(999)).await;
        assert!(seen.upgrade().is_some());
        assert_eq!(outcome.status(), None);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(seen.upgrade().is_none());
        assert_eq!(outcome.status(), Some(Code::DeadlineExceeded));
        drop(held);
    }
}
