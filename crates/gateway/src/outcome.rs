//! What became of a call, for those around the gateway: logs and metrics read
//! it from the response's extensions.

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

#[derive(Debug)]
struct Inner {
    method: Arc<str>,
    protocol: &'static str,
    status: OnceLock<Code>,
}

impl Outcome {
    pub(crate) fn new(method: Arc<str>, protocol: &'static str) -> Self {
        Self(Arc::new(Inner {
            method,
            protocol,
            status: OnceLock::new(),
        }))
    }

    /// The path of the RPC, such as `/grpc.health.v1.Health/Check`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// `grpc`, `grpc-web`, `connect` or `rest`.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.0.protocol
    }

    /// How the call ended; absent while it runs.
    #[must_use]
    pub fn status(&self) -> Option<Code> {
        self.0.status.get().copied()
    }

    /// Notes the end. The first one counts.
    pub(crate) fn end(&self, code: Code) {
        let _ = self.0.status.set(code);
    }
}
