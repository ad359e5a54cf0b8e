//! What became of a call, for those around the gateway: logs and metrics read
//! it from the response's extensions.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Code;

/// The RPC that a request meant, the protocol it spoke, and how it ended.
///
/// Every response of a routed call carries one in its extensions. The status is
/// known at the latest when the response body has ended.
///
/// ```
/// # fn read(response: &http::Response<()>) {
/// if let Some(outcome) = response.extensions().get::<portolan_gateway::Outcome>() {
///     println!("{} over {}: {:?}", outcome.method(), outcome.protocol(), outcome.status());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Outcome(Arc<Inner>);

/// No code yet; codes begin at 0.
const RUNNING: i32 = -1;

#[derive(Debug)]
struct Inner {
    method: Arc<str>,
    protocol: &'static str,
    routed: bool,
    status: AtomicI32,
}

impl Outcome {
    pub(crate) fn new(method: Arc<str>, protocol: &'static str, routed: bool) -> Self {
        Self(Arc::new(Inner {
            method,
            protocol,
            routed,
            status: AtomicI32::new(RUNNING),
        }))
    }

    /// The path of the RPC, such as `/grpc.health.v1.Health/Check`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// `grpc`, `grpc-web`, `connect`, `rest` or `websocket`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.0.protocol
    }

    /// Whether the contracts have this RPC. The path of one that they do not
    /// have is whatever a client made up, so it is no name to count by.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.0.routed
    }

    /// How the call ended; absent while it runs.
    #[must_use]
    pub fn status(&self) -> Option<Code> {
        match self.0.status.load(Ordering::Acquire) {
            RUNNING => None,
            number => Some(Code::from_number(number)),
        }
    }

    /// Notes the end. The first one counts, but an error comes before OK: a
    /// service may end well with an answer that the client cannot be given.
    pub(crate) fn end(&self, code: Code) {
        let counts = |now| now == RUNNING || (now == Code::Ok as i32 && code != Code::Ok);
        let _ = self
            .0
            .status
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                counts(now).then_some(code as i32)
            });
    }
}

/// A place for the [`Outcome`] of a call, for those who must know the call even
/// when it is given up before there is a response.
///
/// Put one into the request's extensions and keep a clone: the gateway fills it
/// as soon as it knows which RPC is meant. It stays empty for what is no call.
///
/// ```
/// # fn ask(mut request: http::Request<()>) {
/// let slot = portolan_gateway::OutcomeSlot::default();
/// request.extensions_mut().insert(slot.clone());
/// // Hand the request to the gateway; then, whatever became of it:
/// if let Some(outcome) = slot.get() {
///     println!("{}", outcome.method());
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OutcomeSlot(Arc<OnceLock<Outcome>>);

impl OutcomeSlot {
    /// The outcome, once a protocol has taken the call on.
    #[must_use]
    pub fn get(&self) -> Option<Outcome> {
        self.0.get().cloned()
    }

    /// The first gateway that takes the call on has it.
    pub(crate) fn fill(&self, outcome: &Outcome) {
        let _ = self.0.set(outcome.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_counts() {
        let outcome = Outcome::new("/a/B".into(), "grpc", true);
        assert_eq!(outcome.status(), None);
        for (end, status) in [
            (Code::Ok, Code::Ok),
            (Code::Internal, Code::Internal),
            (Code::Ok, Code::Internal),
            (Code::Cancelled, Code::Internal),
        ] {
            outcome.end(end);
            assert_eq!(outcome.status(), Some(status));
        }
    }
}
