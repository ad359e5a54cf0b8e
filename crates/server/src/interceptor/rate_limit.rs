//! How often each caller may call: a bucket of calls for everybody, filled
//! again at a steady rate.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use portolan_gateway::{Code, Status};
use portolan_rpc::details::{self, Detail};
use prost::Message;
use tokio::time::Instant;

use super::{Admission, CallHead, Interceptor, Refusal};
use crate::auth::Principal;

/// How many callers are remembered; of more, those are forgotten who have not
/// called for longest, and begin anew.
const CALLERS: usize = 65_536;
const SHARDS: usize = 16;
/// Names are cut to that, so that memory is bounded.
const LONGEST_NAME: usize = 256;

type Hasher = foldhash::fast::RandomState;

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Those of a [`Principal`], whatever address they come from; of callers
    /// without one, as [`Per::Client`].
    #[default]
    Principal,
    /// Those of an address. Calls over Unix sockets count together.
    Client,
}

/// Refuses the calls of those who call too often with RESOURCE_EXHAUSTED, and
/// tells when to come again: by `google.rpc.RetryInfo`, and by `retry-after`
/// and `grpc-retry-pushback-ms`.
pub struct RateLimit {
    per: Per,
    /// The time in which one call is earned.
    interval: Duration,
    /// How much may be used at once, as time.
    burst: Duration,
    began: Instant,
    hasher: Hasher,
    shards: [Mutex<Halves>; SHARDS],
}

impl RateLimit {
    /// So many calls a second, and so many at once after a rest; at least one of
    /// each.
    #[must_use]
    pub fn new(per_second: f64, burst: u32, per: Per) -> Self {
        // Less than one a year is none.
        let rate = if per_second.is_finite() {
            per_second.max(1e-7)
        } else {
            1e9
        };
        let interval = Duration::from_secs_f64(1.0 / rate);
        Self {
            per,
            interval,
            burst: interval.saturating_mul(burst.max(1) - 1),
            began: Instant::now(),
            hasher: Hasher::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Takes one call of a caller; an error is how long it has to wait.
    fn take(&self, caller: Caller) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(&caller);
        let shard = &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()];
        let now = self.began.elapsed();
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // When what was used will have been earned again.
        let used = shard.find(&caller).unwrap_or_default().max(now);
        let (used, answer) = match (used - now).checked_sub(self.burst) {
            Some(wait) if !wait.is_zero() => (used, Err(wait)),
            _ => (used.saturating_add(self.interval), Ok(())),
        };
        shard.put(caller, used);
        answer
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RateLimit")
            .field("per", &self.per)
            .field("interval", &self.interval)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Interceptor for RateLimit {
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
        match self.take(Caller::of(call, self.per)) {
            Ok(()) => Ok(Admission::granted()),
            Err(wait) => Err(come_again(wait)),
        }
    }
}

/// The refusal of a call that may be made again after a while.
fn come_again(wait: Duration) -> Refusal {
    let seconds = u64::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
    let sentence = format!("too many calls; come again in {seconds} s");
    let delay = prost_types::Duration {
        seconds: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(wait.subsec_nanos()).unwrap_or_default(),
    };
    let info = RetryInfo {
        retry_delay: Some(delay),
    };
    let detail = Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: info.encode_to_vec(),
    };
    let status = Status::new(Code::ResourceExhausted, sentence);
    Refusal::from(details::attach(status, vec![detail]))
        .with("retry-after", &seconds.to_string())
        .with("grpc-retry-pushback-ms", &wait.as_millis().to_string())
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Principal(&'static str, Box<str>),
    Client(IpAddr),
    /// Who has neither name nor address.
    Anybody,
}

impl Caller {
    fn of(call: &CallHead, per: Per) -> Self {
        let principal = call.extensions().get::<Principal>();
        if let Some(principal) = principal.filter(|_| per == Per::Principal) {
            let name = principal.subject();
            let cut = name
                .char_indices()
                .nth(LONGEST_NAME)
                .map_or(name, |(end, _)| &name[..end]);
            return Self::Principal(principal.scheme(), cut.into());
        }
        call.client().map_or(Self::Anybody, Self::Client)
    }
}

/// What callers have used; when the younger half is full, the older one is
/// forgotten.
#[derive(Default)]
struct Halves {
    young: HashMap<Caller, Duration, Hasher>,
    old: HashMap<Caller, Duration, Hasher>,
}

impl Halves {
    fn find(&mut self, caller: &Caller) -> Option<Duration> {
        let young = self.young.get(caller).copied();
        young.or_else(|| self.old.remove(caller))
    }

    fn put(&mut self, caller: Caller, used: Duration) {
        if self.young.len() >= CALLERS / SHARDS / 2 && !self.young.contains_key(&caller) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(caller, used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Caller {
        Caller::Principal("token", "alice".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_pass_and_then_the_rate() {
        let limit = RateLimit::new(10.0, 3, Per::Principal);
        for _ in 0..3 {
            assert_eq!(limit.take(alice()), Ok(()));
        }
        assert_eq!(limit.take(alice()), Err(Duration::from_millis(100)));
        // To be refused costs nothing.
        assert_eq!(limit.take(alice()), Err(Duration::from_millis(100)));
        assert_eq!(limit.take(Caller::Anybody), Ok(()), "others have their own");
        tokio::time::advance(Duration::from_millis(40)).await;
        assert_eq!(limit.take(alice()), Err(Duration::from_millis(60)));
        tokio::time::advance(Duration::from_millis(60)).await;
        assert_eq!(limit.take(alice()), Ok(()));
        assert!(limit.take(alice()).is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        for _ in 0..3 {
            assert_eq!(
                limit.take(alice()),
                Ok(()),
                "no more than the burst is saved"
            );
        }
        assert!(limit.take(alice()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let limit = RateLimit::new(1.0, 1, Per::Client);
        for number in 0..4 * CALLERS as u32 {
            let _ = limit.take(Caller::Client(IpAddr::from(number.to_be_bytes())));
        }
        let shards = limit.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            shard.young.len() + shard.old.len()
        });
        assert!(shards.sum::<usize>() <= CALLERS);
    }

    #[tokio::test(start_paused = true)]
    async fn any_rate_is_one() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300] {
            let limit = RateLimit::new(rate, 0, Per::Client);
            assert_eq!(limit.take(Caller::Anybody), Ok(()), "{rate}");
        }
        let slow = RateLimit::new(0.0, u32::MAX, Per::Client);
        assert_eq!(slow.take(Caller::Anybody), Ok(()));
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let refusal = come_again(Duration::from_millis(1250));
        assert_eq!(refusal.metadata()["retry-after"], "2");
        assert_eq!(refusal.metadata()["grpc-retry-pushback-ms"], "1250");
        let status = refusal.status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = details::of(status);
        assert_eq!(details[0].type_name(), "google.rpc.RetryInfo");
        let info = RetryInfo::decode(&*details[0].value).unwrap();
        let delay = info.retry_delay.unwrap();
        assert_eq!((delay.seconds, delay.nanos), (1, 250_000_000));
    }
}
