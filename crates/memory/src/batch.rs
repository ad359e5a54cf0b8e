//! Batches: items on their way into the store, gathered to chunks, and what
//! became of each. How a chunk is stored is for [`crate::store`].

use std::{mem, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    answer,
    error::{Error, Invalid},
    memory::{MemoryId, NewMemory},
    names::{BatchId, Namespace},
    store::{Chunk, Failure, Progress, Store},
};

/// A chunk of a batch has this many items at most. Measured: from 250 on it
/// makes no difference to the rate.
const CHUNK: usize = 1000;

/// A chunk of a batch ends with the item that brings it to this many bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// The most items of a batch; the contract counts them in 32 bits.
const BATCH: u64 = i32::MAX as u64;

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
    /// The most bytes that the answer may have.
    max_answer: usize,
    /// The bytes of what the answer holds already.
    answer: usize,
    /// The most bytes that the answer can grow by, when the chunk that is being
    /// stored has arrived.
    sending: usize,
    /// The same of the chunk that is being gathered.
    gathering: usize,
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
    /// A batch after this progress, whose answer has so many bytes at most.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        namespace: Namespace,
        id: Option<BatchId>,
        progress: Progress,
        max_answer: usize,
    ) -> Self {
        let refused: usize = progress.failures.iter().map(refusal).sum();
        Self {
            store,
            namespace,
            id,
            position: 0,
            sent: progress.consumed,
            max_answer,
            answer: answer::COUNT + progress.ids.len() * answer::STORED + refused,
            progress,
            chunk: Vec::new(),
            bytes: 0,
            sending: 0,
            gathering: 0,
            in_flight: JoinSet::new(),
        }
    }

    /// Takes the next item, or why it is invalid. Waits while the store has
    /// enough to do.
    ///
    /// # Errors
    /// When a chunk could not be stored; then the batch is over. And
    /// [`Error::BatchAnswerFull`] for the first item that the answer might have
    /// no room for; then what came before is stored, and the batch is over.
    pub async fn push(&mut self, item: Result<NewMemory, Invalid>) -> Result<(), Error> {
        if self.position >= BATCH {
            return Err(Error::BatchTooLong { max: BATCH });
        }
        if self.position < self.sent {
            self.position += 1;
            return Ok(());
        }
        let growth = answer::item(&item);
        if !self.has_room(growth) {
            // An item counts as the most it can become; now it is known what
            // became of those before.
            self.flush().await?;
            if !self.has_room(growth) {
                return Err(self.answer_full());
            }
        }
        self.position += 1;
        self.gathering += growth;
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
    /// When a chunk could not be stored; those before it are. And
    /// [`Error::BatchAnswerFull`] when an earlier attempt stored more than may
    /// be answered now.
    pub async fn finish(mut self) -> Result<BatchOutcome, Error> {
        self.flush().await?;
        if !self.has_room(0) {
            return Err(self.answer_full());
        }
        Ok(BatchOutcome {
            ids: self.progress.ids,
            failures: self.progress.failures,
        })
    }

    /// Whether the answer can grow by this.
    fn has_room(&self, growth: usize) -> bool {
        self.answer + self.sending + self.gathering + growth <= self.max_answer
    }

    fn answer_full(&self) -> Error {
        Error::BatchAnswerFull {
            max: self.max_answer,
            items: self.progress.consumed,
            stored: self.progress.ids.len() as u64,
        }
    }

    /// Stores everything that came.
    async fn flush(&mut self) -> Result<(), Error> {
        if !self.chunk.is_empty() {
            self.send().await?;
        }
        self.settle().await
    }

    /// Sends the chunk on its way, when the one before it has arrived.
    async fn send(&mut self) -> Result<(), Error> {
        self.settle().await?;
        let items = mem::take(&mut self.chunk);
        self.bytes = 0;
        self.sending = mem::take(&mut self.gathering);
        let chunk = Chunk {
            batch: self.id.clone(),
            start: self.sent,
            refused: match self.progress.ids.is_empty() && self.id.is_some() {
                true => self.progress.failures.clone(),
                false => Vec::new(),
            },
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
                Ok(id) => {
                    self.answer += answer::STORED;
                    self.progress.ids.push(id);
                }
                Err(invalid) => {
                    let failure = Failure {
                        index: self.progress.consumed,
                        message: invalid.to_string(),
                    };
                    self.answer += refusal(&failure);
                    self.progress.failures.push(failure);
                }
            }
            self.progress.consumed += 1;
        }
        self.sending = 0;
        Ok(())
    }
}

/// What a refused item takes in the answer.
fn refusal(failure: &Failure) -> usize {
    answer::refused(failure.message.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{memories::Memories, settings::Settings};

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
