//! The stores of the services that are served: opened, filled for the demo,
//! closed.

use std::path::PathBuf;

use clap::ValueEnum;
use portolan_memory::{Dimension, Durability, Memories};
use portolan_users::Directory;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Config;
use crate::demo;
use crate::signals::Signals;

/// The data folder, unless told otherwise.
const DATA: &str = "./portolan-data";

/// A service that may be served alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Only {
    /// The vector memory.
    Memory,
    /// The directory of users.
    Users,
}

/// The services, open.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The vector memory, if it is served.
    pub(crate) memories: Option<Memories>,
    /// The directory of users, if it is served.
    pub(crate) directory: Option<Directory>,
}

impl Opened {
    /// Opens the data folder and sees to the demo. `None` when a signal came
    /// before that was done; what was begun is then as after a crash, and a next
    /// start goes on with it.
    pub(crate) async fn open(config: &Config, signals: &Signals) -> anyhow::Result<Option<Self>> {
        let (only, settings) = (config.only, Settings::of(config)?);
        let folder = settings.memory.data.clone();
        let opening = tokio::task::spawn_blocking(move || settings.open(only));
        let opened = tokio::select! {
            opened = opening => opened??,
            // The end of the process waits for it a little.
            () = signals.first() => return Ok(None),
        };
        if config.memory.demo.unwrap_or(false) {
            let filled = tokio::select! {
                filled = opened.fill(&folder) => Some(filled),
                () = signals.first() => None,
            };
            let Some(filled) = filled else {
                // A second signal need not wait for what is on its way to the disk.
                tokio::select! {
                    closed = opened.close() => closed?,
                    () = signals.second() => {}
                }
                return Ok(None);
            };
            filled?;
        }
        // An answer that the gateway would refuse is not put together first.
        Ok(Some(opened.with_max_answer(config.max_message_size())))
    }

    /// Ends what would go on for ever: whoever watches, talks or writes.
    pub(crate) fn end_streams(&self) {
        if let Some(directory) = &self.directory {
            directory.end_streams();
        }
    }

    /// Finishes what was begun.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        if let Some(directory) = &self.directory {
            directory.close().await?;
        }
        if let Some(memories) = &self.memories {
            memories.close().await?;
        }
        Ok(())
    }

    async fn fill(&self, folder: &std::path::Path) -> anyhow::Result<()> {
        if let Some(directory) = &self.directory {
            demo::people(directory).await?;
        }
        if let Some(memories) = &self.memories {
            demo::load(memories, folder).await?;
        }
        Ok(())
    }

    fn with_max_answer(self, bytes: usize) -> Self {
        Self {
            memories: self.memories.map(|one| one.with_max_answer(bytes)),
            directory: self.directory.map(|one| one.with_max_answer(bytes)),
        }
    }
}

/// How each is opened.
struct Settings {
    memory: portolan_memory::Settings,
    users: portolan_users::Settings,
}

impl Settings {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let config = &config.memory;
        let data: PathBuf = config.data.clone().unwrap_or_else(|| DATA.into());
        let durability = Durability::from(config.durability.unwrap_or_default());
        Ok(Self {
            memory: portolan_memory::Settings {
                data: data.clone(),
                dimension: config.dimension.map(Dimension::new).transpose()?,
                metric: config.metric.unwrap_or_default().into(),
                durability,
            },
            users: portolan_users::Settings { data, durability },
        })
    }

    fn open(&self, only: Option<Only>) -> anyhow::Result<Opened> {
        let served = |service| only.is_none_or(|only| only == service);
        let memories = served(Only::Memory).then(|| Memories::open(&self.memory));
        let memories = memories.transpose()?;
        let directory = served(Only::Users).then(|| Directory::open(&self.users));
        let directory = directory.transpose()?;
        Ok(Opened {
            memories,
            directory,
        })
    }
}
