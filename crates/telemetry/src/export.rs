//! Sends what has been recorded, in batches and at intervals, until it is told
//! to end; then it sends what is left. Whatever a collector does, nobody waits
//! for this but the end of the process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::Figures;
use crate::carrier::{Again, Carrier, Failure};
use crate::otlp::{self, ExportResponse};
use crate::span::nanos;
use crate::telemetry::Core;

/// The first pause before an export is tried again; each further one is twice as
/// long.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the log hears that exports fail.
const SILENCE: Duration = Duration::from_secs(60);

/// Exports that are under way. Dropped, they end at once.
#[must_use = "dropped, it exports no more"]
pub struct Exporting {
    core: Arc<Core>,
    stop: CancellationToken,
    work: AbortOnDropHandle<()>,
}

impl Exporting {
    /// Begins; has to be within a Tokio runtime.
    pub(crate) fn begin(core: &Arc<Core>, own_figures: Vec<Box<dyn Figures>>) -> Self {
        let [traces, metrics] = core.carriers.each_ref().map(Carrier::fresh);
        let stop = CancellationToken::new();
        let (own, stopped) = (Arc::clone(core), stop.clone());
        let work = tokio::spawn(async move {
            let spans = async {
                if own.settings.traces {
                    spans(&own, traces, &stopped).await;
                }
            };
            let figures = async {
                if own.settings.metrics {
                    figures(&own, &own_figures, metrics, &stopped).await;
                }
            };
            tokio::join!(spans, figures);
        });
        Self {
            core: Arc::clone(core),
            stop,
            work: AbortOnDropHandle::new(work),
        }
    }

    /// Sends what is left, within the time limit of the settings.
    pub async fn finish(mut self) {
        self.stop.cancel();
        let limit = self.core.settings.flush_timeout;
        if timeout(limit, &mut self.work).await.is_err() {
            tracing::warn!(
                ?limit,
                "the collector has not taken the last telemetry in time"
            );
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.core.sends.store(false, Ordering::Release);
    }
}

/// Sends spans, a batch at a time.
async fn spans(core: &Core, carrier: Carrier, stop: &CancellationToken) {
    let (queue, settings) = (&core.queue, &core.settings);
    let mut delivery = Delivery {
        carrier,
        patience: settings.patience,
        stop,
        log: Log::new("spans"),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            () = queue.filled() => {}
            () = sleep(settings.delay) => {}
        }
        loop {
            let batch = queue.take();
            if batch.is_empty() {
                break;
            }
            let count = batch.len();
            let request = otlp::trace_request(&core.resource, batch);
            let taken = delivery.deliver(&request, count as u64).await;
            if !taken {
                queue.lose(count);
            }
            delivery.log.dropped(queue.dropped());
            if !queue.is_full() && !stop.is_cancelled() {
                break;
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// Sends figures. One export that fails is not tried again, for the next says
/// all that it would have said.
async fn figures(
    core: &Core,
    own: &[Box<dyn Figures>],
    carrier: Carrier,
    stop: &CancellationToken,
) {
    let interval = core.settings.metrics_interval;
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut delivery = Delivery {
        carrier,
        patience: Duration::ZERO,
        stop,
        log: Log::new("metrics"),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = ticks.tick() => {}
        }
        let figures = core.collect(own);
        if !figures.is_empty() {
            let counted = otlp::Counted {
                from: core.began,
                to: nanos(SystemTime::now()),
            };
            let count = figures.len() as u64;
            let request = otlp::metrics_request(&core.resource, figures, counted);
            delivery.deliver(&request, count).await;
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// Gets exports through.
struct Delivery<'a> {
    carrier: Carrier,
    /// How long one is tried again.
    patience: Duration,
    stop: &'a CancellationToken,
    log: Log,
}

impl Delivery<'_> {
    /// Whether the collector has taken it, perhaps after some attempts. At the end
    /// there is one more.
    async fn deliver(&mut self, request: &impl prost::Message, count: u64) -> bool {
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            let last = self.stop.is_cancelled();
            let failure = match self.carrier.send(request).await {
                Ok(response) => {
                    self.log.taken(&response);
                    return true;
                }
                Err(failure) => failure,
            };
            let wait = match failure.again {
                Again::Never => None,
                // Servers that failed together are not to be asked together.
                Again::Later => Some(pause.mul_f64(0.5 + fastrand::f64() / 2.0)),
                Again::After(wait) => Some(wait),
            };
            pause = (pause * 2).min(LONGEST_PAUSE);
            // A collector may say any number of seconds.
            let too_long = |wait| begun.elapsed().saturating_add(wait) > self.patience;
            let wait = wait.filter(|wait| !last && !too_long(*wait));
            let Some(wait) = wait else {
                self.log.lost(count, &failure);
                return false;
            };
            self.log.late(&failure);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

/// Tells of failures, but not of each.
struct Log {
    what: &'static str,
    /// When it was told last.
    told: Option<Instant>,
    /// What was lost since.
    lost: u64,
    /// How many had found no room in the queue when it was told last.
    dropped: u64,
    failing: bool,
}

impl Log {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            told: None,
            lost: 0,
            dropped: 0,
            failing: false,
        }
    }

    /// Whether it is time again, which it then is no longer.
    fn may_tell(&mut self) -> bool {
        let now = Instant::now();
        let may = self.told.is_none_or(|told| now - told >= SILENCE);
        if may {
            self.told = Some(now);
        }
        may
    }

    fn late(&mut self, failure: &Failure) {
        self.failing = true;
        if self.may_tell() {
            let (what, reason) = (self.what, &failure.reason);
            tracing::warn!(
                reason,
                "the collector does not take {what} now, they are tried again"
            );
        }
    }

    fn lost(&mut self, count: u64, failure: &Failure) {
        self.failing = true;
        self.lost += count;
        if self.may_tell() {
            let (what, reason) = (self.what, &failure.reason);
            let lost = std::mem::take(&mut self.lost);
            tracing::warn!(reason, lost, "the collector has not taken {what}");
        }
    }

    /// Tells of spans that found no room; `dropped` counts those lost too.
    fn dropped(&mut self, dropped: u64) {
        if dropped > self.dropped && self.may_tell() {
            let lost = dropped - self.dropped;
            self.dropped = dropped;
            tracing::warn!(lost, "{} were dropped since too many wait", self.what);
        }
    }

    fn taken(&mut self, response: &ExportResponse) {
        if std::mem::take(&mut self.failing) {
            tracing::info!("the collector takes {} again", self.what);
            self.told = None;
        }
        if let Some(part) = response.partial_success.as_ref()
            && (part.rejected > 0 || !part.error_message.is_empty())
            && self.may_tell()
        {
            tracing::warn!(
                rejected = part.rejected,
                reason = part.error_message,
                "the collector has not taken all {}",
                self.what
            );
        }
    }
}
