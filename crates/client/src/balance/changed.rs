//! How calls that wait hear that something has changed.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Wakes the calls that wait for a connection.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    notify: Notify,
    waiting: AtomicUsize,
}

impl Changed {
    /// Something is different: everybody looks again. Free while nobody waits.
    pub(crate) fn all(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.notify.notify_waiters();
        }
    }

    /// There is room for one call more. Free while nobody waits.
    pub(crate) fn one(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.notify.notify_one();
        }
    }

    /// Tries until there is something, and in between waits for a change or
    /// for the moment that the attempt names.
    pub(crate) async fn until<T>(&self, mut attempt: impl FnMut() -> Next<T>) -> T {
        // Mostly there is no need to wait.
        if let Next::Done(done) = attempt() {
            return done;
        }
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let mut notified = pin!(self.notify.notified());
            notified.as_mut().enable();
            match attempt() {
                Next::Done(done) => return done,
                Next::Wait(None) => notified.await,
                Next::Wait(Some(moment)) => {
                    let _ = tokio::time::timeout_at(moment, notified).await;
                }
            }
        }
    }
}

/// What an attempt came to.
pub(crate) enum Next<T> {
    Done(T),
    /// Nothing yet; at the moment it is worth looking again in any case.
    Wait(Option<Instant>),
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
