//! The embedded store: one SQLite database in the data folder, written by one
//! thread, read by many, with the vectors also in memory. The decision for it
//! and its price are in `docs/decisions/0001-storage-engine.md`.

mod batches;
mod pages;
mod read;
mod schema;
mod spaces;
mod write;
mod writer;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use portolan_sqlite::{Fault, Folder, Readers, blocking};
use rusqlite::Connection;

use self::{
    pages::Streams,
    spaces::{Space, Spaces},
    write::Names,
    writer::Writer,
};
use super::{By, Chunk, Pages, Progress, Search, Store};
use crate::{
    answer,
    embedding::{Dimension, Vector},
    error::{Error, Invalid},
    fusion,
    memory::{Figures, Found, Memory, MemoryId, NewMemory},
    names::{BatchId, Namespace},
    search::{Filters, Threshold},
    settings::Settings,
    words::Words,
};

/// The name that the files of the store begin with.
const STORE: &str = "memory";

/// How often old records of batches are looked for, at most; and when the store
/// is opened.
const PRUNING: Duration = Duration::from_secs(60 * 60);

/// See the module.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    folder: Arc<Folder>,
    spaces: Arc<Spaces>,
    readers: Readers,
    streams: Streams,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the data folder, and makes it if it is missing. Blocks while it
    /// reads all vectors.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        Self::open_pruned(settings, PRUNING)
    }

    fn open_pruned(settings: &Settings, pruning: Duration) -> Result<Self, Error> {
        let folder = Arc::new(Folder::open(&settings.data, STORE)?);
        let named = |error| Fault::named(&folder, error);
        let connection = schema::FORMAT.prepare(&folder, settings.durability)?;
        batches::prune(&connection).map_err(named)?;
        let spaces = Arc::new(Spaces::new(settings.metric, settings.dimension));
        spaces.load(&connection).map_err(|error| match error {
            rusqlite::Error::FromSqlConversionFailure(_, _, reason) => Fault::Damaged {
                file: folder.database(),
                reason: reason.to_string(),
            },
            error => named(error),
        })?;
        if let Some(asked) = settings.dimension {
            let other = spaces.dimensions().into_iter().find(|(_, d)| *d != asked);
            if let Some((namespace, found)) = other {
                return Err(Error::OtherDimension {
                    folder: folder.path().into(),
                    namespace,
                    found,
                    asked,
                });
            }
        }
        let names = Names::after_last(&connection).map_err(named)?;
        Ok(Self {
            writer: Writer::start(folder.clone(), connection, spaces.clone(), names, pruning)?,
            readers: Readers::new(folder.clone()),
            streams: Streams::new(folder.clone()),
            spaces,
            folder,
        })
    }

    /// Refuses a vector that cannot be compared with those in the namespace.
    fn check(&self, space: Option<&Space>, vector: &Vector) -> Result<(), Error> {
        match self.spaces.dimension(space) {
            Some(expected) if expected != vector.dimension() => Err(Invalid::OtherDimension {
                expected,
                got: vector.components().len(),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, namespace: &Namespace, memory: NewMemory) -> Result<Memory, Error> {
        self.writer.insert(namespace, memory).await
    }

    async fn insert_chunk(
        &self,
        namespace: &Namespace,
        chunk: Chunk,
    ) -> Result<Vec<Result<MemoryId, Invalid>>, Error> {
        self.writer.insert_chunk(namespace, chunk).await
    }

    async fn progress(&self, namespace: &Namespace, batch: &BatchId) -> Result<Progress, Error> {
        let Some(space) = self.spaces.get(namespace) else {
            return Ok(Progress::default());
        };
        let batch = batch.clone();
        let progress = self
            .readers
            .read(move |connection| batches::progress(connection, space.number, batch.as_str()));
        Ok(progress.await?)
    }

    async fn get(&self, namespace: &Namespace, id: MemoryId) -> Result<Option<Memory>, Error> {
        let Some(space) = self.spaces.get(namespace) else {
            return Ok(None);
        };
        let memory = self
            .readers
            .read(move |connection| read::by_id(connection, space.number, id));
        Ok(memory.await?)
    }

    async fn delete(&self, namespace: &Namespace, id: MemoryId) -> Result<bool, Error> {
        self.writer.delete(namespace, id).await
    }

    async fn search(&self, namespace: &Namespace, search: Search) -> Result<Vec<Found>, Error> {
        let space = self.spaces.get(namespace);
        if let Some(vector) = search.by.vector() {
            self.check(space.as_deref(), vector)?;
        }
        let Some(space) = space else {
            return Ok(Vec::new());
        };
        self.readers
            .read(move |connection| {
                let ranking = rank(connection, &space, &search)?;
                fetch(connection, &ranking, search.max_answer)
            })
            .await?
    }

    async fn pages(
        &self,
        namespace: &Namespace,
        words: Option<Words>,
        filters: Filters,
    ) -> Result<Box<dyn Pages>, Error> {
        match self.spaces.get(namespace) {
            Some(space) => self.streams.open(space.number, words, filters).await,
            None => Ok(Box::new(NoPages)),
        }
    }

    async fn dimension(&self, namespace: &Namespace) -> Result<Option<Dimension>, Error> {
        let space = self.spaces.get(namespace);
        Ok(self.spaces.dimension(space.as_deref()))
    }

    async fn figures(&self, namespace: &Namespace) -> Result<Figures, Error> {
        let space = self.spaces.get(namespace);
        let dimension = self.spaces.dimension(space.as_deref());
        let state = space.map(|space| space.snapshot()).unwrap_or_default();
        let folder = self.folder.clone();
        Ok(Figures {
            memories: state.memories,
            vectors: state.matrix.map_or(0, |matrix| matrix.len() as u64),
            dimension,
            disk_bytes: blocking(move || folder.disk_bytes())
                .await
                .ok_or(Error::Closed)??,
        })
    }

    async fn close(&self) -> Result<(), Error> {
        self.readers.close();
        self.streams.close();
        self.writer.close().await
    }
}

/// The pages of a namespace that holds nothing.
struct NoPages;

#[async_trait]
impl Pages for NoPages {
    async fn next(&mut self) -> Result<Vec<Memory>, Error> {
        Ok(Vec::new())
    }
}

/// The numbers and scores of what fits best, best first.
fn rank(
    connection: &Connection,
    space: &Space,
    search: &Search,
) -> rusqlite::Result<Vec<(i64, f32)>> {
    let limit = search.limit.get();
    let filters = &search.filters;
    match &search.by {
        By::Words(words) => read::matching(connection, space.number, words, filters, limit),
        By::Vector { vector, threshold } => {
            nearest(connection, space, vector, *threshold, filters, limit)
        }
        By::Both { vector, words } => {
            let depth = fusion::depth(limit);
            let near = match vector {
                Some(vector) => nearest(connection, space, vector, None, filters, depth)?,
                None => Vec::new(),
            };
            let matching = match words {
                Some(words) => read::matching(connection, space.number, words, filters, depth)?,
                None => Vec::new(),
            };
            Ok(fusion::fuse(&near, &matching, limit))
        }
    }
}

fn nearest(
    connection: &Connection,
    space: &Space,
    vector: &Vector,
    threshold: Option<Threshold>,
    filters: &Filters,
    count: usize,
) -> rusqlite::Result<Vec<(i64, f32)>> {
    let candidates = if filters.is_empty() {
        None
    } else {
        Some(read::passing(connection, space.number, filters)?)
    };
    // What is in the matrix is committed; so whatever is found here can be
    // fetched afterwards, if it is not removed in between.
    let Some(matrix) = space.snapshot().matrix else {
        return Ok(Vec::new());
    };
    let threshold = threshold.map(Threshold::get);
    let near = match candidates {
        None => matrix.nearest(vector.components(), count, threshold),
        Some(numbers) => matrix.nearest_among(&numbers, vector.components(), count, threshold),
    };
    Ok(near
        .into_iter()
        .map(|near| (near.number, near.score))
        .collect())
}

/// Reads what was ranked, up to the first memory that is too much for the
/// answer.
fn fetch(
    connection: &Connection,
    ranking: &[(i64, f32)],
    max_answer: usize,
) -> rusqlite::Result<Result<Vec<Found>, Error>> {
    let mut found = Vec::with_capacity(ranking.len());
    let mut size = answer::SCORES;
    for (number, score) in ranking {
        let Some(memory) = read::by_number(connection, *number)? else {
            continue;
        };
        let score = *score;
        found.push(Found { memory, score });
        size += found.last().map_or(0, answer::found);
        if size > max_answer {
            return Ok(Err(Error::SearchAnswerFull {
                fetched: found.len(),
                found: ranking.len(),
                size,
                max: max_answer,
            }));
        }
    }
    Ok(Ok(found))
}
