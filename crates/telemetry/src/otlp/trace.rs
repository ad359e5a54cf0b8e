//! Spans: `opentelemetry/proto/trace/v1/trace.proto`.

use prost::Message;

use super::{InstrumentationScope, KeyValue, Resource, SCHEMA_URL, key_values, scope};
use crate::span::{self, Kind, SpanStatus};

#[derive(Clone, PartialEq, Message)]
pub struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
    #[prost(string, tag = "5")]
    pub name: String,
    /// 2 of a server, 3 of a client.
    #[prost(int32, tag = "6")]
    pub kind: i32,
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(string, tag = "2")]
    pub message: String,
    /// 0 unset, 1 well, 2 an error.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// The bits of [`Span::flags`] that say whether it is known where the parent is,
/// and that it is elsewhere.
const KNOWS_WHERE: u32 = 0x100;
const ELSEWHERE: u32 = 0x200;

/// An export of spans.
pub(crate) fn request(resource: &Resource, spans: Vec<span::Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: spans.into_iter().map(Span::from).collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }],
    }
}

impl From<span::Span> for Span {
    fn from(span: span::Span) -> Self {
        let state = span.context.state().and_then(|state| state.to_str().ok());
        let (kind, parents) = match span.kind {
            Kind::Server => (2, KNOWS_WHERE | ELSEWHERE),
            Kind::Client => (3, KNOWS_WHERE),
        };
        let parents = if span.parent.is_some() {
            parents
        } else {
            KNOWS_WHERE
        };
        let took = u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX);
        Self {
            trace_id: span.context.trace_id().to_bytes().to_vec(),
            span_id: span.context.span_id().to_bytes().to_vec(),
            trace_state: state.unwrap_or_default().to_owned(),
            parent_span_id: span
                .parent
                .map(|parent| parent.to_bytes().to_vec())
                .unwrap_or_default(),
            flags: u32::from(span.context.flags()) | parents,
            name: span.name,
            kind,
            start_time_unix_nano: span.began,
            end_time_unix_nano: span.began.saturating_add(took),
            attributes: key_values(span.attributes),
            status: match span.status {
                SpanStatus::Unset => None,
                SpanStatus::Error => Some(Status {
                    message: String::new(),
                    code: 2,
                }),
            },
        }
    }
}
