//! The handle by which spans and figures are recorded.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::HeaderMap;
use uuid::Uuid;

use crate::carrier::{Carrier, Signal};
use crate::export::Exporting;
use crate::otlp::{KeyValue, Resource};
use crate::queue::Queue;
use crate::span::{Kind, Running, Span, SpanStatus, nanos};
use crate::{BuildError, Figures, Metric, Points, Settings, TraceContext};

/// Records spans and figures, and sends them once it is [started](Self::start).
/// Clones are the same.
///
/// ```no_run
/// use portolan_telemetry::{Settings, Telemetry};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let telemetry = Telemetry::new(Settings::new("http://127.0.0.1:4317".parse()?))?;
/// let exporting = telemetry.start(Vec::new());
/// // … and at the end:
/// if let Some(exporting) = exporting {
///     exporting.finish().await;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Telemetry(Arc<Core>);

/// What all clones share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) resource: Resource,
    pub(crate) queue: Queue,
    /// When counting began, in nanoseconds since 1970.
    pub(crate) began: u64,
    figures: Mutex<Vec<Box<dyn Figures>>>,
    /// The ways to the collector: of spans, and of figures.
    pub(crate) carriers: [Carrier; 2],
    /// Whether somebody sends.
    pub(crate) sends: AtomicBool,
}

impl Core {
    /// All figures now: those of whoever sends, and those that were added.
    pub(crate) fn collect(&self, own: &[Box<dyn Figures>]) -> Vec<Metric> {
        let added = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = own.iter().chain(added.iter());
        let mut metrics: Vec<_> = figures.flat_map(|figures| figures.collect()).collect();
        metrics.push(Metric {
            name: "portolan.spans.lost",
            description: "Spans that found no room, or that the collector has not taken.",
            unit: "{span}",
            points: Points::Counter(vec![(Vec::new(), self.queue.dropped().into())]),
        });
        metrics
    }
}

impl Telemetry {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// When the settings lead to no collector.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let carrier = |signal| Carrier::new(signal, &settings);
        let carriers = [carrier(Signal::Traces)?, carrier(Signal::Metrics)?];
        let resource = resource(&settings);
        Ok(Self(Arc::new(Core {
            queue: Queue::new(settings.queue, settings.batch),
            resource,
            began: nanos(SystemTime::now()),
            figures: Mutex::new(Vec::new()),
            carriers,
            sends: AtomicBool::new(false),
            settings,
        })))
    }

    /// Sends these figures too, whoever sends.
    pub fn add(&self, figures: impl Figures + 'static) {
        let mut all = self
            .0
            .figures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(figures));
    }

    /// Begins to send, these figures too, on the Tokio runtime that this is called
    /// in. Nothing while somebody else sends: who shares telemetry with another
    /// server [adds](Self::add) its figures.
    pub fn start(&self, figures: Vec<Box<dyn Figures>>) -> Option<Exporting> {
        let was_sending = self.0.sends.swap(true, Ordering::AcqRel);
        (!was_sending).then(|| Exporting::begin(&self.0, figures))
    }

    /// Whether spans are recorded at all.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.0.settings.traces
    }

    /// Begins a span of a server, within that of its caller when the headers of
    /// the request name one, and names it there in the caller's place.
    pub fn receive(&self, headers: &mut HeaderMap) -> Running {
        let parent = TraceContext::of(headers);
        let sampler = self.0.settings.sampler;
        let context = match &parent {
            Some(parent) => parent.child(sampler.samples(parent.trace_id(), Some(parent))),
            None => TraceContext::root(|id| sampler.samples(id, None)),
        };
        context.write_to(headers);
        Running::begin(context, parent.map(|parent| parent.span_id()))
    }

    /// Begins a span of a client within another.
    #[must_use]
    pub fn call(&self, within: &TraceContext) -> Running {
        let context = within.child(within.is_sampled());
        Running::begin(context, Some(within.span_id()))
    }

    /// Records a span that is over, if its trace is recorded; `more` adds what is
    /// known of it.
    pub fn record(
        &self,
        running: Running,
        kind: Kind,
        name: impl FnOnce() -> String,
        status: SpanStatus,
        more: impl FnOnce(&mut Span),
    ) {
        if !running.context().is_sampled() {
            return;
        }
        let mut span = running.end(kind, name(), status);
        more(&mut span);
        self.0.queue.push(span);
    }

    /// How many spans have been lost, since too many waited or the collector did
    /// not take them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.dropped()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Telemetry")
            .field(&self.0.settings)
            .finish()
    }
}

/// Who tells (semantic conventions, "Resource").
fn resource(settings: &Settings) -> Resource {
    let instance = Uuid::now_v7().to_string();
    let own = [
        ("service.name", settings.service_name.as_str()),
        ("service.version", &settings.service_version),
        ("service.instance.id", &instance),
        ("telemetry.sdk.name", "portolan"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let said = |key: &str| settings.attributes.iter().any(|(name, _)| name == key);
    let own = own.into_iter().filter(|(key, _)| !said(key));
    let own = own.map(|(key, value)| KeyValue::text(key, value));
    let said = settings.attributes.iter();
    let said = said.map(|(key, value)| KeyValue::text(key, value));
    Resource {
        attributes: own.chain(said).collect(),
    }
}
