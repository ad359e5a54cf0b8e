//! The messages of OTLP 1.x, as far as they are sent: `opentelemetry.proto` by
//! its numbers. Public for whoever receives them, a test for instance.

#![allow(missing_docs, reason = "the names are the specification's")]

mod metrics;
mod trace;

use prost::{Message, Oneof};

use crate::span::{Attributes, Value};

pub use metrics::{
    ExportMetricsServiceRequest, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
pub use trace::{ExportTraceServiceRequest, ResourceSpans, ScopeSpans, Span, Status};

pub(crate) use metrics::{Counted, request as metrics_request};
pub(crate) use trace::request as trace_request;

/// `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
pub const TRACE_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// `opentelemetry.proto.collector.metrics.v1.MetricsService/Export`.
pub const METRICS_PATH: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The conventions that names of attributes are from.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.39.0";

/// Any value; arrays and lists are not sent.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(oneof = "any_value::Value", tags = "1, 3")]
    pub value: Option<any_value::Value>,
}

/// The kinds of [`AnyValue`].
pub mod any_value {
    use super::Oneof;

    #[derive(Clone, PartialEq, Oneof)]
    pub enum Value {
        #[prost(string, tag = "1")]
        StringValue(String),
        #[prost(int64, tag = "3")]
        IntValue(i64),
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InstrumentationScope {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// What either service answers; it has rejected what it counts here.
#[derive(Clone, PartialEq, Message)]
pub struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    #[prost(string, tag = "2")]
    pub error_message: String,
}

impl KeyValue {
    pub(crate) fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        let value = any_value::Value::StringValue(value.into());
        Self {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
        }
    }
}

fn key_values(attributes: Attributes) -> Vec<KeyValue> {
    let pairs = attributes.into_iter().map(|(key, value)| {
        let value = match value {
            Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
            Value::Number(number) => any_value::Value::IntValue(number),
        };
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
        }
    });
    pairs.collect()
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "portolan".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
