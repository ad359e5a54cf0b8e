//! Figures of a running server, for Prometheus and for whoever asks. What is
//! counted lives in the files below; here it is put together and written out.

pub(crate) mod calls;
mod exposition;
mod figures;
mod lost;
mod process;
pub(crate) mod running;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use portolan_telemetry::Telemetry;
use prometheus_client::collector::Collector;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::CallMetrics;
pub(crate) use exposition::answer;

/// Which build is running.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildInfo {
    /// The version, such as `0.1.0`.
    pub version: &'static str,
}

/// The figures of a server: its calls, its process, its build. Clones share
/// them.
///
/// ```
/// use portolan_server::{BuildInfo, Metrics};
///
/// let metrics = Metrics::new(BuildInfo { version: env!("CARGO_PKG_VERSION") });
/// assert!(metrics.open_metrics().ends_with("# EOF\n"));
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    calls: Arc<CallMetrics>,
    lost: Arc<lost::Lost>,
    registry: Mutex<Registry>,
}

impl Metrics {
    /// Figures that start at zero.
    #[must_use]
    pub fn new(build: BuildInfo) -> Self {
        let calls = Arc::new(CallMetrics::default());
        let mut registry = Registry::default();
        registry.register(
            "portolan_build",
            "The build that is running",
            Info::new([("version", build.version)]),
        );
        registry.register_collector(Box::new(Arc::clone(&calls)));
        registry.register_collector(Box::new(process::Process));
        let lost = Arc::new(lost::Lost::default());
        registry.register_collector(Box::new(Arc::clone(&lost)));
        Self(Arc::new(Inner {
            calls,
            lost,
            registry: Mutex::new(registry),
        }))
    }

    /// Adds figures of one's own.
    pub fn collect(&self, collector: Box<dyn Collector>) {
        self.registry(|registry| registry.register_collector(collector));
    }

    /// The figures of the calls, method by method.
    #[must_use]
    pub fn calls(&self) -> &Arc<CallMetrics> {
        &self.0.calls
    }

    /// Shows what is lost of this telemetry; the first counts.
    pub(crate) fn know(&self, telemetry: &Telemetry) {
        self.0.lost.know(telemetry);
    }

    /// All figures in the text form of OpenMetrics 1.0.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        self.registry(|registry| prometheus_client::encoding::text::encode(&mut text, registry))
            .expect("a string takes everything");
        text
    }

    /// All figures in the older text form of Prometheus, version 0.0.4.
    #[must_use]
    pub fn prometheus_text(&self) -> String {
        exposition::prometheus_text(&self.open_metrics())
    }

    fn registry<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        // A collector that panics leaves the registry as it was.
        work(
            &mut self
                .0
                .registry
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(BuildInfo::default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Metrics")
            .field("calls", &self.0.calls)
            .finish_non_exhaustive()
    }
}
