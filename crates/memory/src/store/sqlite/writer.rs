//! The writes of the memory, each with what it is answered; they are done by the
//! one thread that all writes go through, together with those that wait.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use portolan_sqlite::{self as sqlite, Answer, Desk, Fault, Folder};
use rusqlite::Connection;

use super::{
    batches,
    spaces::Spaces,
    write::{Draft, Names},
};
use crate::{
    error::{Error, Invalid},
    memory::{Memory, MemoryId, NewMemory},
    names::Namespace,
    store::Chunk,
};

type Outcomes = Vec<Result<MemoryId, Invalid>>;

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Writer(sqlite::Writer<Job>);

/// A write.
enum Job {
    Insert(Namespace, NewMemory, Answer<Memory, Error>),
    Chunk(Namespace, Chunk, Answer<Outcomes, Error>),
    Delete(Namespace, MemoryId, Answer<bool, Error>),
    #[cfg(test)]
    Any(AnyWork, Answer<(), Error>),
}

/// What a test has the writer do.
#[cfg(test)]
pub(super) type AnyWork = Box<dyn FnMut(&mut Draft<'_>) + Send>;

/// What the thread owns.
struct Namespaces {
    spaces: Arc<Spaces>,
    names: Names,
    /// How often old records are looked for, at most, and when they were.
    pruning: Duration,
    pruned: Instant,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        folder: Arc<Folder>,
        connection: Connection,
        spaces: Arc<Spaces>,
        names: Names,
        pruning: Duration,
    ) -> Result<Self, Error> {
        let namespaces = Namespaces {
            spaces,
            names,
            pruning,
            pruned: Instant::now(),
        };
        let writer = sqlite::Writer::start(folder, connection, namespaces)?;
        Ok(Self(writer))
    }

    pub(super) async fn insert(
        &self,
        namespace: &Namespace,
        memory: NewMemory,
    ) -> Result<Memory, Error> {
        let size = memory.size();
        let job = |answer| Job::Insert(namespace.clone(), memory, answer);
        self.0.ask(size, job).await
    }

    pub(super) async fn insert_chunk(
        &self,
        namespace: &Namespace,
        chunk: Chunk,
    ) -> Result<Outcomes, Error> {
        let size = chunk.items.iter().flatten().map(NewMemory::size).sum();
        let job = |answer| Job::Chunk(namespace.clone(), chunk, answer);
        self.0.ask(size, job).await
    }

    pub(super) async fn delete(&self, namespace: &Namespace, id: MemoryId) -> Result<bool, Error> {
        let job = |answer| Job::Delete(namespace.clone(), id, answer);
        self.0.ask(0, job).await
    }

    /// Has the writer do something in a transaction.
    #[cfg(test)]
    pub(super) async fn any(&self, work: AnyWork) -> Result<(), Error> {
        self.0.ask(0, |answer| Job::Any(work, answer)).await
    }

    /// Lets the thread finish what waits, and waits for it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}

impl Desk for Namespaces {
    type Job = Job;

    fn commit(&mut self, connection: &mut Connection, jobs: &mut [Job]) -> rusqlite::Result<()> {
        let mut draft = Draft::begin(connection, &self.spaces, &mut self.names)?;
        for job in jobs {
            job.perform(&mut draft)?;
        }
        draft.commit()
    }

    fn recover(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.spaces.load(connection)
    }

    /// Forgets old batches. If that fails, it is tried again at its time.
    fn tidy(&mut self, connection: &Connection) {
        if self.pruned.elapsed() < self.pruning {
            return;
        }
        self.pruned = Instant::now();
        if let Err(error) = batches::prune(connection) {
            tracing::warn!(%error, "old batches were not forgotten");
        }
    }
}

impl Job {
    /// Does the work, which is gone afterwards, and notes the outcome.
    fn perform(&mut self, draft: &mut Draft<'_>) -> rusqlite::Result<()> {
        match self {
            Self::Insert(namespace, memory, answer) => {
                answer.note(draft.insert(namespace, mem::take(memory))?);
            }
            Self::Chunk(namespace, chunk, answer) => {
                answer.note(draft.insert_chunk(namespace, mem::take(chunk))?);
            }
            Self::Delete(namespace, id, answer) => {
                answer.note(Ok(draft.delete(namespace, *id)?));
            }
            #[cfg(test)]
            Self::Any(work, answer) => {
                work(draft);
                answer.note(Ok(()));
            }
        }
        Ok(())
    }
}

impl sqlite::Job for Job {
    /// How many memories it writes.
    fn weight(&self) -> usize {
        match self {
            Self::Chunk(_, chunk, _) => chunk.items.len(),
            _ => 1,
        }
    }

    fn answer(self, failure: Option<&Fault>) {
        match self {
            Self::Insert(_, _, answer) => answer.send(failure),
            Self::Chunk(_, _, answer) => answer.send(failure),
            Self::Delete(_, _, answer) => answer.send(failure),
            #[cfg(test)]
            Self::Any(_, answer) => answer.send(failure),
        }
    }
}
