//! Looks names up, at the beginning, from time to time, and when addresses
//! fail.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portolan_rpc::{Code, Status};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::Balancer;
use crate::clock::after;
use crate::endpoint::Place;
use crate::transport::Dialer;
use crate::{Address, Resolve};

/// How long a name may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The task that keeps a balancer's addresses current; it ends with this.
pub(crate) struct Discovery(JoinHandle<()>);

/// How often names are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Whatever happens.
    pub(crate) interval: Duration,
    /// At most, when addresses fail.
    pub(crate) least: Duration,
}

impl Discovery {
    pub(crate) fn start(
        balancer: &Arc<Balancer>,
        dialers: Vec<Arc<Dialer>>,
        resolver: Arc<dyn Resolve>,
        pace: Pace,
    ) -> Self {
        let balancer = Arc::downgrade(balancer);
        Self(tokio::spawn(run(balancer, dialers, resolver, pace)))
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(
    balancer: Weak<Balancer>,
    dialers: Vec<Arc<Dialer>>,
    resolver: Arc<dyn Resolve>,
    pace: Pace,
) {
    // What each endpoint had last: a name that cannot be looked up for a while
    // keeps its addresses.
    let first = |dialer: &Arc<Dialer>| dialer.endpoint.place().known().to_vec();
    let mut known: Vec<_> = dialers.iter().map(first).collect();
    loop {
        let mut fault = None;
        // All at once, so that none waits for another.
        let mut asking = JoinSet::new();
        for (at, dialer) in dialers.iter().enumerate() {
            let (dialer, resolver) = (Arc::clone(dialer), Arc::clone(&resolver));
            if let Place::Name { .. } = dialer.endpoint.place() {
                asking.spawn(async move { (at, look_up(&dialer, &*resolver).await) });
            }
        }
        while let Some(answer) = asking.join_next().await {
            match answer {
                Ok((at, Ok(addresses))) if known[at] != addresses => {
                    known[at] = addresses;
                    let Some(strong) = balancer.upgrade() else {
                        return;
                    };
                    let pairs = dialers.iter().zip(&known).flat_map(|(dialer, addresses)| {
                        let pair = |address: &Address| (address.clone(), Arc::clone(dialer));
                        addresses.iter().map(pair)
                    });
                    strong.update(pairs);
                }
                Ok((_, Ok(_))) => {}
                Ok((_, Err(status))) => {
                    tracing::debug!(reason = status.message(), "a name was not found");
                    fault = Some(status);
                }
                Err(error) => {
                    let message = format!("a name could not be looked up: {error}");
                    fault = Some(Status::new(Code::Unavailable, message));
                }
            }
        }
        let Some(strong) = balancer.upgrade() else {
            return;
        };
        let failed = fault.is_some();
        if let Some(status) = fault {
            strong.found_nothing(status);
        }
        let asked = Instant::now();
        let wait = if failed { pace.least } else { pace.interval };
        let _ = timeout(wait, strong.until_failure()).await;
        drop(strong);
        tokio::time::sleep_until(after(asked, pace.least)).await;
    }
}

async fn look_up(dialer: &Dialer, resolver: &dyn Resolve) -> Result<Vec<Address>, Status> {
    let (host, port) = match dialer.endpoint.place() {
        Place::Fixed(addresses) => return Ok(addresses.clone()),
        Place::Name { host, port } => (host, *port),
    };
    let endpoint = &dialer.endpoint;
    let fault = match timeout(PATIENCE, resolver.resolve(host, port)).await {
        Ok(Ok(addresses)) if addresses.is_empty() => format!("{endpoint}: {host} has no address"),
        Ok(Ok(addresses)) => return Ok(addresses.into_iter().map(Address::Tcp).collect()),
        Ok(Err(error)) => format!("{endpoint}: {host} cannot be looked up: {error}"),
        Err(_) => format!("{endpoint}: {host} cannot be looked up within {PATIENCE:?}"),
    };
    Err(Status::new(Code::Unavailable, fault))
}
