//! How many calls go to a server at a time, and how many wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_rpc::{Code, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds on the calls of a channel. Those that wait do so within their
/// deadlines, first come, first served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimit {
    /// Calls under way.
    pub calls: usize,
    /// Calls that wait. Further ones fail with RESOURCE_EXHAUSTED.
    pub queued: usize,
}

/// Lets calls in.
pub(crate) struct Gate {
    limit: CallLimit,
    places: Arc<Semaphore>,
    queued: AtomicUsize,
}

/// A call's place until it is over.
pub(crate) type Place = OwnedSemaphorePermit;

impl Gate {
    pub(crate) fn new(limit: CallLimit) -> Self {
        let places = limit.calls.min(Semaphore::MAX_PERMITS);
        Self {
            limit,
            places: Arc::new(Semaphore::new(places)),
            queued: AtomicUsize::new(0),
        }
    }

    /// A place, at once or in its turn.
    pub(crate) async fn enter(&self) -> Result<Place, Status> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let Some(_queued) = Queued::enter(&self.queued, self.limit.queued) else {
            let CallLimit { calls, queued } = self.limit;
            let message =
                format!("{calls} calls are under way and {queued} wait, which are the limits");
            return Err(Status::new(Code::ResourceExhausted, message));
        };
        let place = Arc::clone(&self.places).acquire_owned().await;
        // Nobody closes it.
        place.map_err(|_| Status::new(Code::Unavailable, "the channel takes no calls"))
    }
}

/// A place in the queue.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |count: usize| (count < most).then_some(count + 1);
        let entered = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        entered.ok().map(|_| Self(count))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn some_go_some_wait_and_the_rest_hears_the_figures() {
        let gate = Gate::new(CallLimit {
            calls: 2,
            queued: 1,
        });
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(first)) = pin!(gate.enter()).poll(&mut context) else {
            panic!("there is room");
        };
        let Poll::Ready(Ok(_second)) = pin!(gate.enter()).poll(&mut context) else {
            panic!("there is room");
        };
        {
            let mut gives_up = pin!(gate.enter());
            assert!(gives_up.as_mut().poll(&mut context).is_pending());
        }
        let mut third = pin!(gate.enter());
        assert!(third.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(Err(status)) = pin!(gate.enter()).poll(&mut context) else {
            panic!("there is no room");
        };
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "2 calls are under way and 1 wait, which are the limits"
        );
        drop(first);
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
