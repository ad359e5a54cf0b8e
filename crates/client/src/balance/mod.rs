//! Which of a channel's addresses takes a call.

mod backoff;
mod changed;
mod discovery;
mod health;
mod outlier;
mod subchannel;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use portolan_rpc::{Code, Status};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use backoff::Backoff;
pub(crate) use changed::{Changed, Next};
pub(crate) use discovery::{Discovery, Pace};
pub use outlier::OutlierDetection;
pub(crate) use subchannel::{Lease, Offer, Subchannel};

use crate::Address;
use crate::transport::{Dialer, Timing};

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
    pub(crate) timing: Timing,
    pub(crate) outliers: Option<OutlierDetection>,
    /// The service whose health is watched on each address.
    pub(crate) health_service: Option<String>,
    /// How many connections there have been.
    pub(crate) connected: watch::Sender<u64>,
}

/// The addresses of a channel.
pub(crate) struct Balancer {
    pub(crate) settings: Arc<Settings>,
    changed: Arc<Changed>,
    subchannels: RwLock<Arc<[Arc<Subchannel>]>>,
    /// Why there are no addresses, once somebody has looked.
    absent: Mutex<Option<Status>>,
    turn: AtomicUsize,
    /// Woken when addresses fail, so that names are looked up again.
    failed: Notify,
}

impl Balancer {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            changed: Arc::default(),
            subchannels: RwLock::new(Arc::from([])),
            absent: Mutex::new(None),
            turn: AtomicUsize::new(0),
            failed: Notify::new(),
        }
    }

    /// Takes new addresses in place of the old ones. One that was there before
    /// keeps its connections; one that is gone finishes its calls.
    pub(crate) fn update(&self, addresses: impl Iterator<Item = (Address, Arc<Dialer>)>) {
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

    /// Waits until addresses fail.
    pub(crate) async fn until_failure(&self) {
        self.failed.notified().await;
    }

    /// A place for a call, on another address than one that has just failed it
    /// if there is one. Waits for a connection that is under way; waits for one
    /// that has failed only when the call says so.
    pub(crate) async fn pick(
        &self,
        wait_for_ready: bool,
        avoid: Option<&Arc<Subchannel>>,
    ) -> Result<Lease, Status> {
        // The first address is meant to take everything.
        let avoid = avoid.filter(|_| self.settings.policy != Policy::PickFirst);
        self.changed
            .until(|| self.pick_now(wait_for_ready, avoid))
            .await
    }

    fn pick_now(
        &self,
        wait_for_ready: bool,
        avoid: Option<&Arc<Subchannel>>,
    ) -> Next<Result<Lease, Status>> {
        let subchannels = self.snapshot();
        if subchannels.is_empty() {
            let absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
            return match &*absent {
                Some(status) if !wait_for_ready => Next::Done(Err(status.clone())),
                _ => Next::Wait(None),
            };
        }
        let last_resort = |subchannel: &Arc<Subchannel>| {
            avoid.is_some_and(|avoid| Arc::ptr_eq(avoid, subchannel)) || subchannel.is_ejected()
        };
        let quick = match self.settings.policy {
            // One that is connected comes before one that has yet to be.
            Policy::PickFirst => subchannels
                .iter()
                .filter(|subchannel| !last_resort(subchannel))
                .find_map(Subchannel::ready),
            // One that is not connected has no calls, so it comes first, and
            // begins to connect while this call goes elsewhere.
            Policy::LeastRequest => two_of(&subchannels)
                .into_iter()
                .filter(|subchannel| !last_resort(subchannel))
                .find_map(|subchannel| match subchannel.offer() {
                    Offer::Ready(lease) => Some(lease),
                    Offer::Soon => None,
                    Offer::Failed(..) => {
                        self.failed.notify_one();
                        None
                    }
                }),
            Policy::RoundRobin => None,
        };
        if let Some(lease) = quick {
            return Next::Done(Ok(lease));
        }
        let start = match self.settings.policy {
            Policy::PickFirst => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed) % subchannels.len(),
        };
        let (mut fault, mut again) = (None, None::<Instant>);
        for last in [false, true] {
            let mut soon = false;
            for at in 0..subchannels.len() {
                let subchannel = &subchannels[(start + at) % subchannels.len()];
                if last_resort(subchannel) != last {
                    continue;
                }
                match subchannel.offer() {
                    Offer::Ready(lease) => return Next::Done(Ok(lease)),
                    Offer::Soon => {
                        soon = true;
                        if self.settings.policy == Policy::PickFirst {
                            break;
                        }
                    }
                    Offer::Failed(status, until) => {
                        again = Some(again.map_or(until, |moment| moment.min(until)));
                        fault = Some(status);
                        self.failed.notify_one();
                    }
                }
            }
            if soon {
                return Next::Wait(again);
            }
        }
        match fault {
            Some(status) if !wait_for_ready => {
                Next::Done(Err(unavailable(status, subchannels.len())))
            }
            _ => Next::Wait(again),
        }
    }

    /// Notes how a call ended, and leaves its address out when it fails too
    /// often.
    pub(crate) fn note(&self, subchannel: &Arc<Subchannel>, code: Code) {
        let Some(choice) = &self.settings.outliers else {
            return;
        };
        let failed = matches!(
            code,
            Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::DataLoss
                | Code::DeadlineExceeded
        );
        if !subchannel.record.note(failed, choice) {
            return;
        }
        let subchannels = self.snapshot();
        let now = Instant::now();
        let ejected = |other: &&Arc<Subchannel>| other.record.is_ejected(now);
        let count = subchannels.iter().filter(ejected).count();
        if !ejected(&subchannel) && choice.allows(count, subchannels.len()) {
            subchannel.record.eject(now, choice);
            let (endpoint, address) = (&subchannel.dialer.endpoint, &subchannel.address);
            tracing::info!(%endpoint, %address, "left out since its calls fail");
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<[Arc<Subchannel>]> {
        let subchannels = self
            .subchannels
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&subchannels)
    }
}

/// Two addresses by chance, the one with fewer calls first (power of two
/// choices).
fn two_of(subchannels: &[Arc<Subchannel>]) -> [&Arc<Subchannel>; 2] {
    let count = subchannels.len();
    let first = fastrand::usize(..count);
    let second = if count == 1 {
        first
    } else {
        let second = fastrand::usize(..count - 1);
        if second >= first { second + 1 } else { second }
    };
    let (first, second) = (&subchannels[first], &subchannels[second]);
    if second.calls() < first.calls() {
        [second, first]
    } else {
        [first, second]
    }
}

/// The status of a call that found every address failing: the last fault, and
/// of how many.
fn unavailable(status: Status, addresses: usize) -> Status {
    if addresses == 1 {
        return status;
    }
    let message = status.message();
    let message = format!("none of {addresses} addresses can be used; {message}");
    Status::new(Code::Unavailable, message)
}
