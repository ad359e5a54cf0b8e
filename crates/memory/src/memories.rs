//! The memory as its callers use it: every operation of the contract, in the
//! types of the domain. Where memories are kept is for [`crate::store`], how
//! they look on the wire for [`crate::grpc`].

use std::{collections::VecDeque, mem, pin::Pin, sync::Arc};

use futures_core::Stream;
use futures_util::stream;
use tokio::task::JoinSet;

use crate::{
    embedding::Vector,
    error::{Error, Invalid},
    memory::{Figures, Found, Memory, MemoryId, NewMemory},
    names::{BatchId, Namespace},
    search::{Filters, Limit, Threshold},
    settings::Settings,
    store::{By, Chunk, Failure, Pages, Progress, Search, SqliteStore, Store},
    words::Words,
};

/// A chunk of a batch has this many items at most. Measured: from 250 on it
/// makes no difference to the rate.
const CHUNK: usize = 1000;

/// A chunk of a batch ends with the item that brings it to this many bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// The most items of a batch; the contract counts them in 32 bits.
const BATCH: u64 = i32::MAX as u64;

/// Memories, as a stream in bounded memory: it reads on when it is polled.
/// Dropping it frees everything it holds.
pub type MemoryStream = Pin<Box<dyn Stream<Item = Result<Memory, Error>> + Send>>;

/// A durable memory. Clones share it.
///
/// ```
/// use portolan_memory::{Limit, Memories, Namespace, NewMemory, Settings, Vector};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let memories = Memories::open(&Settings::new(folder))?;
/// let notes = Namespace::new("notes")?;
/// let stored = memories
///     .store(&notes, NewMemory {
///         content: "the harbour closes at ten".into(),
///         vector: Some(Vector::new(vec![0.1, 0.9])?),
///         ..NewMemory::default()
///     })
///     .await?;
/// let found = memories
///     .search_text(&notes, "harbour", Limit::default(), Default::default())
///     .await?;
/// assert_eq!(found[0].memory, stored);
/// memories.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Memories {
    store: Arc<dyn Store>,
}

/// What a search by vector asks for.
#[derive(Clone, Debug)]
pub struct VectorSearch {
    /// What to compare with.
    pub vector: Vector,
    /// How many results at most.
    pub limit: Limit,
    /// The least score of a result.
    pub threshold: Option<Threshold>,
    /// What a result must carry.
    pub filters: Filters,
    /// Never ask an approximate index. As yet there is none, and every search
    /// is exact.
    pub exact: bool,
}

