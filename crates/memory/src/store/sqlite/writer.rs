//! The writer: one thread that does all writes, in the order they came. What
//! waits while a commit is on its way to the disk goes into the next one
//! together, so that many clients share the price of one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{
    fault,
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

/// How long a commit waits, when others have just been answered together, for
/// them to come again: about as long as a write takes that nobody shares.
const PATIENCE: Duration = Duration::from_micros(300);

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
    Insert(Namespace, NewMemory, Reply<Memory>),
    Chunk(Namespace, Chunk, Reply<Outcomes>),
    Delete(Namespace, MemoryId, Reply<bool>),
}

/// What a job will be answered once it is durable.
enum Answer {
    Insert(Reply<Memory>, Result<Memory, Error>),
    Chunk(Reply<Outcomes>, Result<Outcomes, Error>),
    Delete(Reply<bool>, bool),
}

/// What the thread owns.
struct Desk {
    folder: Arc<Folder>,
    connection: Connection,
    spaces: Arc<Spaces>,
    names: Names,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        folder: Arc<Folder>,
        connection: Connection,
        spaces: Arc<Spaces>,
        names: Names,
    ) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path = folder.path().to_path_buf();
        let desk = Desk {
            folder,
            connection,
            spaces,
            names,
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

    /// Lets the thread finish what waits, and waits for it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let thread = self.stop();
        blocking(move || join(thread)).await
    }

    async fn ask<T>(&self, size: usize, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Error> {
        let kibibytes = (size >> 10).clamp(1, ROOM) as u32;
        let room = self.room.clone().acquire_many_owned(kibibytes).await;
        let room = room.map_err(|_| Error::Closed)?;
        let jobs = lock(&self.jobs).clone().ok_or(Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let admitted = Admitted {
            job: job(reply),
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
        let mut usual = 0;
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            gather(&mut group, &mut queue);
            // Those who waited for the last commit are on their way back with
            // their next write. One who is alone is never made to wait.
            if group.len() > 1 && group.len() < usual {
                thread::sleep(PATIENCE);
                gather(&mut group, &mut queue);
            }
            usual = group.len();
            self.commit(group);
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

    /// Commits the jobs together and answers them.
    fn commit(&mut self, group: Vec<Admitted>) {
        // Room is given back when the jobs are answered, not before.
        let (jobs, _room): (Vec<Job>, Vec<OwnedSemaphorePermit>) = group
            .into_iter()
            .map(|admitted| (admitted.job, admitted._room))
            .unzip();
        let mut answers = Vec::with_capacity(jobs.len());
        let mut jobs = jobs.into_iter();
        let result = self.attempt(&mut jobs, &mut answers);
        let Err(error) = result else {
            answers.into_iter().for_each(Answer::send);
            return;
        };
        let error = fault::named(&self.folder, error);
        tracing::warn!(%error, "a commit failed");
        if matches!(error, Error::Full { .. }) {
            self.write_back("passive");
        }
        for answer in answers {
            answer.fail(&error);
        }
        for job in jobs {
            job.fail(&error);
        }
    }

    fn attempt(
        &mut self,
        jobs: &mut impl Iterator<Item = Job>,
        answers: &mut Vec<Answer>,
    ) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            // The last transaction failed, and so did taking it back.
            self.connection.execute_batch("rollback")?;
        }
        let mut draft = Draft::begin(&mut self.connection, &self.spaces, &mut self.names)?;
        for job in jobs {
            match job {
                Job::Insert(namespace, memory, reply) => {
                    let memory = draft.insert(&namespace, memory)?;
                    answers.push(Answer::Insert(reply, memory));
                }
                Job::Chunk(namespace, chunk, reply) => {
                    let outcomes = draft.insert_chunk(&namespace, chunk)?;
                    answers.push(Answer::Chunk(reply, outcomes));
                }
                Job::Delete(namespace, id, reply) => {
                    let found = draft.delete(&namespace, id)?;
                    answers.push(Answer::Delete(reply, found));
                }
            }
        }
        draft.commit()
    }
}

impl Job {
    /// How many memories it writes.
    fn weight(&self) -> usize {
        match self {
            Self::Insert(..) | Self::Delete(..) => 1,
            Self::Chunk(_, chunk, _) => chunk.items.len(),
        }
    }

    fn fail(self, error: &Error) {
        // Whoever asked may be gone, here and below; then nobody is told.
        match self {
            Self::Insert(_, _, reply) => drop(reply.send(Err(error.clone()))),
            Self::Chunk(_, _, reply) => drop(reply.send(Err(error.clone()))),
            Self::Delete(_, _, reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl Answer {
    fn send(self) {
        match self {
            Self::Insert(reply, memory) => drop(reply.send(memory)),
            Self::Chunk(reply, outcomes) => drop(reply.send(outcomes)),
            Self::Delete(reply, found) => drop(reply.send(Ok(found))),
        }
    }

    fn fail(self, error: &Error) {
        match self {
            Self::Insert(reply, _) => drop(reply.send(Err(error.clone()))),
            Self::Chunk(reply, _) => drop(reply.send(Err(error.clone()))),
            Self::Delete(reply, _) => drop(reply.send(Err(error.clone()))),
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
