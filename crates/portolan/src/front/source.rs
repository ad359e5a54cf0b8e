//! Where a gateway's contracts come from: files, or the upstreams themselves.

use std::sync::Arc;
use std::time::Duration;

use super::told::{REFRESH, Told};
use super::upstreams::Upstream;
use crate::config::Config;
use crate::contracts::Files;

/// A set of contracts with the name of where it comes from.
pub(crate) type Part = (String, Arc<[u8]>);

/// What a source gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The contracts, those before the others that come first; none while no
    /// upstream has told any.
    pub(crate) parts: Vec<Part>,
    /// Which services each upstream told of, by its name, in the same order.
    pub(crate) services: Vec<(String, Vec<String>)>,
}

/// A source of contracts.
#[derive(Debug)]
pub(crate) enum Source {
    /// Files say all.
    Files(Files),
    /// The upstreams are asked by reflection.
    Upstreams(Told),
}

impl Source {
    pub(crate) fn of(config: &Config, upstreams: &[Upstream]) -> Self {
        let contracts = &config.contracts;
        let files = Files {
            proto: contracts.proto.clone().unwrap_or_default(),
            include: contracts.include.clone().unwrap_or_default(),
            descriptors: contracts.descriptors.clone().unwrap_or_default(),
        };
        if files.is_empty() {
            let refresh = contracts.refresh.map_or(REFRESH, |time| time.0);
            let refresh = (!refresh.is_zero()).then_some(refresh);
            Self::Upstreams(Told::new(refresh, upstreams))
        } else {
            Self::Files(files)
        }
    }

    /// Reads the files, or asks the upstreams that are due and waits for them,
    /// though not longer than that. Of an upstream that cannot be asked, what it
    /// told last counts.
    ///
    /// # Errors
    /// When files cannot be read or compiled.
    pub(crate) async fn gather(&mut self, at_most: Duration) -> anyhow::Result<Gathered> {
        match self {
            Self::Files(files) => {
                let name = files.names();
                let files = files.clone();
                let sets = tokio::task::spawn_blocking(move || files.read()).await??;
                let parts = sets.into_iter().map(|set| (name.clone(), set.into()));
                Ok(Gathered {
                    parts: parts.collect(),
                    services: Vec::new(),
                })
            }
            Self::Upstreams(told) => {
                told.ask(at_most).await;
                Ok(told.gathered())
            }
        }
    }

    /// Waits until an upstream has answered, and gives what is known then. They
    /// are asked when they are due; files, which are watched, never are.
    /// Dropped, it loses nothing.
    pub(crate) async fn news(&mut self) -> Gathered {
        match self {
            Self::Files(_) => std::future::pending().await,
            Self::Upstreams(told) => {
                told.answered().await;
                told.gathered()
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

    /// The upstreams that may have services that are not known yet.
    pub(crate) fn unknown(&self) -> Vec<String> {
        match self {
            Self::Files(_) => Vec::new(),
            Self::Upstreams(told) => told.unknown(),
        }
    }

    /// Why an upstream is not known, if one is not.
    pub(crate) fn silence(&self) -> Option<String> {
        match self {
            Self::Files(_) => None,
            Self::Upstreams(told) => told.silence(),
        }
    }

    /// Takes over what another was told, until the upstreams are asked.
    pub(crate) fn remember(&mut self, before: &Self) {
        if let (Self::Upstreams(told), Self::Upstreams(before)) = (self, before) {
            told.remember(before);
        }
    }
}
