//! Tokens that were verified lately: to verify a signature takes far longer
//! than to find that it was.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Principal;

/// How many tokens are remembered.
const CAPACITY: usize = 16_384;
/// Tokens are spread over so many maps, each with a lock of its own.
const SHARDS: usize = 16;
/// A longer token is verified each time, so that memory is bounded too.
const LONGEST: usize = 4096;

type Hasher = foldhash::fast::RandomState;
type Tokens = HashMap<Box<str>, Known, Hasher>;

/// A bounded memory of tokens, with whom they speak for and until when. Of each
/// shard there are two halves: when the younger one is full, the older one is
/// forgotten.
pub(super) struct Verified {
    hasher: Hasher,
    shards: [Mutex<Halves>; SHARDS],
    /// What was verified with other keys than those of now does not count.
    keys: AtomicU64,
}

#[derive(Default)]
struct Halves {
    young: Tokens,
    old: Tokens,
}

#[derive(Clone)]
struct Known {
    principal: Principal,
    /// The first second at which the token is not valid any more.
    until: u64,
    keys: u64,
}

impl Verified {
    pub(super) fn new() -> Self {
        Self {
            hasher: Hasher::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
            keys: AtomicU64::new(0),
        }
    }

    /// Which keys are in use, to be read before a token is verified with them.
    pub(super) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Acquire)
    }

    /// From now on there are other keys.
    pub(super) fn change_keys(&self) {
        self.keys.fetch_add(1, Ordering::AcqRel);
    }

    /// Whom a token speaks for at this second, if that is known.
    pub(super) fn find(&self, token: &str, now: u64) -> Option<Principal> {
        let mut shard = self
            .shard(token)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = match shard.young.get(token) {
            Some(known) => known.clone(),
            None => {
                let (token, known) = shard.old.remove_entry(token)?;
                shard.put(token, known.clone());
                known
            }
        };
        (now < known.until && known.keys == self.keys()).then_some(known.principal)
    }

    /// Remembers a token that was verified with these keys.
    pub(super) fn insert(&self, token: &str, principal: &Principal, until: u64, keys: u64) {
        if token.len() > LONGEST {
            return;
        }
        let known = Known {
            principal: principal.clone(),
            until,
            keys,
        };
        let mut shard = self
            .shard(token)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shard.put(token.into(), known);
    }

    fn shard(&self, token: &str) -> &Mutex<Halves> {
        let hash = self.hasher.hash_one(token);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let halves = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        });
        halves.sum()
    }
}

impl Halves {
    fn put(&mut self, token: Box<str>, known: Known) {
        if self.young.len() >= CAPACITY / SHARDS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(name: &str) -> Principal {
        Principal::new("jwt", name, [])
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_keys_change() {
        let verified = Verified::new();
        verified.insert("t", &principal("a"), 10, verified.keys());
        assert_eq!(verified.find("t", 9).unwrap().subject(), "a");
        assert!(verified.find("t", 10).is_none());
        assert!(verified.find("u", 9).is_none());
        let before = verified.keys();
        verified.change_keys();
        assert!(verified.find("t", 9).is_none());
        // Verified while the keys changed.
        verified.insert("t", &principal("a"), 10, before);
        assert!(verified.find("t", 9).is_none());
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let verified = Verified::new();
        verified.insert("used", &principal("a"), 10, 0);
        for number in 0..4 * CAPACITY {
            verified.insert(&format!("{number}"), &principal("b"), 10, 0);
            assert!(verified.find("used", 1).is_some(), "{number}");
        }
        assert!(verified.len() <= CAPACITY, "{}", verified.len());
        verified.insert(&"x".repeat(LONGEST + 1), &principal("c"), 10, 0);
        assert!(verified.find(&"x".repeat(LONGEST + 1), 1).is_none());
    }
}
