//! Watches over a connection: whether its client is too slow, too quiet or too
//! restless, and whether it has been here for long enough.
//!
//! What happens is counted where it happens, and looked at whenever the
//! connection is worked on; a timer wakes it when nothing does, and is set anew
//! only when it has run out, not with each call.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::Limits;
use crate::open::Version;

/// Within which time calls that were given up are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// How often a connection is looked at that does nothing for itself.
const REST: Duration = Duration::from_secs(60);

/// How many references there are to the traffic without calls: the vigil's and
/// the service's. There are some for each call, also for one that has become
/// something else, and one for each piece of an answer that HTTP still holds.
const NO_CALLS: usize = 2;

/// What the calls of a connection tell of themselves.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// How many calls have begun.
    begun: AtomicU64,
    /// How many were given up before they were answered.
    abandoned: AtomicU64,
    /// How many pieces of answers, and answers whose next piece HTTP has not
    /// asked for, wait for the client.
    waiting: AtomicUsize,
    /// How many bytes of answers HTTP has written.
    moved: AtomicU64,
}

impl Traffic {
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wait(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn go_on(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Whether a call runs.
pub(crate) fn is_busy(traffic: &Weak<Traffic>) -> bool {
    traffic.strong_count() > NO_CALLS
}

/// What is to be seen of a connection's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// How many bytes have come.
    pub(crate) came: u64,
    /// How many have gone.
    pub(crate) gone: u64,
    /// Whether there are some that the system does not take.
    pub(crate) is_stuck: bool,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No more calls, because there were none for long …
    Idle,
    /// … or because it is old.
    Old,
    /// The end, because the head of a request does not come …
    SlowHead,
    /// … or because the client takes nothing …
    SlowReader,
    /// … or because it gives up most calls that it begins.
    Restless,
}

impl Verdict {
    /// Whether running calls may finish.
    pub(crate) fn is_mild(self) -> bool {
        matches!(self, Self::Idle | Self::Old)
    }

    /// What the log says of it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Idle => "no calls for long",
            Self::Old => "it is old enough",
            Self::SlowHead => "the head of a request does not come",
            Self::SlowReader => "the client takes nothing of its answers",
            Self::Restless => "the client gives up most of its calls at once",
        }
    }
}

/// Watches over one connection.
#[derive(Debug)]
pub(crate) struct Vigil {
    timer: Pin<Box<Sleep>>,
    limits: Arc<Limits>,
    /// How long it may be idle, if that matters still.
    idle_limit: Option<Duration>,
    traffic: Arc<Traffic>,
    version: Version,
    /// What was seen last.
    seen: Signs,
    begun: u64,
    moved: u64,
    /// Since when there is no call.
    idle: Option<Instant>,
    /// Since when a head is on its way, and how many bytes had come when none
    /// was.
    head: Option<Instant>,
    before_head: u64,
    /// Since when the system takes nothing …
    stuck: Option<Instant>,
    /// … or the client allows HTTP to send nothing.
    blocked: Option<Instant>,
    /// When it becomes old.
    old: Option<Instant>,
    /// When the count of calls began, and with which figures.
    window: Instant,
    window_begun: u64,
    window_abandoned: u64,
}

impl Vigil {
    pub(crate) fn new(limits: &Arc<Limits>, version: Version, traffic: Arc<Traffic>) -> Self {
        let now = Instant::now();
        let age = limits.connection_age.map(spread);
        let old = age.and_then(|age| now.checked_add(age));
        let first = match version {
            Version::Http1 => limits.header_timeout.min(REST),
            Version::Http2 => REST,
        };
        Self {
            timer: Box::pin(tokio::time::sleep(first)),
            idle_limit: Some(limits.idle_timeout),
            limits: Arc::clone(limits),
            traffic,
            version,
            seen: Signs::default(),
            begun: 0,
            moved: 0,
            idle: Some(now),
            // What is said first is the beginning of a head.
            head: (version == Version::Http1).then_some(now),
            before_head: 0,
            stuck: None,
            blocked: None,
            old,
            window: now,
            window_begun: 0,
            window_abandoned: 0,
        }
    }

