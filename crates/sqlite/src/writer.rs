//! The writer: one thread that does all writes, in the order they came. What
//! waits while a commit is on its way to the disk goes into the next one
//! together, so that many clients share the price of one.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{fault::Fault, folder::Folder, readers::blocking};

/// The most writes that wait. Beyond it, a write waits to be let in.
const QUEUE: usize = 1024;

/// The most kibibytes that waiting writes take in memory, with the same
/// consequence. A single write that is larger counts as this much.
const ROOM: usize = 64 << 10;

/// A commit takes no more writes when it has this weight.
const GROUP: usize = 2048;

/// The way to the writer.
pub struct Writer<J> {
    store: &'static str,
    jobs: Mutex<Option<mpsc::Sender<Admitted<J>>>>,
    room: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a store does on the writer's thread.
pub trait Desk: Send + 'static {
    /// A write.
    type Job: Job;

    /// Does these writes in one transaction, and notes what each will be
    /// answered.
    ///
    /// # Errors
    /// When nothing of it was done; that is what all of them are answered then.
    fn commit(
        &mut self,
        connection: &mut Connection,
        jobs: &mut [Self::Job],
    ) -> rusqlite::Result<()>;

    /// After a panic in [`Desk::commit`]: what is kept in memory may have stayed
    /// behind the database, and is read anew.
    ///
    /// # Errors
    /// When it cannot be read.
    fn recover(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let _ = connection;
        Ok(())
    }

    /// What is to be done between two commits, when the last one is answered.
    fn tidy(&mut self, connection: &Connection) {
        let _ = connection;
    }
}

/// A write.
pub trait Job: Send + 'static {
    /// How many rows it writes, about.
    fn weight(&self) -> usize {
        1
    }

    /// Answers with the failure of the commit, or else with the outcome.
    fn answer(self, failure: Option<&Fault>);
}

/// What a job will be answered once it is durable.
#[derive(Debug)]
pub struct Answer<T, E> {
    reply: oneshot::Sender<Result<T, E>>,
    outcome: Option<Result<T, E>>,
}

/// A write that may wait, until it is answered.
struct Admitted<J> {
    job: J,
    room: OwnedSemaphorePermit,
}

/// What the thread owns.
struct Thread<D> {
    folder: Arc<Folder>,
    connection: Connection,
    desk: D,
}

