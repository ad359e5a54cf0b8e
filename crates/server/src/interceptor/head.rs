//! What is known of a call before its first message.

use std::net::IpAddr;

use http::request::Parts;
use http::{Extensions, HeaderMap};
use portolan_gateway::{Deadline, OutcomeSlot};

use crate::{Client, Peer};

/// The method, the metadata and everything else that is known of a call before
/// its first message.
#[derive(Debug)]
pub struct CallHead {
    parts: Parts,
}

impl CallHead {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    pub(super) fn into_parts(self) -> Parts {
        self.parts
    }

    /// The path of the RPC, such as `/grpc.health.v1.Health/Check`. It need not
    /// be one that the service has.
    #[must_use]
    pub fn method(&self) -> &str {
        self.parts.uri.path()
    }

    /// What the client says beside its messages.
    #[must_use]
    pub fn metadata(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The metadata, to be changed for the service.
    pub fn metadata_mut(&mut self) -> &mut HeaderMap {
        &mut self.parts.headers
    }

    /// What those in front of here know.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The extensions, in which handlers find what is put here.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.parts.extensions
    }

    /// The other end of the connection; absent without a server in front.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.parts.extensions.get::<Peer>().copied()
    }

    /// The address that the call comes from: whom a trusted proxy names, or
    /// else the peer. Absent over a Unix socket and without a server in front.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        let client = self.parts.extensions.get::<Client>();
        let own = || self.peer().and_then(Peer::address);
        client
            .map(|client| client.0)
            .or_else(|| own().map(|own| own.ip()))
    }

    /// `grpc`, `grpc-web`, `connect`, `rest` or `websocket`; absent without a
    /// gateway in front that has been told to note it.
    #[must_use]
    pub fn protocol(&self) -> Option<&'static str> {
        let slot = self.parts.extensions.get::<OutcomeSlot>()?;
        Some(slot.get()?.protocol())
    }

    /// When the call has to be over.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        // A timeout that is none is the service's to refuse.
        Deadline::from_grpc(self.metadata()).unwrap_or(Deadline::NEVER)
    }
}
