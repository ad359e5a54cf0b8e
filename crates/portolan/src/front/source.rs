//! Where a gateway's contracts come from: files, or the upstreams themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use portolan_client::reflection;

use super::upstreams::Upstream;
use crate::config::Config;
use crate::contracts::Files;

/// How often upstreams are asked again, unless told otherwise.
const REFRESH: Duration = Duration::from_secs(30);
/// How soon one is asked again that could not be asked.
const SILENT: Duration = Duration::from_secs(1);

/// A set of contracts with the name of where it comes from.
pub(crate) type Part = (String, Arc<[u8]>);

/// What a source gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The contracts; none while no upstream has told any.
    pub(crate) parts: Vec<Part>,
    /// Which services each upstream told of, by its name.
    pub(crate) services: HashMap<String, Vec<String>>,
}

/// A source of contracts.
#[derive(Debug)]
pub(crate) enum Source {
    /// Files say all.
    Files(Files),
    /// The upstreams are asked by reflection.
    Upstreams(Told),
}

/// What the upstreams told last.
#[derive(Debug)]
pub(crate) struct Told {
    interval: Duration,
    /// By the name of the upstream.
    contracts: BTreeMap<String, Arc<[u8]>>,
    services: HashMap<String, Vec<String>>,
    /// Those that could not be asked the last time, and why.
    silent: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn of(config: &Config) -> Self {
        let contracts = &config.contracts;
        let files = Files {
            proto: contracts.proto.clone().unwrap_or_default(),
            include: contracts.include.clone().unwrap_or_default(),
            descriptors: contracts.descriptors.clone().unwrap_or_default(),
        };
        if files.is_empty() {
            Self::Upstreams(Told {
                interval: contracts.refresh.map_or(REFRESH, |time| time.0),
                contracts: BTreeMap::new(),
                services: HashMap::new(),
                silent: BTreeMap::new(),
            })
        } else {
            Self::Files(files)
        }
    }

    /// The contracts, as far as they are to be had. Of an upstream that cannot be
    /// asked, what it told last counts.
    ///
    /// # Errors
    /// When files cannot be read or compiled.
    pub(crate) async fn gather(&mut self, upstreams: &[Upstream]) -> anyhow::Result<Gathered> {
        match self {
            Self::Files(files) => {
                let name = files.names();
                let files = files.clone();
                let sets = tokio::task::spawn_blocking(move || files.read()).await??;
                let parts = sets.into_iter().map(|set| (name.clone(), set.into()));
                Ok(Gathered {
                    parts: parts.collect(),
                    services: HashMap::new(),
                })
            }
            Self::Upstreams(told) => {
                told.ask(upstreams).await;
                let known = told.contracts.iter();
                let parts = known.map(|(name, set)| (name.clone(), Arc::clone(set)));
                Ok(Gathered {
                    parts: parts.collect(),
                    services: told.services.clone(),
                })
            }
        }
    }

    /// The files that say all, if files do.
    pub(crate) fn files(&self) -> Option<&Files> {
        match self {
            Self::Files(files) => Some(files),
            Self::Upstreams(_) => None,
        }
    }

    /// When to ask again; never of files, which are watched.
    pub(crate) fn interval(&self) -> Option<Duration> {
        match self {
            Self::Files(_) => None,
            // One that is down is soon up again.
            Self::Upstreams(told) if !told.silent.is_empty() => Some(SILENT.min(told.interval)),
            Self::Upstreams(told) => Some(told.interval),
        }
    }

    /// Why an upstream is not known, if one is not.
    pub(crate) fn silence(&self) -> Option<String> {
        let Self::Upstreams(told) = self else {
            return None;
        };
        let (name, reason) = told.silent.first_key_value()?;
        Some(format!("cannot ask {name} for its contracts: {reason}"))
    }

    /// Takes over what another was told, until the upstreams are asked.
    pub(crate) fn remember(&mut self, before: &Self) {
        if let (Self::Upstreams(told), Self::Upstreams(before)) = (self, before) {
            told.contracts.clone_from(&before.contracts);
            told.services.clone_from(&before.services);
            told.silent.clone_from(&before.silent);
        }
    }
}

impl Told {
    async fn ask(&mut self, upstreams: &[Upstream]) {
        let options = reflection::Options::default();
        let answers = upstreams.iter().map(|upstream| async {
            let fetched = reflection::fetch(upstream.channel.clone(), &options).await;
            (upstream.name.clone(), fetched)
        });
        // Another configuration may have others.
        let names: BTreeSet<&str> = upstreams.iter().map(|one| one.name.as_str()).collect();
        let is_there = |name: &String| names.contains(name.as_str());
        self.contracts.retain(|name, _| is_there(name));
        self.services.retain(|name, _| is_there(name));
        self.silent.retain(|name, _| is_there(name));
        for (name, fetched) in futures_util::future::join_all(answers).await {
            match fetched {
                Ok(fetched) => {
                    if self.silent.remove(&name).is_some() {
                        tracing::info!(upstream = name, "the upstream tells its contracts again");
                    }
                    self.contracts
                        .insert(name.clone(), fetched.descriptor_set.into());
                    self.services.insert(name, fetched.services);
                }
                Err(error) => {
                    // Once is enough until it answers again.
                    if self
                        .silent
                        .insert(name.clone(), error.to_string())
                        .is_none()
                    {
                        tracing::warn!(
                            upstream = name,
                            reason = %error,
                            "cannot ask the upstream for its contracts; will ask again"
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn to(url: &str) -> (Source, Vec<Upstream>) {
        let mut config = Config::default();
        config
            .upstreams
            .push(config::Upstream::at(url.parse().unwrap()));
        let upstreams = config.upstreams.iter().map(Upstream::open);
        (
            Source::of(&config),
            upstreams.collect::<anyhow::Result<_>>().unwrap(),
        )
    }

    #[tokio::test]
    async fn an_upstream_that_is_gone_from_the_configuration_is_not_waited_for() {
        let (mut before, upstreams) = to("http://127.0.0.1:1");
        before.gather(&upstreams).await.unwrap();
        assert_eq!(before.interval(), Some(SILENT));
        let silence = before.silence().unwrap();
        assert!(
            silence.starts_with("cannot ask http://127.0.0.1:1 "),
            "{silence}"
        );

        let (mut next, _) = to("http://127.0.0.1:2");
        next.remember(&before);
        next.gather(&[]).await.unwrap();
        assert_eq!(next.interval(), Some(REFRESH));
        assert_eq!(next.silence(), None);
    }
}
