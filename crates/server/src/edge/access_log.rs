//! A line in the log for every request, written when its response has ended.

use std::time::Duration;

use super::observe::{Ending, Seen};

/// Writes the line: a call by its method, anything else by its path. The query
/// is left out, since secrets travel there.
pub(crate) fn write(seen: &Seen<'_>, ending: Ending, duration: Duration) {
    if !tracing::enabled!(target: "portolan::access", tracing::Level::INFO) {
        return;
    }
    tracing::info!(
        target: "portolan::access",
        http_method = %seen.http_method,
        protocol = display(seen.protocol),
        http_status = seen.http_status.map(|status| status.as_u16()),
        status = %ending.name(),
        duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3,
        bytes = seen.bytes,
        request_id = display(seen.request_id.to_str().unwrap_or_default()),
        peer = seen.peer.map(|peer| display(peer.0)),
        "{}",
        seen.name
    );
}
