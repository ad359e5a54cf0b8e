//! Calls that go on behind their response, on a connection that has become a
//! WebSocket: they run in tasks of the server, which waits for them, and count
//! until they end.

use http::Request;
use http::header::SEC_WEBSOCKET_VERSION;
use portolan_gateway::{Tunnel, TunnelSlot, lift_websocket_headers};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::observe::Observation;

/// Makes the request of a WebSocket ready for whatever reads headers, and gives
/// the place where its tunnel will be; nothing for other requests.
pub(super) fn prepare<I>(request: &mut Request<I>) -> Option<TunnelSlot> {
    if !request.headers().contains_key(SEC_WEBSOCKET_VERSION) {
        return None;
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
