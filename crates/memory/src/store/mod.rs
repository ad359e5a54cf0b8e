//! Where memories are kept. [`Store`] says what every store can do, and is all
//! that the rest of the crate knows of one; the embedded store is
//! [`SqliteStore`]. A new kind of store is a folder here, and passes the suite
//! that all of them share.

mod sqlite;
#[cfg(test)]
mod suite;

use async_trait::async_trait;

pub(crate) use self::sqlite::SqliteStore;
use crate::{
    embedding::{Dimension, Vector},
    error::{Error, Invalid},
    memory::{Figures, Found, Memory, MemoryId, NewMemory},
    names::{BatchId, Namespace},
    search::{Filters, Limit, Threshold},
    words::Words,
};

/// A durable place for memories.
///
/// What a write has answered is durable, and every read that begins afterwards
/// sees it. A future that is dropped may or may not have had its effect, but
/// never half of it.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Stores one memory.
    async fn insert(&self, namespace: &Namespace, memory: NewMemory) -> Result<Memory, Error>;

    /// Stores a chunk of a batch in one transaction: all of its good items, or
    /// nothing. For an item that does not fit the namespace the outcome holds
    /// why; the others are stored.
    async fn insert_chunk(
        &self,
        namespace: &Namespace,
        chunk: Chunk,
    ) -> Result<Vec<Result<MemoryId, Invalid>>, Error>;

    /// What is recorded of a batch; nothing for one that has not begun.
    async fn progress(&self, namespace: &Namespace, batch: &BatchId) -> Result<Progress, Error>;

    /// The memory with this id.
    async fn get(&self, namespace: &Namespace, id: MemoryId) -> Result<Option<Memory>, Error>;

    /// Removes the memory with this id; `false` when there is none.
    async fn delete(&self, namespace: &Namespace, id: MemoryId) -> Result<bool, Error>;

    /// The memories that fit best, the best first. A memory removed while the
    /// search ran may be left out without another in its place.
    async fn search(&self, namespace: &Namespace, search: Search) -> Result<Vec<Found>, Error>;

    /// The memories as they are now, in pages: with words those that have one
    /// of them at least, the best match first; else all, the oldest first.
    async fn pages(
        &self,
        namespace: &Namespace,
        words: Option<Words>,
        filters: Filters,
    ) -> Result<Box<dyn Pages>, Error>;

    /// The dimension that vectors must have in a namespace, once it is fixed.
    async fn dimension(&self, namespace: &Namespace) -> Result<Option<Dimension>, Error>;

    /// The state of a namespace.
    async fn figures(&self, namespace: &Namespace) -> Result<Figures, Error>;

    /// Finishes the writes that were begun. Reads and writes after this fail.
    async fn close(&self) -> Result<(), Error>;
}

/// A snapshot of memories, read page by page. Dropping it frees what it holds.
#[async_trait]
pub(crate) trait Pages: Send {
    /// The next page, of bounded size; empty at the end.
    async fn next(&mut self) -> Result<Vec<Memory>, Error>;
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) by: By,
    pub(crate) limit: Limit,
    pub(crate) filters: Filters,
    /// The most bytes that the results may take in an answer; beyond it, the
    /// search fails with [`Error::SearchAnswerFull`].
    pub(crate) max_answer: usize,
}

/// By what it is looked for.
#[derive(Clone, Debug)]
pub(crate) enum By {
    /// Nearness of the vectors.
    Vector {
        vector: Vector,
        threshold: Option<Threshold>,
    },
    /// BM25 over the content: one of the words at least.
    Words(Words),
    /// Reciprocal rank fusion of the two, as far as they are there.
    Both {
        vector: Option<Vector>,
        words: Option<Words>,
    },
}

impl By {
    /// The vector that others are compared with.
    pub(crate) fn vector(&self) -> Option<&Vector> {
        match self {
            Self::Vector { vector, .. } => Some(vector),
            Self::Words(_) => None,
            Self::Both { vector, .. } => vector.as_ref(),
        }
    }
}

/// Consecutive items of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    /// The batch to record progress for. There is no record before a
    /// namespace has held a memory: items that are refused make none.
    pub(crate) batch: Option<BatchId>,
    /// How many items of the batch came before.
    pub(crate) start: u64,
    /// Those that came before, if all of them were refused: it may be that
    /// there is no record of them yet.
    pub(crate) refused: Vec<Failure>,
    /// The items; those that are invalid by themselves with the reason.
    pub(crate) items: Vec<Result<NewMemory, Invalid>>,
}

/// What has become of the items of a batch so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// How many items are done with.
    pub(crate) consumed: u64,
    /// The ids of the stored ones, in order.
    pub(crate) ids: Vec<MemoryId>,
    /// The others, in order.
    pub(crate) failures: Vec<Failure>,
}

/// An item of a batch that was not stored, since it was invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the batch, from 0.
    pub index: u64,
    /// What was wrong with it.
    pub message: String,
}
