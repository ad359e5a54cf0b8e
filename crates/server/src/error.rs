//! What can go wrong before the server serves.

use std::io;
use std::net::SocketAddr;

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another listener of this one, has the port.
    #[error("port {} on {} is in use; choose another with --listen", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The port is one that only the administrator may take.
    #[error("no permission to listen on {0}; choose a port above 1023 with --listen")]
    PortForbidden(SocketAddr),
    /// The address belongs to no interface of this machine.
    #[error("{} is not an address of this machine; choose another with --listen", .0.ip())]
    AddressNotHere(SocketAddr),
    /// The system refused the listener for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A descriptor set for reflection is not one.
    #[error("cannot serve reflection: {0}")]
    Reflection(prost::DecodeError),
    /// The filter for the logs does not parse.
    #[error("cannot read the log filter `{filter}`: {reason}")]
    LogFilter {
        /// The filter as it was given.
        filter: String,
        /// Where it is wrong.
        reason: String,
    },
}
