//! What can go wrong before the server serves.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Another process listens on the Unix socket.
    #[error("somebody listens on {} already; stop it or choose another path", .0.display())]
    SocketInUse(PathBuf),
    /// There is a file that is no Unix socket.
    #[error("{} is there and is no socket; choose another path or move it away", .0.display())]
    NoSocket(PathBuf),
    /// There is no folder for the Unix socket.
    #[error("cannot listen on {}: its folder does not exist; make it first", .0.display())]
    SocketFolder(PathBuf),
    /// The system refused the Unix socket for another reason.
    #[error("cannot listen on {}: {source}", path.display())]
    SocketFile {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file for TLS cannot be read.
    #[error("cannot read the {what} {}: {reason}", path.display())]
    TlsFile {
        /// What it is to be, such as `certificate`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A certificate or a key is not one.
    #[error("cannot use the {name}: {reason}")]
    TlsUnusable {
        /// What it is to be, and where.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate and a key do not belong together.
    #[error("the {key} does not belong to the {certificate}; give the two of one pair")]
    TlsMismatch {
        /// The key, and where it is.
        key: String,
        /// The certificate, and where it is.
        certificate: String,
    },
    /// A file with tokens, a secret or keys cannot be read.
    #[error("cannot read the {what} {}: {reason}", path.display())]
    AuthFile {
        /// What it is to be, such as `secret`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Tokens, a secret or keys are of no use.
    #[error("cannot use the {what} of {place}: {reason}")]
    AuthUnusable {
        /// What they are, such as `tokens`.
        what: &'static str,
        /// Where they are from.
        place: String,
        /// What is wrong, without what is secret.
        reason: String,
    },
    /// What methods are meant is not clear.
    #[error("`{pattern}` is no pattern for methods: {reason}")]
    AccessPattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The origin of a web page is not one, nor a pattern for some.
    #[error("`{origin}` is no origin: {reason}")]
    Origin {
        /// As it was given.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Any page could act in the name of its visitors.
    #[error("credentials cannot be allowed to all origins; name those that may have them")]
    CredentialsForAll,
    /// What is to be trusted is neither an address nor a network.
    #[error("`{0}` is no proxy: write an address, a network like `10.0.0.0/8`, or `unix`")]
    Proxy(String),
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
