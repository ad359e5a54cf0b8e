//! The choices for a channel.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Pace, Settings};
use crate::channel::Channel;
use crate::transport::{Dialer, Timing};
use crate::{
    Backoff, CallLimit, Endpoint, KeepAlive, OutlierDetection, Policy, Resolve, ServiceConfig,
    SystemResolver, Tls, TlsError,
};
use tokio::sync::watch;

/// Builds a [`Channel`]. What is not chosen has a default that suits a gateway.
#[derive(Clone)]
pub struct Builder {
    endpoints: Vec<Endpoint>,
    tls: Tls,
    resolver: Arc<dyn Resolve>,
    pub(crate) connect_timeout: Duration,
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) wait_for_ready: bool,
    pub(crate) replay_limit: usize,
    pub(crate) pace: Pace,
    backoff: Backoff,
    policy: Option<Policy>,
    max_connections: usize,
    calls_per_connection: usize,
    timing: Timing,
    outliers: Option<OutlierDetection>,
    health_service: Option<String>,
    pub(crate) call_limit: Option<CallLimit>,
    pub(crate) service_config: ServiceConfig,
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A channel to nowhere.
    #[error("a channel needs an endpoint at least")]
    NoEndpoint,
    /// The choices for encrypted connections do not work.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Builder {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            tls: Tls::new(),
            resolver: Arc::new(SystemResolver),
            connect_timeout: Duration::from_secs(5),
            default_timeout: None,
            wait_for_ready: false,
            replay_limit: 256 * 1024,
            pace: Pace {
                interval: Duration::from_secs(30),
                least: Duration::from_secs(1),
            },
            backoff: Backoff::default(),
            policy: None,
            max_connections: 16,
            calls_per_connection: 128,
            timing: Timing {
                keep_alive: Some(KeepAlive {
                    interval: Duration::from_secs(300),
                    timeout: Duration::from_secs(20),
                    without_calls: false,
                }),
                idle: Some(Duration::from_secs(30 * 60)),
            },
            outliers: None,
            health_service: None,
            call_limit: None,
            service_config: ServiceConfig::default(),
        }
    }

    /// The choices for `https://` endpoints.
    #[must_use]
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// How names are looked up.
    #[must_use]
    pub fn resolver(self, resolver: impl Resolve) -> Self {
        Self {
            resolver: Arc::new(resolver),
            ..self
        }
    }

    /// How often names are looked up: at this interval, and when addresses fail,
    /// but not more often than `least`. 30 and 1 seconds unless chosen.
    #[must_use]
    pub fn resolve_every(self, interval: Duration, least: Duration) -> Self {
        Self {
            pace: Pace { interval, least },
            ..self
        }
    }

    /// How long connecting to an address may take, TLS included. 5 seconds
    /// unless chosen.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// How long a call may take that does not say (with `grpc-timeout`). For
    /// ever unless chosen.
    #[must_use]
    pub fn default_timeout(self, timeout: Duration) -> Self {
        Self {
            default_timeout: Some(timeout),
            ..self
        }
    }

    /// Whether calls wait for a server that cannot be reached, instead of
    /// failing at once (gRPC, "Wait for Ready").
    #[must_use]
    pub fn wait_for_ready(self, wait_for_ready: bool) -> Self {
        Self {
            wait_for_ready,
            ..self
        }
    }

    /// How much of a request is remembered to be sent again, in bytes. A larger
    /// one is sent once. 256 KiB unless chosen.
    #[must_use]
    pub fn replay_limit(self, replay_limit: usize) -> Self {
        Self {
            replay_limit,
            ..self
        }
    }

    /// The pauses between attempts to connect.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// How calls are spread over the addresses.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self {
            policy: Some(policy),
            ..self
        }
    }

    /// How many connections an address has at most. Another one is made when
    /// each has as many calls as [`calls_per_connection`], or as the server
    /// takes. 16 unless chosen.
    ///
    /// [`calls_per_connection`]: Self::calls_per_connection
    #[must_use]
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self {
            max_connections,
            ..self
        }
    }

    /// With how many calls a connection counts as busy. 128 unless chosen.
    #[must_use]
    pub fn calls_per_connection(self, calls_per_connection: usize) -> Self {
        Self {
            calls_per_connection,
            ..self
        }
    }

    /// How servers are noticed that are gone though their connections are not,
    /// or not at all. Every 300 seconds within 20 unless chosen, while there are
    /// calls.
    #[must_use]
    pub fn keep_alive(mut self, keep_alive: Option<KeepAlive>) -> Self {
        self.timing.keep_alive = keep_alive;
        self
    }

    /// After how long without calls a connection is closed, or up to twice as
    /// long. 30 minutes unless chosen.
    #[must_use]
    pub fn idle_timeout(mut self, idle: Option<Duration>) -> Self {
        self.timing.idle = idle;
        self
    }

    /// Leaves addresses out whose calls fail. Not unless chosen.
    #[must_use]
    pub fn outlier_detection(self, outliers: OutlierDetection) -> Self {
        Self {
            outliers: Some(outliers),
            ..self
        }
    }

    /// Watches this service's health on each address, by
    /// `grpc.health.v1.Health/Watch`, and sends no calls where it is not in
    /// service; nothing as name stands for the server as a whole. A server
    /// without health checks is taken to be well. Not unless chosen.
    #[must_use]
    pub fn health_check(self, service: impl Into<String>) -> Self {
        Self {
            health_service: Some(service.into()),
            ..self
        }
    }

    /// Bounds on how many calls are under way and wait. None unless chosen.
    #[must_use]
    pub fn call_limit(self, limit: CallLimit) -> Self {
        Self {
            call_limit: Some(limit),
            ..self
        }
    }

    /// Timeouts, retries and more per method. A policy that is chosen here comes
    /// before that of the config.
    #[must_use]
    pub fn service_config(self, service_config: ServiceConfig) -> Self {
        Self {
            service_config,
            ..self
        }
    }

    /// The channel. It connects when it is first called.
    ///
    /// # Errors
    /// When there is no endpoint, or the TLS choices do not work.
    pub fn build(self) -> Result<Channel, BuildError> {
        if self.endpoints.is_empty() {
            return Err(BuildError::NoEndpoint);
        }
        let dialer = |endpoint: &Endpoint| {
            let dialer = Dialer::new(endpoint.clone(), &self.tls, self.connect_timeout);
            dialer.map(Arc::new)
        };
        let dialers: Result<Vec<_>, _> = self.endpoints.iter().map(dialer).collect();
        let settings = Settings {
            policy: self
                .policy
                .or(self.service_config.policy)
                .unwrap_or_default(),
            backoff: self.backoff,
            max_connections: self.max_connections,
            calls_per_connection: self.calls_per_connection,
            timing: self.timing,
            outliers: self.outliers,
            health_service: self
                .health_service
                .clone()
                .or_else(|| self.service_config.health_service.clone()),
            connected: watch::Sender::new(0),
        };
        let resolver = Arc::clone(&self.resolver);
        Ok(Channel::new(&self, dialers?, resolver, settings))
    }
}
