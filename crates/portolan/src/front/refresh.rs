//! Keeps a front up to date: asks upstreams again, reads the configuration again
//! on SIGHUP or when a file has changed. Whatever is wrong then leaves things as
//! they are, and is logged.

use portolan_server::Health;
use tokio::signal::unix::SignalKind;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::source::Gathered;
use super::watched::{INTERVAL, Watched};
use super::{PATIENCE, Service, State};
use crate::config::Config;
use crate::signals::caught;

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
                let news = tokio::select! {
                    () = stop.cancelled() => return,
                    news = self.state.source.news() => Some(news),
                    _ = hangup.recv() => None,
                    () = changed(&mut look, &mut self.watched) => None,
                };
                let work = async {
                    match news {
                        Some(gathered) => self.take(gathered),
                        None => self.reload().await,
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

    /// Serves what an upstream told, if that is new.
    fn take(&mut self, gathered: Gathered) -> anyhow::Result<()> {
        if self.state.take(gathered)? {
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
                "changes of listen, tls, auth, cors, trusted_proxies, log, telemetry, drain_timeout and, of \
                 limits, clients, rate, max_concurrency and max_queue take effect with the next start"
            );
        }
        let (guards, telemetry) = (self.state.guards.clone(), self.state.telemetry.clone());
        let mut next = State::open(config)?.lasting(guards, telemetry);
        next.source.remember(&self.state.source);
        next.gather(PATIENCE).await?;
        self.service.replace(next.serve(&self.health)?);
        let services = next.contracts.services().count();
        tracing::info!(services, "the configuration was read again");
        self.watched.follow(next.files());
        self.state = next;
        Ok(())
    }
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
