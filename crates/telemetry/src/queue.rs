//! Spans that wait to be sent. There is room for so many; further ones are
//! dropped and counted, since a call must never wait for a collector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::span::Span;

/// Spans, the oldest first.
#[derive(Debug)]
pub(crate) struct Queue {
    spans: Mutex<Vec<Span>>,
    /// The most that wait.
    room: usize,
    /// With how many it is worth sending at once.
    batch: usize,
    full: Notify,
    dropped: AtomicU64,
}

impl Queue {
    pub(crate) fn new(room: usize, batch: usize) -> Self {
        Self {
            spans: Mutex::new(Vec::new()),
            room,
            batch: batch.min(room),
            full: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Takes a span, if there is room.
    pub(crate) fn push(&self, span: Span) {
        let mut spans = self.lock();
        if spans.len() >= self.room {
            drop(spans);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        spans.push(span);
        let now = spans.len();
        drop(spans);
        // Once per batch, and not for each span beyond it.
        if now == self.batch {
            self.full.notify_one();
        }
    }

    /// Takes up to one batch out.
    pub(crate) fn take(&self) -> Vec<Span> {
        let mut spans = self.lock();
        if spans.len() <= self.batch {
            return std::mem::take(&mut *spans);
        }
        let rest = spans.split_off(self.batch);
        std::mem::replace(&mut *spans, rest)
    }

    /// Whether there is a whole batch.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= self.batch
    }

    /// Waits for a whole batch.
    pub(crate) async fn filled(&self) {
        while !self.is_full() {
            self.full.notified().await;
        }
    }

    /// How many were dropped until now.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts spans that nobody has taken.
    pub(crate) fn lose(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The list is whole after every line that changes it.
    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TraceContext;
    use crate::span::{Kind, Running, SpanStatus};

    fn span(name: usize) -> Span {
        let running = Running::begin(TraceContext::root(|_| true), None);
        running.end(Kind::Server, name.to_string(), SpanStatus::Unset)
    }

    #[tokio::test]
    async fn spans_come_in_batches_and_too_many_are_dropped() {
        let queue = Queue::new(5, 2);
        (0..7).for_each(|name| queue.push(span(name)));
        assert_eq!(queue.dropped(), 2);
        let mut batches = Vec::new();
        while queue.is_full() {
            queue.filled().await;
            let names = queue.take().into_iter().map(|span| span.name);
            batches.push(names.collect::<Vec<_>>().join(" "));
        }
        assert_eq!(batches, ["0 1", "2 3"]);
        assert_eq!(queue.take().len(), 1);
        assert!(queue.take().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_a_batch_is_woken() {
        let queue = Queue::new(8, 2);
        let waiting = queue.filled();
        let pushing = async {
            queue.push(span(0));
            tokio::task::yield_now().await;
            queue.push(span(1));
        };
        tokio::join!(waiting, pushing);
        assert!(queue.is_full());
    }
}
