//! The memory as its callers use it: every operation of the contract, in the
//! types of the domain. Where memories are kept is for [`crate::store`], how
//! they look on the wire for [`crate::grpc`].

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use futures_core::Stream;
use futures_util::stream;

use crate::{
    answer,
    batch::Batch,
    embedding::{Dimension, Vector},
    error::{Error, Invalid},
    memory::{Figures, Found, Memory, MemoryId, NewMemory},
    names::{BatchId, Namespace},
    search::{Filters, Limit, Threshold},
    settings::Settings,
    store::{By, Pages, Progress, Search, SqliteStore, Store},
    words::Words,
};

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
    max_answer: usize,
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
            max_answer: answer::DEFAULT,
        })
    }

    /// Bounds the answers of searches and batches, through this and through the
    /// clones that are made of it: to so many bytes in the encoding of the
    /// contract, and to 4 MiB, what a gRPC client takes, if this is not called.
    #[must_use]
    pub fn with_max_answer(self, bytes: usize) -> Self {
        Self {
            max_answer: bytes,
            ..self
        }
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
    /// [`Invalid::OtherDimension`] for a vector that does not fit;
    /// [`Error::SearchAnswerFull`] when the results are too large together.
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
    /// [`Invalid::Words`] when there are too many;
    /// [`Error::SearchAnswerFull`] when the results are too large together.
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
    /// passed over. A record of that is kept for 7 days at least, from the first
    /// memory on that the namespace has held.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch(&self, namespace: &Namespace, id: Option<BatchId>) -> Result<Batch, Error> {
        let progress = match &id {
            Some(id) => self.store.progress(namespace, id).await?,
            None => Progress::default(),
        };
        Ok(Batch::new(
            self.store.clone(),
            namespace.clone(),
            id,
            progress,
            self.max_answer,
        ))
    }

    /// Why there is no search by a vector without components.
    pub(crate) async fn no_vector(&self, namespace: &Namespace) -> Result<Invalid, Error> {
        let dimension = self.store.dimension(namespace).await?;
        Ok(misfit(dimension))
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
        let search = Search {
            by,
            limit,
            filters,
            max_answer: self.max_answer,
        };
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

/// What is wrong with no components at all, where vectors must have this
/// dimension.
fn misfit(dimension: Option<Dimension>) -> Invalid {
    match dimension {
        Some(expected) => Invalid::OtherDimension { expected, got: 0 },
        None => Invalid::Dimension { got: 0 },
    }
}
