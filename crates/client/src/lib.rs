//! The way to a remote gRPC server.
//!
//! A [`Channel`] is a tower service: it takes a gRPC request (frames in an HTTP
//! body) to one of the addresses behind its [`Endpoint`]s and answers with what
//! the server says. It resolves names, connects, encrypts, and picks up again
//! when a server has gone and come back. What a call says or means it does not
//! know, nor who asks: a gateway, a tool or a program.
//!
//! ```
//! use portolan_client::{Channel, Policy, Tls};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let channel = Channel::builder(["https://users.internal".parse()?])
//!     .policy(Policy::RoundRobin)
//!     .tls(Tls::new().server_name("users.example"))
//!     .build()?;
//! # Ok(())
//! # }
//! ```

mod balance;
mod builder;
mod channel;
mod endpoint;
pub mod reflection;
mod reply;
mod resolve;
mod tls;
mod transport;
mod typed;

pub use balance::{Backoff, Policy};
pub use builder::{BuildError, Builder};
pub use channel::{Answering, Channel};
pub use endpoint::{Address, Endpoint, InvalidEndpoint};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use tls::{Tls, TlsError};
