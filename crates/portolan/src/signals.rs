//! The signals that a server heeds.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The signals that end a server, counted from the moment on in which they are
/// caught: nobody has to be waiting when one comes.
pub(crate) struct Signals {
    count: watch::Receiver<usize>,
    counting: JoinHandle<()>,
}

impl Signals {
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let mut terminate = caught(SignalKind::terminate())?;
        let mut interrupt = caught(SignalKind::interrupt())?;
        let (counter, count) = watch::channel(0);
        let counting = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                counter.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { count, counting })
    }

    pub(crate) async fn first(&self) {
        self.reach(1).await;
    }

    pub(crate) async fn second(&self) {
        self.reach(2).await;
    }

    /// Waits until so many have come, from the beginning on.
    async fn reach(&self, signals: usize) {
        let mut count = self.count.clone();
        // The one who counts lives as long as `self`.
        let _ = count.wait_for(|count| *count >= signals).await;
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

/// Catches one signal from now on.
pub(crate) fn caught(kind: SignalKind) -> anyhow::Result<tokio::signal::unix::Signal> {
    signal(kind).context("cannot catch signals")
}
