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

mod attempts;
mod balance;
mod builder;
mod channel;
mod clock;
mod endpoint;
pub mod health;
mod limit;
pub mod reflection;
mod reply;
mod resolve;
mod service_config;
mod throttle;
mod tls;
mod transport;
mod typed;
mod upstreams;

pub use balance::{Backoff, OutlierDetection, Policy};
pub use builder::{BuildError, Builder};
pub use channel::{AddressState, Answering, Channel};
pub use endpoint::{Address, Endpoint, InvalidEndpoint};
pub use limit::CallLimit;
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use service_config::{InvalidServiceConfig, ServiceConfig};
pub use tls::{Tls, TlsError};
pub use transport::KeepAlive;
pub use typed::{Bounds, unary};
pub use upstreams::Upstreams;
