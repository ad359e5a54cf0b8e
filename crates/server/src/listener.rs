//! A bound TCP port, and what a request may know of its connection.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::Error;

/// How many connections the system may hold for us before we accept them; it
/// takes the least of this and its own bound.
const BACKLOG: u32 = 4096;

/// A TCP port that is bound: connections to it wait until a
/// [`Server`](crate::Server) serves it.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds the address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the port is taken, forbidden or not on this machine.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let listen = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // A restart must not wait for the last run's connections to be
            // forgotten. On Windows the option would let two processes share.
            #[cfg(not(windows))]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        listen().map_err(|source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => Error::PortInUse(address),
            ErrorKind::PermissionDenied => Error::PortForbidden(address),
            ErrorKind::AddrNotAvailable => Error::AddressNotHere(address),
            _ => Error::Listen { address, source },
        })
    }

    /// The address, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Who sent a request: in the extensions of every request that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_chooses_a_port() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(listener.address().port(), 0);
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listener::bind(first.address()).unwrap_err();
        let port = first.address().port();
        assert_eq!(
            error.to_string(),
            format!("port {port} on 127.0.0.1 is in use; choose another with --listen")
        );
    }

    #[tokio::test]
    async fn a_foreign_address_is_named() {
        // TEST-NET-1 (RFC 5737): on no interface.
        let error = Listener::bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "192.0.2.1 is not an address of this machine; choose another with --listen"
        );
    }
}
