//! How many calls run at a time, and how many may wait for that: what is more
//! is turned away at once, while there is still time to answer the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use portolan_gateway::{Code, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Admission, CallHead, Interceptor, Refusal, Watch};

/// Health checks are let pass always: a server that is busy is not ill.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Lets so many calls run at a time, and so many more wait, first come, first
/// served; all others end with RESOURCE_EXHAUSTED, which is gRPC's word for a
/// server that is out of resources for the moment (gRPC, "Status codes and their
/// use"). A stream runs for as long as it is open.
#[derive(Clone, Debug)]
pub struct LoadLimit {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_running: usize,
    most_waiting: usize,
}

impl LoadLimit {
    /// At least one may run.
    #[must_use]
    pub fn new(running: usize, waiting: usize) -> Self {
        let most_running = running.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(most_running)),
            waiting: Arc::default(),
            most_running,
            most_waiting: waiting,
        }
    }

    async fn admit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Some(permit);
        }
        let _place = Place::take(&self.waiting, self.most_waiting)?;
        // Nobody closes it.
        Arc::clone(&self.running).acquire_owned().await.ok()
    }
}

/// A place among those who wait.
struct Place<'w>(&'w AtomicUsize);

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |now| (now < most).then_some(now + 1);
        let taken = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Holds the permit for as long as the call runs.
struct Running(
    #[expect(dead_code, reason = "it is held, and given back when it goes")] OwnedSemaphorePermit,
);

impl Watch for Running {}

#[async_trait]
impl Interceptor for LoadLimit {
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
        if call.method().starts_with(HEALTH) {
            return Ok(Admission::granted());
        }
        match self.admit().await {
            Some(permit) => Ok(Admission::watched(Running(permit))),
            None => {
                let sentence = format!(
                    "the server is busy: {} calls run and {} wait; try again soon",
                    self.most_running, self.most_waiting
                );
                Err(Status::new(Code::ResourceExhausted, sentence).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn some_run_some_wait_and_the_others_are_turned_away() {
        let limit = LoadLimit::new(2, 1);
        let first = limit.admit().await.unwrap();
        let _second = limit.admit().await.unwrap();
        let mut third = Box::pin(limit.admit());
        assert!((&mut third).now_or_never().is_none(), "it waits");
        assert!(limit.admit().await.is_none(), "no place to wait");
        drop(first);
        let third = third.await.unwrap();

        let mut fourth = Box::pin(limit.admit());
        assert!((&mut fourth).now_or_never().is_none());
        // Who leaves makes room for another to wait.
        drop(fourth);
        assert_eq!(limit.waiting.load(Ordering::Acquire), 0);
        drop(third);
        assert!(limit.admit().await.is_some());
    }
}
