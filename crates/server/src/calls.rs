//! Where the calls of an HTTP/2 connection run: one that is alone and short in
//! the connection's own task, all others in tasks of their own.
//!
//! In one task a call needs neither a spawn nor a wake-up of another thread, and
//! its whole answer is there when the connection is worked on. Most connections
//! have one call at a time; those that have many want all cores. While the call
//! works, its connection does not: so it has to leave for a task of its own as
//! soon as another comes, and when it turns out to be long or to get much.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;
use std::time::{Duration, Instant};

use hyper::rt::Executor;
use tokio::runtime::Handle;
use tokio::task::coop;
use tokio_util::task::TaskTracker;

use crate::vigil::Traffic;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a call may work at a time in the connection's task.
const LONG: Duration = Duration::from_millis(1);
/// How often it may be worked on there.
const POLLS: u32 = 64;
/// How many bytes may come over the connection while it is there. A call that
/// takes them all at once works on no more frames than fit into these.
const BURST: u64 = 2048;
/// How many calls do not get the seat after one that worked for too long.
const PAUSE: u32 = 64;

/// Starts the calls of a connection.
#[derive(Clone)]
pub(crate) struct Calls {
    /// For those that have tasks of their own, so that the server can wait for
    /// them.
    tasks: TaskTracker,
    seat: Arc<Seat>,
    /// Every call has a strong clone, and those are counted.
    running: Weak<Traffic>,
}

/// Room for one call in the connection's task.
#[derive(Default)]
struct Seat {
    taken: AtomicBool,
    /// Whether another call has come since.
    wanted: AtomicBool,
    /// How many calls have to come before one gets the seat again.
    pause: AtomicU32,
    /// A call that has just come.
    fresh: Mutex<Option<Call>>,
}

/// The call that runs in the connection's task.
pub(crate) struct Seated {
    calls: Calls,
    call: Option<Call>,
    /// How often it was worked on.
    polls: u32,
    /// How many bytes had come over the connection before it …
    before: u64,
    /// … and have come until now.
    came: u64,
}

impl Calls {
    /// The calls of one connection; `running` has a clone for each.
    pub(crate) fn new(tasks: TaskTracker, running: Weak<Traffic>) -> (Self, Seated) {
        let calls = Self {
            tasks,
            seat: Arc::default(),
            running,
        };
        let seated = Seated {
            calls: calls.clone(),
            call: None,
            polls: 0,
            before: 0,
            came: 0,
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
        let running = self.running.upgrade();
        let call = async move {
            call.await;
            drop(running);
        };
        let seat = &self.seat;
        let pause = seat.pause.load(Ordering::Relaxed);
        if pause > 0 {
            seat.pause.store(pause - 1, Ordering::Relaxed);
            self.tasks.spawn(call);
            return;
        }
        if seat.taken.swap(true, Ordering::Relaxed) {
            seat.wanted.store(true, Ordering::Relaxed);
            self.tasks.spawn(call);
            return;
        }
        *self.seat.lock() = Some(Box::pin(call));
    }
}

impl Seat {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Call>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seated {
    /// Works on the call that is there, if there is one; whether it has ended.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Some(call) = &mut self.call else {
            return false;
        };
        let begin = Instant::now();
        if call.as_mut().poll(context).is_ready() {
            self.call = None;
            self.stand_up();
            self.note(begin);
            return true;
        }
        self.polls += 1;
        // What it takes of the task's budget, the connection lacks.
        if self.note(begin) || self.polls >= POLLS || !coop::has_budget_remaining() {
            self.leave();
        }
        false
    }

    /// To be called whenever the connection was worked on, with the count of the
    /// bytes that have come over it. Begins a call that has come, and sends away
    /// one that must not be here any more; whether one came and has ended
    /// already.
    pub(crate) fn begin(&mut self, context: &mut Context<'_>, came: u64) -> bool {
        let before = std::mem::replace(&mut self.came, came);
        let seat = &self.calls.seat;
        let wanted = seat.wanted.swap(false, Ordering::Relaxed);
        let fresh = seat.lock().take();
        let is_fresh = fresh.is_some();
        if is_fresh {
            self.call = fresh;
            self.polls = 0;
            self.before = before;
        }
        if wanted || came - self.before > BURST {
            self.leave();
        }
        is_fresh && self.poll(context)
    }

