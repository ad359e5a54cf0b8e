//! Asks a server whether it is in service (gRPC, "Health Checking Protocol").
//!
//! ```no_run
//! use portolan_client::health::{self, Health};
//! use portolan_client::Channel;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let channel = Channel::connect_lazy("http://127.0.0.1:50051".parse()?)?;
//! // Nothing as name stands for the server as a whole.
//! let health = health::check(channel, "", &http::HeaderMap::new(), None).await?;
//! assert_eq!(health, Health::Serving);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use portolan_rpc::{Body, BoxError, Status};
use prost::Message;
use tower_service::Service;

use crate::typed::{self, Messages};

/// Asks once.
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
/// Asks to be told.
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// What a health message may have.
pub(crate) const LIMIT: usize = 64 * 1024;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// What a server says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It does not know either.
    Unknown,
    /// It takes calls.
    Serving,
    /// It takes none.
    NotServing,
    /// There is no such service; only a [`Watch`] says so, a [`check`] answers
    /// NOT_FOUND.
    ServiceUnknown,
}

impl Health {
    /// The name as the protocol writes it, such as `NOT_SERVING`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Response {
    pub(crate) fn health(&self) -> Health {
        match self.status {
            1 => Health::Serving,
            2 => Health::NotServing,
            3 => Health::ServiceUnknown,
            _ => Health::Unknown,
        }
    }
}

/// Asks once, within a time limit if there is one.
///
/// # Errors
/// When the server does not answer, has no health checks (UNIMPLEMENTED) or no
/// such service (NOT_FOUND).
pub async fn check<S>(
    channel: S,
    service: &str,
    metadata: &HeaderMap,
    timeout: Option<Duration>,
) -> Result<Health, Status>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Error: Into<BoxError>,
{
    let request = Request {
        service: service.to_owned(),
    };
    let bounds = typed::Bounds {
        timeout,
        answer: LIMIT,
    };
    let response: Response = typed::unary(channel, CHECK, metadata, &request, bounds).await?;
    Ok(response.health())
}

/// What a server says of a service, now and whenever that changes. Dropped, it
/// asks no longer.
pub struct Watch(Messages<Response>);

impl Watch {
    /// Begins to ask.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn begin<S>(channel: S, service: &str, metadata: &HeaderMap) -> Result<Self, Status>
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>>,
        S::Error: Into<BoxError>,
    {
        let request = Request {
            service: service.to_owned(),
        };
        let response = typed::call(channel, WATCH, metadata, &request).await?;
        Ok(Self(Messages::of(response, LIMIT)?))
    }

    /// What it says next; nothing when it has ended well.
    ///
    /// # Errors
    /// When the server has no health checks (UNIMPLEMENTED), or is gone.
    pub async fn next(&mut self) -> Result<Option<Health>, Status> {
        let response = self.0.next().await?;
        Ok(response.map(|response| response.health()))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").finish_non_exhaustive()
    }
}
