//! Calls that go on behind their response, on a connection that has become a
//! WebSocket: they run in tasks of the server, which waits for them, and count
//! until they end.

use http::Request;
use http::header::SEC_WEBSOCKET_VERSION;
use portolan_gateway::{TrustedOrigin, Tunnel, TunnelSlot, lift_websocket_headers};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::observe::Observation;
use crate::Cors;

/// Makes the request of a WebSocket ready for whatever reads headers, and gives
/// the place where its tunnel will be; nothing for other requests.
pub(super) fn prepare<I>(request: &mut Request<I>, cors: Option<&Cors>) -> Option<TunnelSlot> {
    if !request.headers().contains_key(SEC_WEBSOCKET_VERSION) {
        return None;
    }
    // What the browser itself has sent counts, not what a page put beside it.
    if cors.is_some_and(|cors| cors.trusts(request.headers())) {
        request.extensions_mut().insert(TrustedOrigin);
    }
    lift_websocket_headers(request.headers_mut());
    let slot = TunnelSlot::default();
    request.extensions_mut().insert(slot.clone());
    Some(slot)
}

/// Where such calls run, and what ends them.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl Tunnels {
    pub(crate) fn new(tasks: TaskTracker, abort: CancellationToken) -> Self {
        Self { tasks, abort }
    }

    /// Runs one to its end.
    pub(super) fn run(&self, tunnel: Tunnel, observation: Observation) {
        let abort = self.abort.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = tunnel => observation.complete(),
                () = abort.cancelled() => drop(observation),
            }
        });
    }
}
