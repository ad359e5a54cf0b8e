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

use crate::Body;
use crate::body::BoxError;

/// A body until its deadline.
pub(crate) struct Held {
    body: Arc<Mutex<Option<Body>>>,
    timer: Option<JoinHandle<()>>,
}

impl Held {
    /// Holds a body for good, or until a moment.
    pub(crate) fn new(body: Body, until: Option<Instant>) -> Self {
        let body = Arc::new(Mutex::new(Some(body)));
        let timer = until.map(|instant| {
            let body = Arc::clone(&body);
            tokio::spawn(async move {
                tokio::time::sleep_until(instant).await;
                drop(lock(&body).take());
            })
        });
        Self { body, timer }
    }

    /// The next frame; pending for good once the body was let go.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *lock(&self.body) {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Pending,
        }
    }

    /// Lets go of the body now.
    pub(crate) fn release(&mut self) {
        drop(lock(&self.body).take());
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop();
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
        let held = Held::new(body, Some(Instant::now() + Duration::from_secs(1)));
        tokio::time::sleep(Duration::from_millis(999)).await;
        assert!(seen.upgrade().is_some());
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(seen.upgrade().is_none());
        drop(held);
    }
}