impl<J: Job> Writer<J> {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn start<D: Desk<Job = J>>(
        folder: Arc<Folder>,
        connection: Connection,
        desk: D,
    ) -> Result<Self, Fault> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path = folder.path().to_path_buf();
        let store = folder.name();
        let desk = Thread {
            folder,
            connection,
            desk,
        };
        let thread = thread::Builder::new()
            .name(format!("{store}-writer"))
            .spawn(move || desk.work(queue))
            .map_err(|error| Fault::Io {
                folder: path,
                source: Arc::new(error),
            })?;
        Ok(Self {
            store,
            jobs: Mutex::new(Some(jobs)),
            room: Arc::new(Semaphore::new(ROOM)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Has a job of about so many bytes done, and waits until it is durable.
    ///
    /// # Errors
    /// What the job was answered; [`Fault::Closed`] after [`Writer::close`].
    pub async fn ask<T, E: From<Fault>>(
        &self,
        size: usize,
        job: impl FnOnce(Answer<T, E>) -> J,
    ) -> Result<T, E> {
        let closed = || Fault::Closed { store: self.store };
        let kibibytes = (size >> 10).clamp(1, ROOM) as u32;
        let room = self.room.clone().acquire_many_owned(kibibytes).await;
        let room = room.map_err(|_| closed())?;
        let jobs = lock(&self.jobs).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        let job = job(Answer {
            reply,
            outcome: None,
        });
        let admitted = Admitted { job, room };
        jobs.send(admitted).await.map_err(|_| closed())?;
        drop(jobs);
        answer.await.map_err(|_| closed())?
    }

    /// Lets the thread finish what waits, and waits for it.
    ///
    /// # Errors
    /// When the runtime is shutting down already.
    pub async fn close(&self) -> Result<(), Fault> {
        let (thread, store) = (self.stop(), self.store);
        let ended = blocking(move || join(thread, store)).await;
        ended.ok_or(Fault::Closed { store })
    }
}

impl<J> Writer<J> {
    fn stop(&self) -> Option<JoinHandle<()>> {
        self.room.close();
        lock(&self.jobs).take();
        lock(&self.thread).take()
    }
}

impl<J> fmt::Debug for Writer<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl<J> Drop for Writer<J> {
    /// Waits for the thread, so that whoever opens the folder next finds it
    /// free; after [`Writer::close`] there is nothing to wait for.
    fn drop(&mut self) {
        join(self.stop(), self.store);
    }
}

impl<T, E: From<Fault>> Answer<T, E> {
    /// Notes what will be answered if the commit succeeds.
    pub fn note(&mut self, outcome: Result<T, E>) {
        self.outcome = Some(outcome);
    }

    /// Answers with the failure of the commit, or else with what was noted.
    pub fn send(self, failure: Option<&Fault>) {
        let outcome = match failure {
            Some(fault) => Some(Err(fault.clone().into())),
            None => self.outcome,
        };
        // Without an outcome, whoever asked is told that the store is closed.
        // They may be gone; then nobody is told.
        if let Some(outcome) = outcome {
            drop(self.reply.send(outcome));
        }
    }
}

impl<D: Desk> Thread<D> {
    fn work(mut self, mut queue: mpsc::Receiver<Admitted<D::Job>>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            gather(&mut group, &mut queue);
            self.commit(group);
            self.desk.tidy(&self.connection);
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
    fn commit(&mut self, group: Vec<Admitted<D::Job>>) {
        // Room is given back when the jobs are answered, not before.
        let (mut jobs, _room): (Vec<D::Job>, Vec<OwnedSemaphorePermit>) = group
            .into_iter()
            .map(|admitted| (admitted.job, admitted.room))
            .unzip();
        // Unwinding takes the transaction back; what else may be amiss then is
        // mended below.
        let attempt = panic::catch_unwind(AssertUnwindSafe(|| self.attempt(&mut jobs)));
        let failure = match attempt {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let error = Fault::named(&self.folder, error);
                tracing::warn!(%error, "a commit failed");
                if matches!(error, Fault::Full { .. }) {
                    self.write_back("passive");
                }
                Some(error)
            }
            Err(_) => {
                let error = Fault::panicked(&self.folder);
                tracing::error!(%error, "a commit panicked");
                self.recover();
                Some(error)
            }
        };
        for job in jobs {
            job.answer(failure.as_ref());
        }
    }

    fn attempt(&mut self, jobs: &mut [D::Job]) -> rusqlite::Result<()> {
        self.roll_back()?;
        self.desk.commit(&mut self.connection, jobs)
    }

    fn recover(&mut self) {
        if let Err(error) = self
            .roll_back()
            .and_then(|()| self.desk.recover(&self.connection))
        {
            let store = self.folder.name();
            tracing::error!(%error, store, "the store could not be read again after a panic");
        }
    }

    /// Takes a transaction back that failed, if taking it back failed, too.
    fn roll_back(&self) -> rusqlite::Result<()> {
        match self.connection.is_autocommit() {
            true => Ok(()),
            false => self.connection.execute_batch("rollback"),
        }
    }
}

/// Takes what waits, up to what a commit may hold.
fn gather<J: Job>(group: &mut Vec<Admitted<J>>, queue: &mut mpsc::Receiver<Admitted<J>>) {
    let mut weight: usize = group.iter().map(|admitted| admitted.job.weight()).sum();
    while weight < GROUP
        && let Ok(next) = queue.try_recv()
    {
        weight += next.job.weight();
        group.push(next);
    }
}

fn join(thread: Option<JoinHandle<()>>, store: &'static str) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!(store, "the writer ended by a panic");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