impl Memories {
    /// Opens the data folder, which is made if it is missing. Blocks while it
    /// reads the vectors into memory: about 2 µs for a vector of 384 components.
    ///
    /// # Errors
    /// When the folder cannot be used: [`Error`] says for which reason.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            store: Arc::new(SqliteStore::open(settings)?),
        })
    }

    /// Stores a memory; when this returns, it is durable and found by every
    /// read that begins from now on.
    ///
    /// # Errors
    /// [`Invalid::OtherDimension`] for a vector that does not fit;
    /// [`Error::Full`] when the disk is, and then nothing was stored.
    pub async fn store(&self, namespace: &Namespace, memory: NewMemory) -> Result<Memory, Error> {
        self.store.insert(namespace, memory).await
    }

    /// The memory with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when this namespace has none, [`Invalid::EmptyId`].
    pub async fn get(&self, namespace: &Namespace, id: &str) -> Result<Memory, Error> {
        let id = MemoryId::parse(id)?.ok_or(Error::NotFound)?;
        let memory = self.store.get(namespace, id).await?;
        memory.ok_or(Error::NotFound)
    }

    /// Removes the memory with this id, durably.
    ///
    /// # Errors
    /// As [`Memories::get`].
    pub async fn delete(&self, namespace: &Namespace, id: &str) -> Result<(), Error> {
        let id = MemoryId::parse(id)?.ok_or(Error::NotFound)?;
        match self.store.delete(namespace, id).await? {
            true => Ok(()),
            false => Err(Error::NotFound),
        }
    }

    /// The memories whose vectors are nearest, best first. Memories without a
    /// vector are never among them.
    ///
    /// # Errors
    /// [`Invalid::OtherDimension`] for a vector that does not fit.
    pub async fn search_vector(
        &self,
        namespace: &Namespace,
        search: VectorSearch,
    ) -> Result<Vec<Found>, Error> {
        let by = By::Vector {
            vector: search.vector,
            threshold: search.threshold,
        };
        self.search(namespace, by, search.limit, search.filters)
            .await
    }

    /// The memories with any of the words of `query`, best first by BM25. Any
    /// text is a query; one without words finds nothing.
    ///
    /// # Errors
    /// [`Invalid::Words`] when there are too many.
    pub async fn search_text(
        &self,
        namespace: &Namespace,
        query: &str,
        limit: Limit,
        filters: Filters,
    ) -> Result<Vec<Found>, Error> {
        let Some(words) = Words::parse(query)? else {
            return Ok(Vec::new());
        };
        self.search(namespace, By::Words(words), limit, filters)
            .await
    }

    /// The memories that both searches together rank best, by reciprocal rank
    /// fusion with k = 60 over the best `max(100, 3 × limit)` of each. Without
    /// a vector only the words count, and without words only the vector.
    ///
    /// # Errors
    /// [`Invalid::EmptySearch`] for an empty query without a vector; else as
    /// the two searches.
    pub async fn search_hybrid(
        &self,
        namespace: &Namespace,
        query: &str,
        vector: Option<Vector>,
        limit: Limit,
        filters: Filters,
    ) -> Result<Vec<Found>, Error> {
        if query.is_empty() && vector.is_none() {
            return Err(Invalid::EmptySearch.into());
        }
        let by = By::Both {
            vector,
            words: Words::parse(query)?,
        };
        self.search(namespace, by, limit, filters).await
    }

    /// The memories as they are at this moment, whatever is written later:
    /// those with any of the words of `query`, best first; or all of them, the
    /// oldest first, when `query` is empty.
    ///
    /// # Errors
    /// [`Invalid::Words`], [`Error::TooManyStreams`].
    pub async fn stream(
        &self,
        namespace: &Namespace,
        query: &str,
        filters: Filters,
    ) -> Result<MemoryStream, Error> {
        let words = Words::parse(query)?;
        if words.is_none() && !query.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        let pages = self.store.pages(namespace, words, filters).await?;
        Ok(Box::pin(stream::try_unfold(
            Reading {
                pages,
                page: VecDeque::new(),
            },
            Reading::next,
        )))
    }

    /// Begins a batch, or goes on with the one that has this id in this
    /// namespace: then as many items as were stored before, or refused, are
    /// passed over. A record of that is kept for 7 days at least.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch(&self, namespace: &Namespace, id: Option<BatchId>) -> Result<Batch, Error> {
        let progress = match &id {
            Some(id) => self.store.progress(namespace, id).await?,
            None => Progress::default(),
        };
        Ok(Batch {
            store: self.store.clone(),
            namespace: namespace.clone(),
            id,
            position: 0,
            sent: progress.consumed,
            progress,
            chunk: Vec::new(),
            bytes: 0,
            in_flight: JoinSet::new(),
        })
    }

    /// The state of a namespace.
    ///
    /// # Errors
    /// When the data folder cannot be measured.
    pub async fn figures(&self, namespace: &Namespace) -> Result<Figures, Error> {
        self.store.figures(namespace).await
    }

    /// Finishes what was begun. Operations after this fail with
    /// [`Error::Closed`]; the data folder is free for others when the last
    /// clone and the last stream are dropped.
    ///
    /// # Errors
    /// When the runtime is shutting down already.
    pub async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }

    async fn search(
        &self,
        namespace: &Namespace,
        by: By,
        limit: Limit,
        filters: Filters,
    ) -> Result<Vec<Found>, Error> {
        let search = Search { by, limit, filters };
        self.store.search(namespace, search).await
    }
}

/// A stream of memories that is being read.
struct Reading {
    pages: Box<dyn Pages>,
    page: VecDeque<Memory>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Memory, Self)>, Error> {
        if self.page.is_empty() {
            self.page = self.pages.next().await?.into();
        }
        Ok(self.page.pop_front().map(|memory| (memory, self)))
    }
}

