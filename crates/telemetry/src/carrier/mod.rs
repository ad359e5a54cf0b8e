//! Takes exports to a collector, and says whether to come again (OTLP 1.x,
//! "Failures").

mod grpc;
mod http;

use std::time::Duration;

use prost::Message;

use crate::otlp::{self, ExportResponse};
use crate::{BuildError, Protocol, Settings};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => otlp::TRACE_PATH,
            Self::Metrics => otlp::METRICS_PATH,
        }
    }

    fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}

/// What a collector may answer.
const ANSWER: usize = 64 * 1024;

/// Why an export was not taken.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) again: Again,
}

/// Whether the same export may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    Later,
    /// Not sooner than the collector says.
    After(Duration),
}

impl Failure {
    fn later(reason: &impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            again: Again::Later,
        }
    }

    fn never(reason: &impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            again: Again::Never,
        }
    }
}

/// The way to a collector, for one kind of signal.
pub(crate) struct Carrier {
    signal: Signal,
    timeout: Duration,
    way: Way,
}

enum Way {
    Grpc(grpc::Grpc),
    Http(Box<http::Http>),
}

impl Carrier {
    pub(crate) fn new(signal: Signal, settings: &Settings) -> Result<Self, BuildError> {
        let way = match settings.protocol {
            Protocol::Grpc => Way::Grpc(grpc::Grpc::new(settings)?),
            Protocol::Http => Way::Http(Box::new(http::Http::new(signal, settings)?)),
        };
        Ok(Self {
            signal,
            timeout: settings.timeout,
            way,
        })
    }

    /// The same way, with connections of its own.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            signal: self.signal,
            timeout: self.timeout,
            way: match &self.way {
                Way::Grpc(grpc) => Way::Grpc(grpc.clone()),
                Way::Http(http) => Way::Http(Box::new(http.fresh())),
            },
        }
    }

    /// Tries once.
    pub(crate) async fn send(&mut self, message: &impl Message) -> Result<ExportResponse, Failure> {
        let timeout = self.timeout;
        let sending = async {
            match &mut self.way {
                Way::Grpc(grpc) => grpc.send(self.signal, message).await,
                Way::Http(http) => http.send(message.encode_to_vec().into()).await,
            }
        };
        match tokio::time::timeout(timeout, sending).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::later(&format!("no answer within {timeout:?}"))),
        }
    }
}
