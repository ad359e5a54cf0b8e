//! The writer: one thread that does all writes, in the order they came. What
//! waits while a commit is on its way to the disk goes into the next one
//! together, so that many clients share the price of one.

use std::{
    mem,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    batches, fault,
    folder::Folder,
    readers::blocking,
    spaces::Spaces,
    write::{Draft, Names},
};
use crate::{
    error::{Error, Invalid},
    memory::{Memory, MemoryId, NewMemory},
    names::Namespace,
    store::Chunk,
};

/// The most writes that wait. Beyond it, a write waits to be let in.
const QUEUE: usize = 1024;

/// The most kibibytes that waiting writes take in memory, with the same
/// consequence. A single write that is larger counts as this much.
const ROOM: usize = 64 << 10;

/// A commit takes no more writes when it holds this many memories.
const GROUP: usize = 2048;

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Admitted>>>,
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A write that may wait, until it is answered.
struct Admitted {
    job: Job,
    _room: OwnedSemaphorePermit,
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;
type Outcomes = Vec<Result<MemoryId, Invalid>>;

enum Job {
    Insert(Namespace, NewMemory, Answer<Memory>),
    Chunk(Namespace, Chunk, Answer<Outcomes>),
    Delete(Namespace, MemoryId, Answer<bool>),
    #[cfg(test)]
    Any(AnyWork, Answer<()>),
}

/// What a test has the writer do.
#[cfg(test)]
pub(super) type AnyWork = Box<dyn FnMut(&mut Draft<'_>) + Send>;

/// What a job will be answered once it is durable.
struct Answer<T> {
    reply: Reply<T>,
    outcome: Option<Result<T, Error>>,
}

/// What the thread owns.
struct Desk {
    folder: Arc<Folder>,
    connection: Connection,
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
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path = folder.path().to_path_buf();
        let desk = Desk {
            folder,
            connection,
            spaces,
            names,
            pruning,
            pruned: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("memory-writer".into())
            .spawn(move || desk.work(queue))
            .map_err(|error| Error::Io {
                folder: path,
                source: Arc::new(error),
            })?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            room: Arc::new(Semaphore::new(ROOM)),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) async fn insert(
        &self,
        namespace: &Namespace,
        memory: NewMemory,
    ) -> Result<Memory, Error> {
        let size = memory.size();
        self.ask(size, |reply| Job::Insert(namespace.clone(), memory, reply))
            .await
    }

    pub(super) async fn insert_chunk(
        &self,
        namespace: &Namespace,
        chunk: Chunk,
    ) -> Result<Outcomes, Error> {
        let size = chunk.items.iter().flatten().map(NewMemory::size).sum();
        self.ask(size, |reply| Job::Chunk(namespace.clone(), chunk, reply))
            .await
    }

    pub(super) async fn delete(&self, namespace: &Namespace, id: MemoryId) -> Result<bool, Error> {
        self.ask(0, |reply| Job::Delete(namespace.clone(), id, reply))
            .await
    }

    /// Has the writer do something in a transaction.
    #[cfg(test)]
    pub(super) async fn any(&self, work: AnyWork) -> Result<(), Error> {
        self.ask(0, |reply| Job::Any(work, reply)).await
    }

    /// Lets the thread finish what waits, and waits for it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let thread = self.stop();
        blocking(move || join(thread)).await
    }

    async fn ask<T>(&self, size: usize, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Error> {
        let kibibytes = (size >> 10).clamp(1, ROOM) as u32;
        let room = self.room.clone().acquire_many_owned(kibibytes).await;
        let room = room.map_err(|_| Error::Closed)?;
        let jobs = lock(&self.jobs).clone().ok_or(Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let admitted = Admitted {
            job: job(Answer {
                reply,
                outcome: None,
            }),
            _room: room,
        };
        jobs.send(admitted).await.map_err(|_| Error::Closed)?;
        drop(jobs);
        answer.await.map_err(|_| Error::Closed)?
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.room.close();
        lock(&self.jobs).take();
        lock(&self.thread).take()
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that whoever opens the folder next finds it
    /// free; after [`Writer::close`] there is nothing to wait for.
    fn drop(&mut self) {
        join(self.stop());
    }
}

impl Desk {
    fn work(mut self, mut queue: mpsc::Receiver<Admitted>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            gather(&mut group, &mut queue);
            self.commit(group);
            if self.pruned.elapsed() >= self.pruning {
                self.prune();
            }
        }
        // The next start is quick then.
        self.write_back("truncate");
    }

    /// Writes the log back into the database, after which the room that it
    /// takes on the disk can be used again. If that fails, nothing is lost: it
    /// is tried again later, or when the store is opened.
    fn write_back(&self, mode: &str) {
        let checkpoint = format!("pragma wal_checkpoint({mode})");
        if let Err(error) = self.connection.query_row(&checkpoint, [], |_| Ok(())) {
            tracing::debug!(%error, "the log was not written back");
        }
    }

    /// Forgets old batches. If that fails, it is tried again at its time.
    fn prune(&mut self) {
        self.pruned = Instant::now();
        if let Err(error) = batches::prune(&self.connection) {
            tracing::warn!(%error, "old batches were not forgotten");
        }
    }

    /// Commits the jobs together and answers them.
    fn commit(&mut self, group: Vec<Admitted>) {
        // Room is given back when the jobs are answered, not before.
        let (mut jobs, _room): (Vec<Job>, Vec<OwnedSemaphorePermit>) = group
            .into_iter()
            .map(|admitted| (admitted.job, admitted._room))
            .unzip();
        // Unwinding takes the transaction back; what else may be amiss then is
        // mended below.
        let attempt = panic::catch_unwind(AssertUnwindSafe(|| self.attempt(&mut jobs)));
        let failure = match attempt {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let error = fault::named(&self.folder, error);
                tracing::warn!(%error, "a commit failed");
                if matches!(error, Error::Full { .. }) {
                    self.write_back("passive");
                }
                Some(error)
            }
            Err(_) => {
                let error = fault::panicked(&self.folder);
                tracing::error!(%error, "a commit panicked");
                self.recover();
                Some(error)
            }
        };
        for job in jobs {
            job.answer(failure.as_ref());
        }
    }

    /// After a panic: what is in memory may have stayed behind a commit, and
    /// is read anew.
    fn recover(&mut self) {
        if let Err(error) = self
            .roll_back()
            .and_then(|()| self.spaces.load(&self.connection))
        {
            tracing::error!(%error, "the namespaces could not be read again after a panic");
        }
    }

    /// Takes a transaction back that failed, if taking it back failed, too.
    fn roll_back(&self) -> rusqlite::Result<()> {
        match self.connection.is_autocommit() {
            true => Ok(()),
            false => self.connection.execute_batch("rollback"),
        }
    }

    fn attempt(&mut self, jobs: &mut [Job]) -> rusqlite::Result<()> {
        self.roll_back()?;
        let mut draft = Draft::begin(&mut self.connection, &self.spaces, &mut self.names)?;
        for job in jobs {
            job.perform(&mut draft)?;
        }
        draft.commit()
    }
}

impl Job {
    /// How many memories it writes.
    fn weight(&self) -> usize {
        match self {
            Self::Chunk(_, chunk, _) => chunk.items.len(),
            _ => 1,
        }
    }

    /// Does the work, which is gone afterwards, and notes the outcome.
    fn perform(&mut self, draft: &mut Draft<'_>) -> rusqlite::Result<()> {
        match self {
            Self::Insert(namespace, memory, answer) => {
                answer.outcome = Some(draft.insert(namespace, mem::take(memory))?);
            }
            Self::Chunk(namespace, chunk, answer) => {
                answer.outcome = Some(draft.insert_chunk(namespace, mem::take(chunk))?);
            }
            Self::Delete(namespace, id, answer) => {
                answer.outcome = Some(Ok(draft.delete(namespace, *id)?));
            }
            #[cfg(test)]
            Self::Any(work, answer) => {
                work(draft);
                answer.outcome = Some(Ok(()));
            }
        }
        Ok(())
    }

    /// Answers with the failure of the commit, or else with the outcome.
    fn answer(self, failure: Option<&Error>) {
        match self {
            Self::Insert(_, _, answer) => answer.send(failure),
            Self::Chunk(_, _, answer) => answer.send(failure),
            Self::Delete(_, _, answer) => answer.send(failure),
            #[cfg(test)]
            Self::Any(_, answer) => answer.send(failure),
        }
    }
}

impl<T> Answer<T> {
    fn send(self, failure: Option<&Error>) {
        let outcome = match failure {
            Some(error) => Some(Err(error.clone())),
            None => self.outcome,
        };
        // Without an outcome, whoever asked is told that the store is closed.
        // They may be gone; then nobody is told.
        if let Some(outcome) = outcome {
            drop(self.reply.send(outcome));
        }
    }
}

/// Takes what waits, up to what a commit may hold.
fn gather(group: &mut Vec<Admitted>, queue: &mut mpsc::Receiver<Admitted>) {
    let mut weight: usize = group.iter().map(|admitted| admitted.job.weight()).sum();
    while weight < GROUP
        && let Ok(next) = queue.try_recv()
    {
        weight += next.job.weight();
        group.push(next);
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("the memory writer ended by a panic");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