/// Memories on their way in, stored chunk by chunk, each chunk in one
/// transaction: while one is on its way to the disk, the next is gathered.
///
/// A batch that is dropped before [`Batch::finish`] keeps the chunks that were
/// stored, and loses what was not.
pub struct Batch {
    store: Arc<dyn Store>,
    namespace: Namespace,
    id: Option<BatchId>,
    /// What is done with: of an earlier attempt, and of this one.
    progress: Progress,
    /// Items that came.
    position: u64,
    /// Items that are in chunks before the one that is being gathered.
    sent: u64,
    chunk: Vec<Result<NewMemory, Invalid>>,
    bytes: usize,
    /// The chunk that is being stored; one at most.
    in_flight: JoinSet<Result<Vec<Result<MemoryId, Invalid>>, Error>>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOutcome {
    /// The ids of what was stored, in the order it came.
    pub ids: Vec<MemoryId>,
    /// The items that were not, in the order they came.
    pub failures: Vec<Failure>,
}

impl Batch {
    /// Takes the next item, or why it is invalid. Waits while the store has
    /// enough to do.
    ///
    /// # Errors
    /// When a chunk could not be stored; then the batch is over.
    pub async fn push(&mut self, item: Result<NewMemory, Invalid>) -> Result<(), Error> {
        if self.position >= BATCH {
            return Err(Error::BatchTooLong { max: BATCH });
        }
        self.position += 1;
        if self.position <= self.sent {
            return Ok(());
        }
        self.bytes += item.as_ref().map_or(0, NewMemory::size);
        self.chunk.push(item);
        if self.chunk.len() >= CHUNK || self.bytes >= CHUNK_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    /// Stores what is left, and says what became of everything.
    ///
    /// # Errors
    /// When a chunk could not be stored; those before it are.
    pub async fn finish(mut self) -> Result<BatchOutcome, Error> {
        if !self.chunk.is_empty() {
            self.send().await?;
        }
        self.settle().await?;
        Ok(BatchOutcome {
            ids: self.progress.ids,
            failures: self.progress.failures,
        })
    }

    /// Sends the chunk on its way, when the one before it has arrived.
    async fn send(&mut self) -> Result<(), Error> {
        self.settle().await?;
        let items = mem::take(&mut self.chunk);
        self.bytes = 0;
        let chunk = Chunk {
            batch: self.id.clone(),
            start: self.sent,
            items,
        };
        self.sent += chunk.items.len() as u64;
        let store = self.store.clone();
        let namespace = self.namespace.clone();
        self.in_flight
            .spawn(async move { store.insert_chunk(&namespace, chunk).await });
        Ok(())
    }

    /// Waits for the chunk that is on its way.
    async fn settle(&mut self) -> Result<(), Error> {
        let Some(result) = self.in_flight.join_next().await else {
            return Ok(());
        };
        let outcomes = match result {
            Ok(outcomes) => outcomes?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(Error::Closed),
            },
        };
        for outcome in outcomes {
            match outcome {
                Ok(id) => self.progress.ids.push(id),
                Err(invalid) => self.progress.failures.push(Failure {
                    index: self.progress.consumed,
                    message: invalid.to_string(),
                }),
            }
            self.progress.consumed += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_batch_ends_where_its_answer_can_count_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let memories = Memories::open(&Settings::new(folder.path())).unwrap();
        let mut batch = memories.batch(&Namespace::default(), None).await.unwrap();
        batch.position = BATCH - 1;
        batch.sent = BATCH;
        batch.push(Ok(NewMemory::default())).await.unwrap();
        let error = batch.push(Ok(NewMemory::default())).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "a batch has at most 2147483647 items; begin another one"
        );
    }

    #[tokio::test]
    async fn chunks_are_bounded_by_count_and_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let memories = Memories::open(&Settings::new(folder.path())).unwrap();
        let mut batch = memories.batch(&Namespace::default(), None).await.unwrap();
        for _ in 0..CHUNK * 2 + 1 {
            batch.push(Ok(NewMemory::default())).await.unwrap();
            assert!(batch.chunk.len() < CHUNK && batch.in_flight.len() <= 1);
        }
        assert_eq!((batch.chunk.len(), batch.sent), (1, CHUNK as u64 * 2));
        let large = NewMemory {
            content: "x".repeat(CHUNK_BYTES),
            ..NewMemory::default()
        };
        batch.push(Ok(large)).await.unwrap();
        assert!(batch.chunk.is_empty());
        assert_eq!(batch.finish().await.unwrap().ids.len(), CHUNK * 2 + 2);
    }
}
