//! The stores of the services that are served: opened, filled for the demo,
//! closed.

use std::path::PathBuf;

use clap::ValueEnum;
use portolan_memory::{Dimension, Durability, Memories};
use portolan_users::{Database, Directory};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{self, Config};
use crate::demo;
use crate::files;
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
        let opened = tokio::select! {
            opened = settings.open(only) => opened?,
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
    /// Where the users are instead of in their folder.
    database: Option<Database>,
}

impl Settings {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let database = database(&config.users)?;
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
            database,
        })
    }

    async fn open(self, only: Option<Only>) -> anyhow::Result<Opened> {
        let served = move |service| only.is_none_or(|only| only == service);
        let Self {
            memory,
            users,
            database,
        } = self;
        let remote = database.filter(|_| served(Only::Users));
        let local = served(Only::Users) && remote.is_none();
        let opening = move || {
            let memories = served(Only::Memory).then(|| Memories::open(&memory));
            let memories = memories.transpose()?;
            let directory = local.then(|| Directory::open(&users));
            anyhow::Ok((memories, directory.transpose()?))
        };
        let (memories, local) = tokio::task::spawn_blocking(opening).await??;
        let directory = match &remote {
            Some(database) => Some(Directory::connect(database).await?),
            None => local,
        };
        Ok(Opened {
            memories,
            directory,
        })
    }
}

/// The database that the configuration names, if it names one.
fn database(config: &config::Users) -> anyhow::Result<Option<Database>> {
    let url = match (&config.database, &config.database_file) {
        (Some(_), Some(_)) => anyhow::bail!(
            "the configuration has users.database and users.database_file; leave one out"
        ),
        (Some(url), None) => url.0.clone(),
        (None, Some(file)) => files::read_text("database URL", file)?,
        (None, None) => return Ok(None),
    };
    let mut database = Database::new(url.trim())?;
    if let Some(connections) = config.connections {
        database = database.with_connections(connections);
    }
    if let Some(limit) = config.connect_timeout {
        database = database.with_connect_timeout(limit.0);
    }
    if let Some(limit) = config.statement_timeout {
        database = database.with_statement_timeout(limit.0);
    }
    Ok(Some(database))
}
