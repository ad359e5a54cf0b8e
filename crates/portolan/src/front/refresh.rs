//! Keeps a front up to date: asks upstreams again, reads the configuration again
//! on SIGHUP or when a file has changed. Whatever is wrong then leaves things as
//! they are, and is logged.

use std::time::Duration;

use portolan_server::Health;
use tokio::signal::unix::SignalKind;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::upstreams::Upstream;
use super::watched::{INTERVAL, Watched};
use super::{Service, State};
use crate::config::Config;
use crate::signals::caught;

/// How long connections are made after the first, when an upstream is back.
const SETTLED: Duration = Duration::from_millis(100);
/// Far enough away to be never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) struct Refresh {
    pub(super) state: State,
    pub(super) reload: Box<dyn Fn() -> anyhow::Result<Config> + Send + Sync>,
    pub(super) service: Service,
    pub(super) health: Health,
    /// What the state was made of.
    pub(super) watched: Watched,
    pub(super) stop: CancellationToken,
}

impl Refresh {
    /// Begins; the signal is heeded from now on.
    pub(super) fn start(mut self) -> anyhow::Result<JoinHandle<()>> {
        let mut hangup = caught(SignalKind::hangup())?;
        Ok(tokio::spawn(async move {
            let mut look = interval(INTERVAL);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let stop = self.stop.clone();
            loop {
                let interval = self.state.source.interval();
                let ask_at = Instant::now() + interval.unwrap_or(NEVER);
                let returned = upstream_returned(&self.state.upstreams, interval.is_some());
                let reload = tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep_until(ask_at) => false,
                    () = returned => false,
                    _ = hangup.recv() => true,
                    () = changed(&mut look, &mut self.watched) => true,
                };
                let work = async {
                    if reload {
                        self.reload().await
                    } else {
                        self.ask().await
                    }
                };
                // An upstream may take its time to answer, and the end need not.
                let done = tokio::select! {
                    () = stop.cancelled() => return,
                    done = work => done,
                };
                if let Err(error) = done {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "keeping what was served before"
                    );
                }
            }
        }))
    }

    /// Asks the upstreams for their contracts.
    async fn ask(&mut self) -> anyhow::Result<()> {
        if self.state.gather().await? {
            self.service.replace(self.state.serve(&self.health)?);
            let services = self.state.contracts.services().count();
            tracing::info!(services, "serving new contracts");
        }
        Ok(())
    }

    /// Makes everything anew of the configuration as it is now.
    async fn reload(&mut self) -> anyhow::Result<()> {
        // What changes from here on is to be told again.
        self.watched.have_changed();
        let config = (self.reload)()?;
        if config.needs_restart_after(&self.state.config) {
            tracing::warn!(
                "changes of listen, tls, cors, trusted_proxies, limits.clients, log and drain_timeout take effect with the next start"
            );
        }
        let mut next = State::open(config)?;
        let files = next.files();
        next.source.remember(&self.state.source);
        next.gather().await?;
        self.service.replace(next.serve(&self.health)?);
        let services = next.contracts.services().count();
        tracing::info!(services, "the configuration was read again");
        self.state = next;
        self.watched.follow(files);
        Ok(())
    }
}

/// Waits until one of these has been connected to anew: it may be another
/// version of itself. A busy one is connected to more than once, and asked once.
async fn upstream_returned(upstreams: &[Upstream], asked: bool) {
    let connected = upstreams.iter().map(|upstream| {
        let mut connections = upstream.channel.connected();
        connections.mark_unchanged();
        Box::pin(async move {
            if connections.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    });
    let connected: Vec<_> = connected.collect();
    if !asked || connected.is_empty() {
        std::future::pending::<()>().await;
    }
    futures_util::future::select_all(connected).await;
    tokio::time::sleep(SETTLED).await;
}

/// Waits until a file has changed.
async fn changed(look: &mut tokio::time::Interval, watched: &mut Watched) {
    loop {
        look.tick().await;
        if watched.have_changed() {
            return;
        }
    }
}
