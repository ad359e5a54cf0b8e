//! Where the calls of an HTTP/2 connection run: one that is alone in the
//! connection's own task, and others beside it in tasks of their own.
//!
//! In one task a call needs neither a spawn nor a wake-up of another thread, and
//! its whole answer is there when the connection is worked on. Most connections
//! have one call at a time; those that have many want all cores.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use hyper::rt::Executor;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts the calls of a connection.
#[derive(Clone)]
pub(crate) struct Calls {
    /// For those that have tasks of their own, so that the server can wait for
    /// them.
    tasks: TaskTracker,
    seat: Arc<Seat>,
}

/// Room for one call in the connection's task.
#[derive(Default)]
struct Seat {
    taken: AtomicBool,
    /// A call that has just come.
    fresh: Mutex<Option<Call>>,
}

/// The call that runs in the connection's task.
pub(crate) struct Seated {
    calls: Calls,
    call: Option<Call>,
}

impl Calls {
    /// The calls of one connection.
    pub(crate) fn new(tasks: TaskTracker) -> (Self, Seated) {
        let calls = Self {
            tasks,
            seat: Arc::default(),
        };
        let seated = Seated {
            calls: calls.clone(),
            call: None,
        };
        (calls, seated)
    }
}

impl<F> Executor<F> for Calls
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, call: F) {
        if self.seat.taken.swap(true, Ordering::Relaxed) {
            self.tasks.spawn(call);
            return;
        }
        let call: Call = Box::pin(async move {
            call.await;
        });
        *self.seat.lock() = Some(call);
    }
}

impl Seat {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Call>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seated {
    /// Works on the call that is there, if there is one.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(call) = &mut self.call
            && call.as_mut().poll(context).is_ready()
        {
            self.call = None;
            self.calls.seat.taken.store(false, Ordering::Relaxed);
        }
    }

    /// Begins a call that has come; whether one did, and has ended already.
    pub(crate) fn begin(&mut self, context: &mut Context<'_>) -> bool {
        let Some(call) = self.calls.seat.lock().take() else {
            return false;
        };
        self.call = Some(call);
        self.poll(context);
        self.call.is_none()
    }
}

impl Drop for Seated {
    /// A call that outlives its connection learns of that in a task of its own;
    /// when the runtime ends, nobody does.
    fn drop(&mut self) {
        let fresh = self.calls.seat.lock().take();
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        for call in self.call.take().into_iter().chain(fresh) {
            self.calls.tasks.spawn_on(call, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::task::Poll;

    use super::*;

    async fn begin(seated: &mut Seated) -> bool {
        poll_fn(|context| Poll::Ready(seated.begin(context))).await
    }

    #[tokio::test]
    async fn a_call_alone_is_seated_and_others_have_tasks() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone());
        assert!(!begin(&mut seated).await, "there is none");
        calls.execute(ready(()));
        assert!(begin(&mut seated).await, "it has ended");
        calls.execute(pending::<()>());
        assert!(!begin(&mut seated).await, "it runs");
        assert_eq!(tasks.len(), 0);
        calls.execute(ready(()));
        assert!(!begin(&mut seated).await, "it is not here");
        assert_eq!(tasks.len(), 1);
    }

    #[tokio::test]
    async fn a_call_that_outlives_its_connection_goes_on() {
        let tasks = TaskTracker::new();
        let (told, end) = tokio::sync::oneshot::channel();
        let (ended, seen) = tokio::sync::oneshot::channel();
        let (calls, mut seated) = Calls::new(tasks.clone());
        calls.execute(async {
            end.await.unwrap();
            ended.send(()).unwrap();
        });
        assert!(!begin(&mut seated).await);
        drop(seated);
        assert_eq!(tasks.len(), 1);
        told.send(()).unwrap();
        seen.await.unwrap();
    }
}
