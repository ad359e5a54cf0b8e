//! How much of what a collector was to be told is lost; nothing where there is no
//! telemetry.

use std::fmt;
use std::sync::OnceLock;

use portolan_telemetry::Telemetry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

/// Counts lost spans of the telemetry that it knows.
#[derive(Debug, Default)]
pub(crate) struct Lost(OnceLock<Telemetry>);

impl Lost {
    /// The first counts.
    pub(crate) fn know(&self, telemetry: &Telemetry) {
        let _ = self.0.set(telemetry.clone());
    }
}

impl Collector for Lost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(telemetry) = self.0.get() else {
            return Ok(());
        };
        encoder
            .encode_descriptor(
                "portolan_spans_lost",
                "Spans that found no room, or that the collector has not taken.",
                None,
                MetricType::Counter,
            )?
            .encode_counter(&telemetry.lost(), None::<&Exemplar<[(&str, &str); 0], u64>>)
    }
}
