//! The calls that run now, by their methods: which those are is often known only
//! after they have begun.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portolan_gateway::OutcomeSlot;
use slab::Slab;

/// How many lists there are, so that calls of several threads seldom meet.
const LISTS: usize = 16;

/// Every call that runs.
#[derive(Default)]
pub(super) struct Running {
    lists: [Mutex<Slab<OutcomeSlot>>; LISTS],
    /// The list of the next call.
    next: AtomicUsize,
}

/// The place of a call among those that run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    list: usize,
    key: usize,
}

impl Running {
    pub(super) fn begin(&self, slot: OutcomeSlot) -> Place {
        let list = self.next.fetch_add(1, Ordering::Relaxed) % LISTS;
        let key = lock(&self.lists[list]).insert(slot);
        Place { list, key }
    }

    pub(super) fn end(&self, place: Place) {
        let ended = lock(&self.lists[place.list]).try_remove(place.key);
        drop(ended);
    }

    /// How many run, by method and protocol; those that are no calls, or not
    /// known yet, have the names that are given.
    pub(super) fn count(
        &self,
        unmatched: &str,
        plain: &'static str,
    ) -> BTreeMap<(String, &'static str), i64> {
        let mut counts = BTreeMap::new();
        for list in &self.lists {
            for (_, slot) in lock(list).iter() {
                let outcome = slot.get();
                let routed = outcome.as_ref().filter(|outcome| outcome.is_routed());
                let method = routed.map_or(unmatched, |outcome| outcome.method());
                let protocol = outcome.as_ref().map_or(plain, |outcome| outcome.protocol());
                *counts.entry((method.to_owned(), protocol)).or_default() += 1;
            }
        }
        counts
    }
}

/// A list is whole after every line that changes it.
fn lock(list: &Mutex<Slab<OutcomeSlot>>) -> MutexGuard<'_, Slab<OutcomeSlot>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_counted_and_forgotten() {
        let running = Running::default();
        let places: Vec<_> = (0..100)
            .map(|_| running.begin(OutcomeSlot::default()))
            .collect();
        let one = |count| BTreeMap::from([(("none".to_owned(), "http"), count)]);
        assert_eq!(running.count("none", "http"), one(100));
        for place in &places[1..] {
            running.end(*place);
        }
        assert_eq!(running.count("none", "http"), one(1));
        running.end(places[0]);
        assert_eq!(running.count("none", "http"), BTreeMap::new());
    }
}
