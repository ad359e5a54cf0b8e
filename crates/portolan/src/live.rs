//! A service that can be replaced while it serves.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use tower_service::Service;

/// Serves with whatever is its service at the moment. Calls that run go on with
/// the one they began with.
#[derive(Debug)]
pub(crate) struct Live<S>(Arc<ArcSwap<S>>);

impl<S> Live<S> {
    pub(crate) fn new(service: S) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(service)))
    }

    /// Serves with another from now on.
    pub(crate) fn replace(&self, service: S) {
        self.0.store(Arc::new(service));
    }
}

impl<S> Clone for Live<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The service has to be ready at any time, as a gateway is.
impl<S, R> Service<R> for Live<S>
where
    S: Service<R, Error = Infallible> + Clone,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        S::clone(&self.0.load()).call(request)
    }
}
