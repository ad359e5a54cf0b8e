//! OTLP/gRPC.

use std::time::Duration;

use http::HeaderMap;
use portolan_client::{Bounds, Channel, Endpoint};
use portolan_rpc::{Code, Status, details};
use prost::Message;

use super::{ANSWER, Again, Failure, Signal};
use crate::otlp::ExportResponse;
use crate::{BuildError, Settings};

#[derive(Clone)]
pub(super) struct Grpc {
    channel: Channel,
    headers: HeaderMap,
}

impl Grpc {
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let wrong = || BuildError::Endpoint(settings.endpoint.clone());
        let uri = &settings.endpoint;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let endpoint: Endpoint = format!("{scheme}://{authority}")
            .parse()
            .map_err(|_| wrong())?;
        let channel = Channel::builder([endpoint])
            .tls(settings.tls.clone())
            .connect_timeout(settings.timeout)
            .build()?;
        Ok(Self {
            channel,
            headers: settings.headers.clone(),
        })
    }

    pub(super) async fn send(
        &self,
        signal: Signal,
        message: &impl Message,
    ) -> Result<ExportResponse, Failure> {
        let bounds = Bounds {
            timeout: None,
            answer: ANSWER,
        };
        let (channel, path) = (self.channel.clone(), signal.grpc_path());
        portolan_client::unary(channel, path, &self.headers, message, bounds)
            .await
            .map_err(|status| failure(&status))
    }
}

/// Which codes are worth another try (OTLP/gRPC, "Failures").
fn failure(status: &Status) -> Failure {
    let again = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => retry_delay(status).map_or(Again::Later, Again::After),
        // Only who says when recovers by waiting.
        Code::ResourceExhausted => retry_delay(status).map_or(Again::Never, Again::After),
        _ => Again::Never,
    };
    Failure {
        reason: format!("{}: {}", status.code(), status.message()),
        again,
    }
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn retry_delay(status: &Status) -> Option<Duration> {
    let details = details::of(status);
    let info = details
        .iter()
        .find(|detail| detail.type_name() == "google.rpc.RetryInfo")?;
    let info = RetryInfo::decode(info.value.as_slice()).ok()?;
    let Delay { seconds, nanos } = info.retry_delay?;
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = Duration::from_nanos(u64::try_from(nanos).ok()?);
    Some(Duration::from_secs(seconds).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `google.rpc.Status`.
    #[derive(Clone, PartialEq, Message)]
    struct Details {
        #[prost(message, repeated, tag = "3")]
        details: Vec<details::Detail>,
    }

    #[test]
    fn who_says_when_is_asked_again_then() {
        let info = RetryInfo {
            retry_delay: Some(Delay {
                seconds: 2,
                nanos: 500_000_000,
            }),
        };
        let details = Details {
            details: vec![details::Detail {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: info.encode_to_vec(),
            }],
        };
        let details = bytes::Bytes::from(details.encode_to_vec());
        let after = Again::After(Duration::from_millis(2500));
        for (code, plain, informed) in [
            (Code::Unavailable, Again::Later, after),
            (Code::ResourceExhausted, Again::Never, after),
            (Code::InvalidArgument, Again::Never, Again::Never),
            (Code::Unauthenticated, Again::Never, Again::Never),
        ] {
            let status = Status::new(code, "no");
            assert_eq!(failure(&status).again, plain, "{code}");
            let status = status.with_details(details.clone());
            assert_eq!(failure(&status).again, informed, "{code}");
        }
    }
}
