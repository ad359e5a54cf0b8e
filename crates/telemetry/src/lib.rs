//! Traces and metrics as OpenTelemetry has them.
//!
//! [`TraceContext`] is which trace a call belongs to, as it travels from server
//! to server (W3C Trace Context). [`Telemetry`] records [spans](Running) and
//! collects [figures](Figures), and sends both to a collector by OTLP, over gRPC
//! or HTTP: in batches, from a queue with a bound, never in the way of a call.
//! [`Traced`] gives the calls that are made for others spans of their own.
//!
//! What a server is, and what it counts, is not known here.

mod carrier;
mod client;
mod context;
mod export;
mod metric;
pub mod otlp;
mod queue;
mod sampler;
mod settings;
mod span;
mod telemetry;

pub use client::Traced;
pub use context::{SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId};
pub use export::Exporting;
pub use metric::{Distribution, Figures, Metric, Number, Points};
pub use sampler::Sampler;
pub use settings::{BuildError, Protocol, Settings};
pub use span::{Attributes, Kind, Running, Span, SpanStatus, Value};
pub use telemetry::Telemetry;
