//! What upstreams tell of their contracts by reflection: each is asked in its
//! own time, so that one that is silent holds up nobody and costs the others
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use portolan_client::Channel;
use portolan_client::reflection::{self, Reflected};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::source::{Gathered, Part};
use super::upstreams::Upstream;

/// How often upstreams are asked again, unless told otherwise.
pub(super) const REFRESH: Duration = Duration::from_secs(30);
/// How soon one is asked again that could not be asked, and at most how often.
const SILENT: Duration = Duration::from_secs(1);
/// How long connections are made after the first, when an upstream is back: a
/// busy one is connected to more than once, and asked once.
const SETTLED: Duration = Duration::from_millis(100);
/// Far enough away to be never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The upstreams, and what they told last.
#[derive(Debug)]
pub(crate) struct Told {
    /// How often one is asked again that has told; `None` when only a new
    /// connection is a reason.
    refresh: Option<Duration>,
    /// In the order of the configuration.
    upstreams: Vec<Asked>,
    /// Those that have told, in the order in which they came: a later one takes
    /// no place of an earlier one.
    served: Vec<usize>,
    asking: JoinSet<(usize, Answer)>,
}

type Answer = Result<Reflected, reflection::Error>;

/// One upstream.
#[derive(Debug)]
struct Asked {
    name: String,
    channel: Channel,
    /// Counts connections: behind a new one may be another version.
    connections: watch::Receiver<u64>,
    last: Option<Instant>,
    /// When it is asked again.
    due: Option<Instant>,
    under_way: bool,
    contracts: Option<(Arc<[u8]>, Vec<String>)>,
    /// Why it could not be asked the last time.
    silent: Option<String>,
    /// Whether it has answered that it has no reflection.
    mute: bool,
}

impl Told {
    pub(super) fn new(refresh: Option<Duration>, upstreams: &[Upstream]) -> Self {
        let now = Instant::now();
        let upstreams = upstreams.iter().map(|upstream| Asked {
            name: upstream.name.clone(),
            channel: upstream.channel.clone(),
            connections: upstream.channel.connected(),
            last: None,
            due: Some(now),
            under_way: false,
            contracts: None,
            silent: None,
            mute: false,
        });
        Self {
            refresh,
            upstreams: upstreams.collect(),
            served: Vec::new(),
            asking: JoinSet::new(),
        }
    }

    /// Takes over what another was told by the same upstreams, until they are
    /// asked.
    pub(super) fn remember(&mut self, before: &Self) {
        for (at, upstream) in self.upstreams.iter_mut().enumerate() {
            let mut same = before.upstreams.iter();
            if let Some(same) = same.find(|one| one.name == upstream.name) {
                upstream.contracts.clone_from(&same.contracts);
                upstream.silent.clone_from(&same.silent);
                upstream.mute = same.mute;
            }
            if upstream.contracts.is_some() {
                self.served.push(at);
            }
        }
    }

    /// Asks all that are due, and waits for them, though not longer than that.
    pub(super) async fn ask(&mut self, at_most: Duration) {
        let end = Instant::now() + at_most;
        let before = self.served.len();
        self.ask_due();
        while let Ok(Some(answer)) = timeout_at(end, self.asking.join_next()).await {
            self.note(answer);
        }
        // Of those that come together the first in the configuration is the
        // first.
        self.served[before..].sort_unstable();
        for upstream in self.upstreams.iter().filter(|one| one.under_way) {
            tracing::warn!(
                upstream = upstream.name,
                "the upstream takes its time to tell its contracts; going on without"
            );
        }
    }

    /// Asks whenever one is due, until one has answered. Dropped, it loses
    /// nothing.
    pub(super) async fn answered(&mut self) {
        loop {
            self.ask_due();
            let due = self.upstreams.iter().filter_map(|one| one.due).min();
            let due = due.unwrap_or_else(|| Instant::now() + NEVER);
            let idle = self.upstreams.iter_mut().enumerate();
            let idle = idle.filter(|(_, upstream)| !upstream.under_way);
            let mut returned: FuturesUnordered<_> = idle
                .map(|(at, upstream)| async move {
                    // The channel, which counts, is there as well.
                    let _ = upstream.connections.changed().await;
                    at
                })
                .collect();
            tokio::select! {
                Some(answer) = self.asking.join_next() => {
                    drop(returned);
                    self.note(answer);
                    while let Some(answer) = self.asking.try_join_next() {
                        self.note(answer);
                    }
                    return;
                }
                Some(at) = returned.next() => {
                    drop(returned);
                    self.upstreams[at].came_back();
                }
                () = sleep_until(due) => {}
            }
        }
    }

    pub(super) fn gathered(&self) -> Gathered {
        let served = self.served.iter().map(|at| &self.upstreams[*at]);
        let told = served.filter_map(|one| Some((&one.name, one.contracts.as_ref()?)));
        let (parts, services) = told
            .map(|(name, (set, services))| {
                let part: Part = (name.clone(), Arc::clone(set));
                (part, (name.clone(), services.clone()))
            })
            .unzip();
        Gathered { parts, services }
    }

    /// Those that have told nothing yet and may tell something.
    pub(super) fn unknown(&self) -> Vec<String> {
        let unknown = self.upstreams.iter();
        let unknown = unknown.filter(|one| one.contracts.is_none() && !one.mute);
        unknown.map(|one| one.name.clone()).collect()
    }

    /// Why one could not be asked, if one could not.
    pub(super) fn silence(&self) -> Option<String> {
        self.upstreams.iter().find_map(|one| {
            let reason = one.silent.as_ref()?;
            Some(format!(
                "cannot ask {} for its contracts: {reason}",
                one.name
            ))
        })
    }

