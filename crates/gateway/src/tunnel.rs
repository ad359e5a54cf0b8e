//! What is left to do when the response of a call has been given and its
//! connection has become something else than HTTP.
//!
//! An HTTP server lets go of a request once it has answered `101 Switching
//! Protocols`; what follows needs a task. A server that wants to own it, wait
//! for it and end it, asks for the [`Tunnel`]; for any other the gateway starts
//! a task of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// A call that goes on behind its response, on the connection that the response
/// has turned into a WebSocket. It is done when the call has ended and the
/// client knows; dropped before, it breaks both off.
///
/// It makes no progress until the response has been sent.
#[must_use = "a tunnel does nothing unless it is polled"]
pub struct Tunnel(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Tunnel {
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl Future for Tunnel {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tunnel")
    }
}

/// A place for the [`Tunnel`] of a call, for a server that runs it itself.
///
/// Put one into the request's extensions and keep a clone; when the response is
/// there, take the tunnel out of it and poll it in a task. Without a slot in the
/// request the gateway spawns the tunnel on the runtime that it is called on.
///
/// ```
/// # async fn serve(mut request: http::Request<()>) {
/// let slot = portolan_gateway::TunnelSlot::default();
/// request.extensions_mut().insert(slot.clone());
/// // Hand the request to the gateway; then, with the response:
/// if let Some(tunnel) = slot.take() {
///     tunnel.await;
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TunnelSlot(Arc<Mutex<Option<Tunnel>>>);

impl TunnelSlot {
    /// The tunnel, when there is one; it is given once.
    pub fn take(&self) -> Option<Tunnel> {
        self.lock().take()
    }

    pub(crate) fn fill(&self, tunnel: Tunnel) {
        *self.lock() = Some(tunnel);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Tunnel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