    /// Goes on with the call in a task of its own.
    fn leave(&mut self) {
        if let Some(call) = self.call.take() {
            self.stand_up();
            self.calls.tasks.spawn(call);
        }
    }

    fn stand_up(&self) {
        self.calls.seat.taken.store(false, Ordering::Relaxed);
    }

    /// Whether the call worked for too long, which keeps the next ones away.
    fn note(&self, begin: Instant) -> bool {
        let long = begin.elapsed() > LONG;
        if long {
            self.calls.seat.pause.store(PAUSE, Ordering::Relaxed);
        }
        long
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
        poll_fn(|context| Poll::Ready(seated.begin(context, 0))).await
    }

    async fn poll(seated: &mut Seated) -> bool {
        poll_fn(|context| Poll::Ready(seated.poll(context))).await
    }

    #[tokio::test]
    async fn a_call_alone_is_seated() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        assert!(!begin(&mut seated).await, "there is none");
        calls.execute(ready(()));
        assert!(begin(&mut seated).await, "it has ended");
        calls.execute(pending::<()>());
        assert!(!begin(&mut seated).await, "it runs");
        assert!(!poll(&mut seated).await && seated.call.is_some());
        assert_eq!(tasks.len(), 0);
    }

    #[tokio::test]
    async fn calls_that_are_not_alone_have_tasks() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        calls.execute(pending::<()>());
        assert!(!begin(&mut seated).await, "it runs");
        calls.execute(pending::<()>());
        assert_eq!(tasks.len(), 1);
        assert!(!begin(&mut seated).await, "neither is here");
        assert_eq!(tasks.len(), 2);
        // Those that come together never sit down.
        for _ in 0..2 {
            calls.execute(pending::<()>());
        }
        assert!(!begin(&mut seated).await, "neither is here");
        assert_eq!(tasks.len(), 4);
        calls.execute(ready(()));
        assert!(begin(&mut seated).await, "the seat is free");
    }

    #[tokio::test]
    async fn a_call_that_works_for_long_leaves_and_keeps_others_away() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        calls.execute(async {
            std::thread::sleep(LONG * 2);
            pending::<()>().await;
        });
        assert!(!begin(&mut seated).await, "it runs");
        assert_eq!(tasks.len(), 1);
        for _ in 0..PAUSE {
            calls.execute(pending::<()>());
            assert!(!begin(&mut seated).await, "it is not here");
        }
        assert_eq!(tasks.len(), 1 + PAUSE as usize);
        calls.execute(ready(()));
        assert!(begin(&mut seated).await, "the seat is free");
    }

    #[tokio::test]
    async fn a_call_that_is_worked_on_often_leaves() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        calls.execute(pending::<()>());
        begin(&mut seated).await;
        for _ in 2..POLLS {
            poll(&mut seated).await;
        }
        assert_eq!(tasks.len(), 0);
        poll(&mut seated).await;
        assert_eq!(tasks.len(), 1);
    }

    #[tokio::test]
    async fn a_call_that_takes_the_whole_budget_leaves() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        calls.execute(async {
            loop {
                coop::consume_budget().await;
            }
        });
        assert!(!begin(&mut seated).await, "it runs");
        assert_eq!(tasks.len(), 1);
    }

    #[tokio::test]
    async fn a_call_that_gets_much_leaves() {
        let tasks = TaskTracker::new();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
        let mut came = 0;
        let mut begin = async |seated: &mut Seated, more| {
            came += more;
            poll_fn(|context| Poll::Ready(seated.begin(context, came))).await
        };
        calls.execute(ready(()));
        assert!(begin(&mut seated, BURST).await, "it may take so much");
        calls.execute(pending::<()>());
        assert!(!begin(&mut seated, BURST).await, "it runs");
        assert_eq!(tasks.len(), 0);
        assert!(!begin(&mut seated, 1).await, "it runs");
        assert_eq!(tasks.len(), 1);
        calls.execute(ready(()));
        assert!(!begin(&mut seated, BURST + 1).await, "it is not here");
        assert_eq!(tasks.len(), 2);
    }

    #[tokio::test]
    async fn a_call_that_outlives_its_connection_goes_on() {
        let tasks = TaskTracker::new();
        let (told, end) = tokio::sync::oneshot::channel();
        let (ended, seen) = tokio::sync::oneshot::channel();
        let (calls, mut seated) = Calls::new(tasks.clone(), Weak::new());
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
