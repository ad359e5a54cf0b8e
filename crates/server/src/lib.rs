//! A server around any tower service that answers HTTP requests.
//!
//! [`Server`] accepts connections on any number of [`Listener`]s and speaks
//! HTTP/1.1 and HTTP/2 on each, over TCP or a Unix socket, with [`Tls`] or with
//! prior knowledge. Around the service it sets
//! what every service wants and none should write: a request id, an access log,
//! figures for Prometheus ([`Metrics`]), recovery from panics ([`Recover`]),
//! traces where a collector takes them ([`portolan_telemetry`]),
//! and an end that lets running calls finish. [`Health`] and [`reflection`] are
//! gRPC services to be served beside one's own; [`logging`] sets up the logs.
//! What a service wants of each of its calls, an [`interceptor`] does; one of
//! them is [`auth`], which asks who calls.
//!
//! What is served is not known here, nor where settings come from: the service
//! is an argument, and so is every number.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! use http::{Request, Response};
//! use portolan_server::{Listener, RequestBody, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hello = tower::service_fn(async |_request: Request<RequestBody>| {
//!     Ok::<_, Infallible>(Response::new("hello\n".to_owned()))
//! });
//! let listener = Listener::bind("127.0.0.1:0".parse()?)?;
//! println!("listening on {}", listener.url());
//! let shutdown = async { tokio::time::sleep(Duration::from_millis(10)).await };
//! let drained = Server::new(hello).listen(listener).serve(shutdown).await;
//! assert_eq!(drained.cut, 0);
//! # Ok(())
//! # }
//! ```

pub mod auth;
mod calls;
mod connection;
mod cors;
mod edge;
mod error;
mod forwarded;
mod health;
mod http;
pub mod interceptor;
mod limits;
mod listener;
pub mod logging;
mod metrics;
mod open;
mod outlet;
pub mod reflection;
mod request_body;
mod rest;
mod server;
mod socket;
mod tls;
#[cfg(unix)]
mod unix;
mod vigil;
mod wire;

pub use cors::{Cors, Origin};
pub use edge::recover::{Recover, RecoverLayer, Recovered};
pub use edge::request_id::REQUEST_ID;
pub use error::Error;
pub use forwarded::{Client, Proxy};
pub use health::{Health, HealthService, Serving};
pub use limits::Limits;
pub use listener::{Address, Listener, Peer};
pub use metrics::calls::{CallMetrics, MethodCalls};
pub use metrics::{BuildInfo, Metrics};
pub use request_body::RequestBody;
pub use server::{Drained, Server};
pub use tls::{ClientCertificate, Tls};

/// Any error of a service's body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
