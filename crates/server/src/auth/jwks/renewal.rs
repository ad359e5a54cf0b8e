//! Asks a URL for its keys: in time, and before when somebody needs another
//! one, but never more often than it may.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Shared;
use super::fetch::{self, Fetched};
use super::keys::Keys;

/// An answer is not kept for longer, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How far the attempts have come.
#[derive(Clone, Copy, Default)]
struct Progress {
    begun: u64,
    ended: u64,
    last: Option<Instant>,
}

impl Progress {
    fn is_running(self) -> bool {
        self.begun > self.ended
    }

    /// Whether it is too early for another one.
    fn is_fresh(self, pause: Duration) -> bool {
        self.last.is_some_and(|last| last.elapsed() < pause)
    }
}

/// The task that asks.
pub(super) struct Renewal {
    url: Uri,
    refresh: Duration,
    pause: Duration,
    shared: Arc<Shared>,
    wanted: Arc<Notify>,
    progress: watch::Sender<Progress>,
    /// What was wrong the last time, so that it is not said again.
    said: String,
}

/// The way to a [`Renewal`].
pub(super) struct Attempts {
    wanted: Arc<Notify>,
    progress: watch::Receiver<Progress>,
    pause: Duration,
}

impl Attempts {
    /// Waits for the first attempt to end.
    pub(super) async fn first(&self, at_most: Duration) {
        self.ended(1, at_most).await;
    }

    /// Asks again, if that may be; whether an attempt has ended meanwhile.
    pub(super) async fn ask(&self, at_most: Duration) -> bool {
        let now = *self.progress.borrow();
        if now.is_running() {
            return self.ended(now.begun, at_most).await;
        }
        if now.is_fresh(self.pause) {
            return false;
        }
        self.wanted.notify_one();
        self.ended(now.begun + 1, at_most).await
    }

    async fn ended(&self, number: u64, at_most: Duration) -> bool {
        let mut progress = self.progress.clone();
        let ended = progress.wait_for(|progress| progress.ended >= number);
        let ended = tokio::time::timeout(at_most, ended).await;
        ended.is_ok_and(|ended| ended.is_ok())
    }
}

impl Renewal {
    pub(super) fn new(
        url: Uri,
        refresh: Duration,
        pause: Duration,
        shared: Arc<Shared>,
    ) -> (Self, Attempts) {
        let wanted = Arc::new(Notify::new());
        let (progress, seen) = watch::channel(Progress::default());
        let attempts = Attempts {
            wanted: Arc::clone(&wanted),
            progress: seen,
            pause,
        };
        let renewal = Self {
            url,
            refresh,
            pause,
            shared,
            wanted,
            progress,
            said: String::new(),
        };
        (renewal, attempts)
    }

    /// Asks for as long as it is let.
    pub(super) async fn run(mut self) {
        loop {
            self.progress.send_modify(|progress| {
                progress.begun += 1;
                progress.last = Some(Instant::now());
            });
            let due = Instant::now() + self.attempt().await;
            self.progress.send_modify(|progress| progress.ended += 1);
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(due) => break,
                    () = self.wanted.notified() => {}
                }
                // Somebody may have asked while the last attempt ran.
                if !self.progress.borrow().is_fresh(self.pause) {
                    break;
                }
            }
        }
    }

    /// Asks once, and tells when to ask again.
    async fn attempt(&mut self) -> Duration {
        let fetched = fetch::fetch(&self.url).await;
        let place = fetch::shown(&self.url);
        let read = fetched.and_then(|Fetched { text, max_age }| {
            let keys = Keys::parse(&text, &place).map_err(|error| error.to_string())?;
            Ok((keys, max_age))
        });
        match read {
            Ok((keys, max_age)) => {
                self.shared.take(keys);
                if !self.said.is_empty() {
                    tracing::info!(url = fetch::shown(&self.url), "the keys are there again");
                    self.said.clear();
                }
                let due = max_age.unwrap_or(self.refresh);
                due.min(LONGEST).max(self.pause)
            }
            Err(reason) => {
                if reason != self.said {
                    tracing::warn!(
                        url = fetch::shown(&self.url),
                        reason,
                        "cannot get the keys of tokens, those that are known stay"
                    );
                    self.said = reason;
                }
                self.pause
            }
        }
    }
}
