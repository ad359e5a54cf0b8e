//! A bound port or Unix socket, and what a request may know of its connection.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket};

#[cfg(unix)]
use crate::unix::UnixDoor;
use crate::wire::{Stream, Wire};
use crate::{Error, Tls};

/// How many connections the system may hold for us before we accept them; it
/// takes the least of this and its own bound.
pub(crate) const BACKLOG: u32 = 4096;

/// A port or a Unix socket that is bound: connections to it wait until a
/// [`Server`](crate::Server) serves it.
#[derive(Debug)]
pub struct Listener {
    door: Door,
    address: Address,
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixDoor),
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address with a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// The IP address and the port, where there are such.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    /// `127.0.0.1:8080` or `unix:/run/portolan.sock`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            #[cfg(unix)]
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
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
            Ok(Self {
                door: Door::Tcp(socket),
                address: Address::Tcp(address),
                tls: None,
            })
        };
        listen().map_err(|source: io::Error| match source.kind() {
            ErrorKind::AddrInUse => Error::PortInUse(address),
            ErrorKind::PermissionDenied => Error::PortForbidden(address),
            ErrorKind::AddrNotAvailable => Error::AddressNotHere(address),
            _ => Error::Listen { address, source },
        })
    }

    /// Binds a Unix socket, whose file is removed when this goes. A file of an
    /// earlier run is replaced when nobody listens there any more.
    ///
    /// # Errors
    /// When somebody listens there, something else is there, or the system does
    /// not allow it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Ok(Self {
            door: Door::Unix(UnixDoor::open(path)?),
            address: Address::Unix(path.to_owned()),
            tls: None,
        })
    }

    /// Speaks TLS here, and nothing without.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The address, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address as clients have it: `https://127.0.0.1:8443`,
    /// `unix:/run/portolan.sock`.
    #[must_use]
    pub fn url(&self) -> String {
        match (&self.address, &self.tls) {
            (Address::Tcp(address), None) => format!("http://{address}"),
            (Address::Tcp(address), Some(_)) => format!("https://{address}"),
            #[cfg(unix)]
            (address @ Address::Unix(_), _) => address.to_string(),
        }
    }

    /// Whether this speaks TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn tls_of(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Waits for the next connection.
    pub(crate) async fn accept(&self) -> io::Result<(Wire, Peer)> {
        match &self.door {
            Door::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok((Wire::new(Stream::Tcp(stream)), Peer::Tcp(address)))
            }
            #[cfg(unix)]
            Door::Unix(door) => {
                let stream = door.accept().await?;
                Ok((Wire::new(Stream::Unix(stream)), Peer::Unix))
            }
        }
    }
}

/// Who holds the other end of a connection: in the extensions of every request
/// that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at this address and port.
    Tcp(SocketAddr),
    /// Somebody on this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// The address and the port, where there are such.
    #[must_use]
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    /// `127.0.0.1:57828` or `unix`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix => formatter.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_chooses_a_port() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address().socket().unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(listener.url(), format!("http://{address}"));
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.address().socket().unwrap();
        let error = Listener::bind(address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "port {} on 127.0.0.1 is in use; choose another with --listen",
                address.port()
            )
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