    /// Whether any call has begun until now.
    pub(crate) fn has_begun(&self) -> bool {
        self.traffic.begun.load(Ordering::Relaxed) > 0
    }

    /// What its calls tell of themselves.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// From now on it does not matter how idle or old the connection is.
    pub(crate) fn relent(&mut self) {
        self.old = None;
        self.idle_limit = None;
    }

    /// Looks at the connection, and wakes the task when it is to be looked at
    /// again at the latest.
    pub(crate) fn poll(&mut self, signs: Signs, context: &mut Context<'_>) -> Poll<Verdict> {
        let now = Instant::now();
        self.note(signs, now);
        let at = match self.next() {
            Some((verdict, at)) if at <= now => return Poll::Ready(verdict),
            Some((_, at)) => at,
            // A busy connection; the last call may end where nobody looks.
            None => now + REST,
        };
        // A timer that runs out too early costs a look; one that is set anew
        // with each call costs more.
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            self.timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// Takes up what has changed.
    fn note(&mut self, signs: Signs, now: Instant) {
        let begun = self.traffic.begun.load(Ordering::Relaxed);
        let moved = self.traffic.moved.load(Ordering::Relaxed);
        let waits = self.traffic.waiting.load(Ordering::Relaxed) > 0;
        let has_begun = begun != self.begun;
        let is_busy = Arc::strong_count(&self.traffic) > NO_CALLS;

        // A call may have ended since, or begun and ended.
        if is_busy {
            self.idle = None;
        } else if self.idle.is_none() || has_begun {
            self.idle = Some(now);
        }
        if self.version == Version::Http1 {
            if has_begun || is_busy {
                self.head = None;
                self.before_head = signs.came;
            } else if self.head.is_none() && signs.came > self.before_head {
                self.head = Some(now);
            }
        }
        if !signs.is_stuck {
            self.stuck = None;
        } else if self.stuck.is_none() || signs.gone != self.seen.gone {
            self.stuck = Some(now);
        }
        if !waits {
            self.blocked = None;
        } else if self.blocked.is_none() || moved != self.moved {
            self.blocked = Some(now);
        }
        if now - self.window > WINDOW {
            self.window = now;
            self.window_begun = begun;
            self.window_abandoned = self.traffic.abandoned.load(Ordering::Relaxed);
        }
        (self.seen, self.begun, self.moved) = (signs, begun, moved);
    }

    /// What is to be done when nothing changes, and when.
    fn next(&self) -> Option<(Verdict, Instant)> {
        let abandoned = self.traffic.abandoned.load(Ordering::Relaxed) - self.window_abandoned;
        if abandoned > u64::from(self.limits.premature_cancels)
            && abandoned > (self.begun - self.window_begun) / 2
        {
            return Some((Verdict::Restless, self.window));
        }
        // What is too far away for the clock never comes.
        let after = |since: Option<Instant>, limit: Duration| since?.checked_add(limit);
        let write = self.limits.write_timeout;
        let idle = self.idle_limit.and_then(|limit| after(self.idle, limit));
        let dates = [
            (
                Verdict::SlowHead,
                after(self.head, self.limits.header_timeout),
            ),
            (Verdict::SlowReader, after(self.stuck, write)),
            (Verdict::SlowReader, after(self.blocked, write)),
            (Verdict::Idle, idle),
            (Verdict::Old, self.old),
        ];
        let dates = dates.into_iter();
        dates
            .filter_map(|(verdict, at)| Some((verdict, at?)))
            .min_by_key(|(_, at)| *at)
    }
}

/// The time, give or take a tenth of it: connections that were opened together
/// are not to end together.
fn spread(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
    age.mul_f64(0.9 + 0.2 * random)
}
