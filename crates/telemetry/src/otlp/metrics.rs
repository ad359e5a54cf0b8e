//! Figures: `opentelemetry/proto/metrics/v1/metrics.proto`.

use prost::{Message, Oneof};

use super::{InstrumentationScope, KeyValue, Resource, SCHEMA_URL, key_values, scope};
use crate::metric::{self as own, Number, Points};
use crate::span::Attributes;

#[derive(Clone, PartialEq, Message)]
pub struct ExportMetricsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub description: String,
    #[prost(string, tag = "3")]
    pub unit: String,
    #[prost(oneof = "metric::Data", tags = "7, 9")]
    pub data: Option<metric::Data>,
}

/// The kinds of [`Metric`].
pub mod metric {
    use super::{Histogram, Oneof, Sum};

    #[derive(Clone, PartialEq, Oneof)]
    pub enum Data {
        #[prost(message, tag = "7")]
        Sum(Sum),
        #[prost(message, tag = "9")]
        Histogram(Histogram),
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Sum {
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<NumberDataPoint>,
    /// 2: since the start.
    #[prost(int32, tag = "2")]
    pub aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<HistogramDataPoint>,
    /// 2: since the start.
    #[prost(int32, tag = "2")]
    pub aggregation_temporality: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct NumberDataPoint {
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(oneof = "number_data_point::Value", tags = "4, 6")]
    pub value: Option<number_data_point::Value>,
}

/// The kinds of [`NumberDataPoint`].
pub mod number_data_point {
    use super::Oneof;

    #[derive(Clone, Copy, PartialEq, Oneof)]
    pub enum Value {
        #[prost(double, tag = "4")]
        AsDouble(f64),
        #[prost(sfixed64, tag = "6")]
        AsInt(i64),
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct HistogramDataPoint {
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
}

/// Everything since the start, and not since the last export: one that is lost
/// takes nothing along.
const CUMULATIVE: i32 = 2;

/// From when to when figures have been counted, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// An export of figures.
pub(crate) fn request(
    resource: &Resource,
    figures: Vec<own::Metric>,
    counted: Counted,
) -> ExportMetricsServiceRequest {
    let metrics = figures.into_iter().map(|figure| metric(figure, counted));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: metrics.collect(),
                schema_url: SCHEMA_URL.to_owned(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }],
    }
}

fn metric(figure: own::Metric, counted: Counted) -> Metric {
    let sum = |points: Vec<_>, is_monotonic| {
        let points = points.into_iter().map(|point| number(point, counted));
        metric::Data::Sum(Sum {
            data_points: points.collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic,
        })
    };
    let data = match figure.points {
        Points::Counter(points) => sum(points, true),
        Points::UpDown(points) => sum(points, false),
        Points::Histogram(points) => {
            let points = points.into_iter().map(|point| distribution(point, counted));
            metric::Data::Histogram(Histogram {
                data_points: points.collect(),
                aggregation_temporality: CUMULATIVE,
            })
        }
    };
    Metric {
        name: figure.name.to_owned(),
        description: figure.description.to_owned(),
        unit: figure.unit.to_owned(),
        data: Some(data),
    }
}

fn number((attributes, value): (Attributes, Number), counted: Counted) -> NumberDataPoint {
    NumberDataPoint {
        attributes: key_values(attributes),
        start_time_unix_nano: counted.from,
        time_unix_nano: counted.to,
        value: Some(match value {
            Number::Whole(number) => number_data_point::Value::AsInt(number),
            Number::Real(number) => number_data_point::Value::AsDouble(number),
        }),
    }
}

fn distribution(
    (attributes, values): (Attributes, own::Distribution),
    counted: Counted,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: key_values(attributes),
        start_time_unix_nano: counted.from,
        time_unix_nano: counted.to,
        count: values.counts.iter().sum(),
        sum: Some(values.sum),
        bucket_counts: values.counts,
        explicit_bounds: values.bounds.to_vec(),
    }
}
