//! What can go wrong before a gateway serves.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why a gateway cannot be built, registered or started. Its text says what to
/// do.
///
/// ```
/// use portolan::grpc_gateway::{Error, GrpcGateway};
///
/// let error = GrpcGateway::new("grpc").build().unwrap_err();
/// assert!(matches!(error, Error::RelativePath(_)));
/// assert_eq!(
///     error.to_string(),
///     "the path `grpc` does not begin with `/`; write `/grpc`"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that does not say from where it goes.
    #[error("the path `{0}` does not begin with `/`; write `/{0}`")]
    RelativePath(String),
    /// A path that no route can have.
    #[error(
        "the path `{path}` has the segment `{segment}`; letters, digits, `-`, `.`, `_` and `~` are \
         what a segment is made of"
    )]
    Segment {
        /// The whole path.
        path: String,
        /// The segment that cannot be.
        segment: String,
    },
    /// There is nothing to serve.
    #[error("the gateway at {path} has no service; add one with .service(…)")]
    NoService {
        /// The path of the gateway.
        path: String,
    },
    /// One service was added twice.
    #[error("the service {0} is added twice; a gateway serves one instance of each")]
    RepeatedService(&'static str),
    /// The descriptors cannot be used.
    #[error("cannot read the descriptors: {0}")]
    Descriptors(#[from] portolan_schema::Error),
    /// Nothing says what a service's messages look like.
    #[error(
        "no descriptor has the service {0}; give the set of its file and imports with \
         .descriptors(…)"
    )]
    Undescribed(&'static str),
    /// A word that is no HTTP method of a route.
    #[error("routes take no HTTP method `{0}`; choose among DELETE, GET, PATCH, POST and PUT")]
    HttpMethod(String),
    /// The list of HTTP methods leaves no way to reach anything.
    #[error(
        "no RPC can be reached by the HTTP methods chosen, since GET is for those without side \
         effects; add POST, or leave out .expose_http(true)"
    )]
    Unreachable,
    /// Two RPCs claim one path.
    #[error(
        "{path} would be the route of both {first} and {second}; give one of them a gateway with \
         a path of its own"
    )]
    SharedRoute {
        /// The path.
        path: String,
        /// The RPC that comes first.
        first: String,
        /// The other one.
        second: String,
    },
    /// TLS without anything to prove who one is.
    #[error(
        "TLS is asked for, but there are no credentials; give a certificate and its key with \
         .tls(certificate, key)"
    )]
    NoCredentials,
    /// The host has no address.
    #[error("cannot find the host `{host}`: {source}")]
    Host {
        /// The host as it was given.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// Another process, or another gateway of this one, has the port.
    #[error("port {} on {} is in use; choose another with .port(…)", .0.port(), .0.ip())]
    PortInUse(SocketAddr),
    /// The port is one that only the administrator may take.
    #[error("no permission to listen on {0}; choose a port above 1023 with .port(…)")]
    PortForbidden(SocketAddr),
    /// The address belongs to no interface of this machine.
    #[error("{0} is not an address of this machine; choose another with .host(…)")]
    AddressNotHere(IpAddr),
    /// The port cannot be served for another reason; among them credentials that
    /// cannot be used.
    #[error(transparent)]
    Server(portolan_server::Error),
    /// The gateway serves already.
    #[error("the gateway serves on {0} already; await .shutdown() before it starts anew")]
    Started(SocketAddr),
}

impl From<portolan_server::Error> for Error {
    /// What the command line would be told to do is said in the builder's words.
    fn from(error: portolan_server::Error) -> Self {
        use portolan_server::Error as Server;
        match error {
            Server::PortInUse(address) => Self::PortInUse(address),
            Server::PortForbidden(address) => Self::PortForbidden(address),
            Server::AddressNotHere(address) => Self::AddressNotHere(address.ip()),
            error => Self::Server(error),
        }
    }
}
