//! A span: what happened when, and how it ended.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use portolan_rpc::Code;

use crate::{SpanId, TraceContext};

/// On which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answers one.
    Server,
    /// It makes one.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    /// A number that does not fit 63 bits was not reached by counting.
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// What is known of a span, or of a figure, by name.
pub type Attributes = Vec<(&'static str, Value)>;

/// A span that is under way. It is recorded when it is [ended](Self::end).
#[derive(Debug)]
pub struct Running {
    context: TraceContext,
    parent: Option<SpanId>,
    /// Both clocks: one knows the date, the other does not jump.
    began: SystemTime,
    clock: Instant,
    details: Option<Details>,
}

/// What of a request is wanted when its span ends. It is copied, for headers lie
/// in memory that is shared with much else.
#[derive(Debug, Default)]
struct Details {
    user_agent: Option<String>,
    authority: Option<String>,
    path: String,
}

impl Running {
    pub(crate) fn begin(context: TraceContext, parent: Option<SpanId>) -> Self {
        Self {
            context,
            parent,
            began: SystemTime::now(),
            clock: Instant::now(),
            details: None,
        }
    }

    /// Keeps what a span of a server says of its request; without a request by
    /// HTTP/2 the host is in a header.
    #[must_use]
    pub fn request<B>(mut self, request: &http::Request<B>) -> Self {
        if self.context.is_sampled() {
            let headers = request.headers();
            let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
            let authority = request.uri().authority().map(ToString::to_string);
            let host = || headers.get(http::header::HOST).and_then(text);
            self.details = Some(Details {
                user_agent: headers.get(http::header::USER_AGENT).and_then(text),
                authority: authority.or_else(host),
                path: request.uri().path().to_owned(),
            });
        }
        self
    }

    /// As others hear of it.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Says it in the headers of a request.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        self.context.write_to(headers);
    }

    /// What it was, once it is over.
    pub(crate) fn end(self, kind: Kind, name: String, status: SpanStatus) -> Span {
        let mut attributes = Vec::with_capacity(20);
        if let Some(details) = self.details {
            attributes.push(("url.path", details.path.into()));
            if let Some(authority) = details.authority {
                put_server(&authority, &mut attributes);
            }
            if let Some(agent) = details.user_agent {
                attributes.push(("user_agent.original", agent.into()));
            }
        }
        Span {
            context: self.context,
            parent: self.parent,
            kind,
            name,
            began: nanos(self.began),
            took: self.clock.elapsed(),
            status,
            attributes,
        }
    }
}

/// The host, and the port where there is one.
fn put_server(authority: &str, attributes: &mut Attributes) {
    let parsed = authority.parse::<http::uri::Authority>();
    let Ok(authority) = parsed else {
        return;
    };
    let host = authority.host().trim_matches(['[', ']']);
    attributes.push(("server.address", host.to_owned().into()));
    if let Some(port) = authority.port_u16() {
        attributes.push(("server.port", port.into()));
    }
}

/// A moment as OTLP has it.
pub(crate) fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a span ended as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanStatus {
    /// Nobody says that it did not.
    Unset,
    /// It did not.
    Error,
}

impl SpanStatus {
    /// Of the side that answers: what its clients do wrong is no error of its
    /// (semantic conventions for gRPC, "Spans", "Server").
    #[must_use]
    pub fn of_server(code: Code) -> Self {
        match code {
            Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Error,
            _ => Self::Unset,
        }
    }

    /// Of the side that calls: it did not get what it wanted.
    #[must_use]
    pub fn of_client(code: Code) -> Self {
        match code {
            Code::Ok => Self::Unset,
            _ => Self::Error,
        }
    }
}

/// A span that is over.
#[derive(Clone, Debug)]
pub struct Span {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<SpanId>,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) began: u64,
    pub(crate) took: Duration,
    pub(crate) status: SpanStatus,
    /// More of it.
    pub attributes: Attributes,
}

impl Span {
    /// Says of what kind the call was and how it ended: by the conventions for
    /// RPC as they are to be, and as they were until 1.37, which is what many
    /// dashboards know.
    pub fn put_rpc(&mut self, path: &str, code: Code) {
        let method = path.trim_start_matches('/');
        let service = method.rsplit_once('/').map_or("", |(service, _)| service);
        self.attributes.extend([
            ("rpc.system.name", "grpc".into()),
            ("rpc.system", "grpc".into()),
            ("rpc.service", service.to_owned().into()),
            ("rpc.method", method.to_owned().into()),
            ("rpc.response.status_code", code.name().into()),
            ("rpc.grpc.status_code", i64::from(code as i32).into()),
        ]);
        if self.status == SpanStatus::Error {
            self.attributes.push(("error.type", code.name().into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_knows_its_request() {
        let request = http::Request::builder()
            .uri("/v1/users/7?secret=x")
            .header("host", "[::1]:8080")
            .header("user-agent", "curl/8")
            .body(())
            .unwrap();
        let running = Running::begin(TraceContext::root(|_| true), None).request(&request);
        let mut span = running.end(Kind::Server, "a.S/M".into(), SpanStatus::Error);
        span.put_rpc("/a.S/M", Code::Internal);
        let get = |name| {
            let mut found = span.attributes.iter().filter(|(known, _)| *known == name);
            let (value, None) = (found.next().map(|(_, value)| value.clone()), found.next()) else {
                panic!("{name} twice");
            };
            value
        };
        assert_eq!(get("url.path"), Some("/v1/users/7".into()));
        assert_eq!(get("server.address"), Some("::1".into()));
        assert_eq!(get("server.port"), Some(8080_u16.into()));
        assert_eq!(get("user_agent.original"), Some("curl/8".into()));
        assert_eq!(get("rpc.service"), Some("a.S".into()));
        assert_eq!(get("rpc.method"), Some("a.S/M".into()));
        assert_eq!(get("rpc.grpc.status_code"), Some(13_i64.into()));
        assert_eq!(get("error.type"), Some("INTERNAL".into()));
    }

    #[test]
    fn what_is_not_recorded_keeps_nothing() {
        let request = http::Request::new(());
        let running = Running::begin(TraceContext::root(|_| false), None).request(&request);
        assert!(running.details.is_none());
    }

    #[test]
    fn a_clients_mistake_is_no_error_of_the_server() {
        for (code, server, client) in [
            (Code::Ok, SpanStatus::Unset, SpanStatus::Unset),
            (Code::NotFound, SpanStatus::Unset, SpanStatus::Error),
            (Code::Cancelled, SpanStatus::Unset, SpanStatus::Error),
            (Code::Internal, SpanStatus::Error, SpanStatus::Error),
            (Code::DeadlineExceeded, SpanStatus::Error, SpanStatus::Error),
        ] {
            assert_eq!(SpanStatus::of_server(code), server, "{code}");
            assert_eq!(SpanStatus::of_client(code), client, "{code}");
        }
    }
}