    fn ask_due(&mut self) {
        let now = Instant::now();
        for (at, upstream) in self.upstreams.iter_mut().enumerate() {
            if upstream.under_way || upstream.due.is_none_or(|due| due > now) {
                continue;
            }
            upstream.under_way = true;
            upstream.due = None;
            upstream.last = Some(now);
            let channel = upstream.channel.clone();
            self.asking.spawn(async move {
                let options = reflection::Options::default();
                (at, reflection::fetch(channel, &options).await)
            });
        }
    }

    fn note(&mut self, answer: Result<(usize, Answer), JoinError>) {
        let (at, answer) = match answer {
            Ok(answer) => answer,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => return,
            },
        };
        let is_told = answer.is_ok();
        self.upstreams[at].note(answer, self.refresh);
        if is_told && !self.served.contains(&at) {
            self.served.push(at);
        }
    }
}

impl Asked {
    fn note(&mut self, answer: Answer, refresh: Option<Duration>) {
        let now = Instant::now();
        let upstream = &self.name;
        self.under_way = false;
        // Those that were made to ask are no news.
        self.connections.mark_unchanged();
        match answer {
            Ok(reflected) => {
                if self.silent.take().is_some() {
                    tracing::info!(upstream, "the upstream tells its contracts");
                }
                self.mute = false;
                self.contracts = Some((reflected.descriptor_set.into(), reflected.services));
                self.due = refresh.map(|refresh| now + refresh.max(SILENT));
            }
            Err(error) => {
                // Once is enough until it answers again.
                if self.silent.replace(error.to_string()).is_none() {
                    tracing::warn!(
                        upstream,
                        reason = %error,
                        "cannot ask the upstream for its contracts; will ask again"
                    );
                }
                self.mute = matches!(error, reflection::Error::Unimplemented(_));
                self.due = Some(now + SILENT);
            }
        }
    }

    /// It has been connected to anew. One that is silent is asked soon anyhow.
    fn came_back(&mut self) {
        let soon = Instant::now() + SETTLED;
        let soon = self.last.map_or(soon, |last| soon.max(last + SILENT));
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }
}

#[cfg(test)]
impl Told {
    /// Makes all of them due.
    pub(super) fn hurry(&mut self) {
        let now = Instant::now();
        self.upstreams
            .iter_mut()
            .for_each(|one| one.due = Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Running, to, write};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn told(refresh: Option<Duration>, urls: &[&str]) -> Told {
        let config = to(urls.iter().copied());
        let upstreams = config.upstreams.iter().map(Upstream::open);
        let upstreams: anyhow::Result<Vec<_>> = upstreams.collect();
        Told::new(refresh, &upstreams.unwrap())
    }

    async fn running(service: &str) -> Running {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), service);
        Running::of(folder.path()).await
    }

    fn origins(told: &Told) -> Vec<String> {
        let parts = told.gathered().parts.into_iter();
        parts.map(|(origin, _)| origin).collect()
    }

    const NOBODY: &str = "http://127.0.0.1:1";

    #[tokio::test]
    async fn a_silent_one_is_asked_again_soon_and_the_others_in_their_time() {
        let server = running("A").await;
        let mut told = told(Some(REFRESH), &[NOBODY, &server.url]);
        told.ask(PATIENCE).await;
        assert_eq!(told.unknown(), [NOBODY]);
        let silence = told.silence().unwrap();
        assert!(
            silence.starts_with("cannot ask http://127.0.0.1:1 "),
            "{silence}"
        );
        let before: Vec<_> = told.upstreams.iter().map(|one| one.last).collect();
        told.answered().await;
        let after: Vec<_> = told.upstreams.iter().map(|one| one.last).collect();
        assert!(after[0] > before[0]);
        assert_eq!(after[1], before[1]);
    }

    #[tokio::test]
    async fn without_a_time_only_a_silent_one_is_due() {
        let server = running("A").await;
        let mut told = told(None, &[NOBODY, &server.url]);
        told.ask(PATIENCE).await;
        assert!(told.upstreams[0].due.is_some());
        assert_eq!(told.upstreams[1].due, None);
    }

    #[tokio::test]
    async fn one_that_never_answers_holds_up_nobody() {
        let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hung = format!("http://{}", hung.local_addr().unwrap());
        let server = running("A").await;
        let mut told = told(None, &[&hung, &server.url]);
        while told.upstreams[1].contracts.is_none() {
            told.ask(Duration::from_millis(1)).await;
        }
        assert_eq!(origins(&told), [server.url.as_str()]);
        assert_eq!(told.unknown(), [hung]);
    }

    #[tokio::test]
    async fn a_newcomer_comes_after_those_that_are_served() {
        let (a, b) = (running("A").await, running("B").await);
        let mut before = told(None, &[NOBODY, &b.url]);
        before.ask(PATIENCE).await;
        let mut next = told(None, &[&a.url, &b.url]);
        next.remember(&before);
        next.ask(PATIENCE).await;
        assert_eq!(origins(&next), [b.url.as_str(), &a.url]);
        // Those that come together come as the configuration has them.
        let mut anew = told(None, &[&a.url, &b.url]);
        anew.ask(PATIENCE).await;
        assert_eq!(origins(&anew), [a.url.as_str(), &b.url]);
    }

    #[tokio::test]
    async fn one_that_is_gone_from_the_configuration_is_forgotten() {
        let server = running("A").await;
        let mut before = told(None, &[NOBODY, &server.url]);
        before.ask(PATIENCE).await;
        let mut next = told(None, &[]);
        next.remember(&before);
        assert_eq!(next.silence(), None);
        assert!(next.gathered().parts.is_empty() && next.unknown().is_empty());
    }
}
