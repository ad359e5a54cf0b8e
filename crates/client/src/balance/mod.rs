//! Which of a channel's addresses takes a call.

mod backoff;
mod changed;
mod discovery;
mod subchannel;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use portolan_rpc::{Code, Status};
use tokio::time::Instant;

pub use backoff::Backoff;
pub(crate) use changed::{Changed, Next};
pub(crate) use discovery::{Discovery, Pace};
pub(crate) use subchannel::{Lease, Offer, Subchannel};

/// How calls are spread over the addresses of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// All calls go to the first address that can be reached.
    #[default]
    PickFirst,
    /// Each address in turn.
    RoundRobin,
    /// Of two addresses taken by chance, the one with fewer calls under way.
    LeastRequest,
}

/// What the rooms of a channel share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) backoff: Backoff,
    pub(crate) max_connections: usize,
    pub(crate) calls_per_connection: usize,
}

/// The addresses of a channel.
pub(crate) struct Balancer {
    pub(crate) settings: Arc<Settings>,
    changed: Arc<Changed>,
    subchannels: RwLock<Arc<[Arc<Subchannel>]>>,
    /// Why there are no addresses: nobody has looked yet, or nothing was found.
    absent: Mutex<Option<Status>>,
    turn: AtomicUsize,
    /// Woken when addresses fail, so that names are looked up again.
    pub(crate) failed: tokio::sync::Notify,
}

impl Balancer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            changed: Arc::default(),
            subchannels: RwLock::new(Arc::from([])),
            absent: Mutex::new(None),
            turn: AtomicUsize::new(0),
            failed: tokio::sync::Notify::new(),
        }
    }

    /// Takes new addresses in place of the old ones. One that was there before
    /// keeps its connections; one that is gone finishes its calls.
    pub(crate) fn update(
        &self,
        addresses: impl Iterator<Item = (crate::Address, Arc<crate::transport::Dialer>)>,
    ) {
        let old = self.snapshot();
        let mut new: Vec<Arc<Subchannel>> = Vec::new();
        for (address, dialer) in addresses {
            let same = |subchannel: &&Arc<Subchannel>| {
                subchannel.address == address && Arc::ptr_eq(&subchannel.dialer, &dialer)
            };
            if new.iter().any(|subchannel| same(&subchannel)) {
                continue;
            }
            let subchannel = old.iter().find(same).cloned().unwrap_or_else(|| {
                let (settings, changed) = (Arc::clone(&self.settings), Arc::clone(&self.changed));
                Subchannel::new(address, dialer, settings, changed)
            });
            new.push(subchannel);
        }
        let mut subchannels = self
            .subchannels
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *subchannels = new.into();
        drop(subchannels);
        self.changed.all();
    }

    /// Notes that no address was found.
    pub(crate) fn found_nothing(&self, status: Status) {
        *self.absent.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
        self.changed.all();
    }

    /// A place for a call. Waits for a connection that is under way; waits for
    /// one that has failed only when the call says so.
    pub(crate) async fn pick(&self, wait_for_ready: bool) -> Result<Lease, Status> {
        self.changed.until(|| self.pick_now(wait_for_ready)).await
    }

    fn pick_now(&self, wait_for_ready: bool) -> Next<Result<Lease, Status>> {
        let subchannels = self.snapshot();
        if subchannels.is_empty() {
            let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
            return match &*absent {
                Some(status) if !wait_for_ready => Next::Done(Err(status.clone())),
                _ => Next::Wait(None),
            };
        }
        let ready = match self.settings.policy {
            Policy::PickFirst => subchannels
                .iter()
                .find_map(|subchannel| Some((subchannel, subchannel.ready()?))),
            Policy::RoundRobin => None,
            Policy::LeastRequest => self.least_request(&subchannels),
        };
        if let Some((subchannel, connection)) = ready {
            return Next::Done(Ok(subchannel.lease(connection)));
        }
        let start = match self.settings.policy {
            Policy::PickFirst => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed) % subchannels.len(),
        };
        let (mut soon, mut fault): (bool, Option<(Status, Instant)>) = (false, None);
        let mut again: Option<Instant> = None;
        for at in 0..subchannels.len() {
            let subchannel = &subchannels[(start + at) % subchannels.len()];
            match subchannel.offer() {
                Offer::Ready(connection) => {
                    return Next::Done(Ok(subchannel.lease(connection)));
                }
                Offer::Soon => {
                    soon = true;
                    if self.settings.policy == Policy::PickFirst {
                        break;
                    }
                }
                Offer::Failed(status, until) => {
                    again = Some(again.map_or(until, |moment| moment.min(until)));
                    fault = Some((status, until));
                }
            }
        }
        match fault {
            Some((status, _)) if !soon => {
                self.failed.notify_one();
                if wait_for_ready {
                    Next::Wait(again)
                } else {
                    Next::Done(Err(unavailable(status, subchannels.len())))
                }
            }
            _ => Next::Wait(again),
        }
    }

    /// Power of two choices, among the addresses that are connected.
    fn least_request<'a>(
        &self,
        subchannels: &'a [Arc<Subchannel>],
    ) -> Option<(&'a Arc<Subchannel>, crate::transport::Connection)> {
        let (first, second) = two_of(subchannels.len());
        let (first, second) = (&subchannels[first], &subchannels[second]);
        let (less, more) = if second.calls() < first.calls() {
            (second, first)
        } else {
            (first, second)
        };
        [less, more]
            .into_iter()
            .find_map(|subchannel| match subchannel.offer() {
                Offer::Ready(connection) => Some((subchannel, connection)),
                _ => None,
            })
    }

    pub(crate) fn snapshot(&self) -> Arc<[Arc<Subchannel>]> {
        let subchannels = self
            .subchannels
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&subchannels)
    }
}

/// Two different numbers below `count`, by chance; the same when there is one.
fn two_of(count: usize) -> (usize, usize) {
    let first = fastrand::usize(..count);
    if count == 1 {
        return (first, first);
    }
    let second = fastrand::usize(..count - 1);
    (first, if second >= first { second + 1 } else { second })
}

/// The status of a call that found every address failing: the last fault, and
/// of how many.
fn unavailable(status: Status, addresses: usize) -> Status {
    if addresses == 1 {
        return status;
    }
    let message = format!(
        "none of {addresses} addresses can be reached; {}",
        status.message()
    );
    Status::new(Code::Unavailable, message)
}
