//! The writer of users: one task that does all of this process's changes of
//! them, in the order they came. What waits while a commit is on its way goes
//! into the next one together. What that is to the database
//! is in [`group`].

use std::{
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::Arc,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::{
    connections::{Connections, Failure, Lent},
    draft::{Draft, Needs},
    group,
};
use crate::{error::Error, store::Sequence};

/// The most writes that wait. Beyond it, a write waits to be let in.
const QUEUE: usize = 1024;

/// The most kibibytes that waiting writes take in memory, with the same
/// consequence. A single write that is larger counts as this much.
const ROOM: usize = 64 << 10;

/// A commit takes no more writes when it has so many rows ...
const GROUP: usize = 2048;

/// ... or so many kibibytes.
const GROUP_SIZE: usize = 4 << 10;

/// The way to the writer. Clones lead to the same one.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

/// The task that writes.
pub(super) struct Desk {
    connections: Arc<Connections>,
    queue: mpsc::Receiver<Job>,
    newest: watch::Sender<Sequence>,
}

/// A write that waits.
struct Job {
    task: Box<dyn Task>,
    needs: Needs,
    rows: usize,
    room: OwnedSemaphorePermit,
}

/// A write, which may be tried more than once.
trait Task: Send + Sync {
    /// Does it, and notes what it is answered.
    fn perform(&mut self, draft: &mut Draft);
    /// Answers with the failure of the commit, or else with what was noted.
    fn answer(self: Box<Self>, failure: Option<&Error>);
}

struct Write<T, F> {
    work: F,
    outcome: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

/// Makes a writer and its task, which says there what the newest change is, and
/// ends behind [`Writer::close`].
pub(super) fn writer(
    connections: Arc<Connections>,
    newest: watch::Sender<Sequence>,
) -> (Writer, Desk) {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let writer = Writer {
        jobs,
        room: Arc::new(Semaphore::new(ROOM)),
    };
    let desk = Desk {
        connections,
        queue,
        newest,
    };
    (writer, desk)
}

impl Writer {
    /// Does this, of about so many bytes, on users of whom these are read
    /// before; and waits until it is durable.
    pub(super) async fn write<T, F>(&self, needs: Needs, size: usize, work: F) -> Result<T, Error>
    where
        F: Fn(&mut Draft) -> Result<T, Error> + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let kibibytes = (size >> 10).clamp(1, ROOM) as u32;
        let room = self.room.clone().acquire_many_owned(kibibytes).await;
        let room = room.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Job {
            rows: needs.ids.len().max(needs.emails.len()),
            needs,
            task: Box::new(Write {
                work,
                outcome: None,
                reply,
            }),
            room,
        };
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Lets nothing more in; what waits to be written still is.
    pub(super) fn close(&self) {
        self.room.close();
    }
}

impl Desk {
    /// Writes until `closing` is done and nothing waits any more.
    pub(super) async fn work(mut self, closing: impl Future<Output = ()>) {
        let mut closing = pin!(closing);
        loop {
            let first = tokio::select! {
                biased;
                first = self.queue.recv() => first,
                () = &mut closing, if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            let Some(first) = first else { return };
            let group = self.gather(first);
            self.commit(group).await;
        }
    }

    /// What waits and fits into one commit.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut rows = first.rows;
        let mut size = first.room.num_permits();
        let mut group = vec![first];
        while rows < GROUP && size < GROUP_SIZE {
            let Ok(next) = self.queue.try_recv() else {
                break;
            };
            rows += next.rows;
            size += next.room.num_permits();
            group.push(next);
        }
        group
    }

    /// Commits the jobs together and answers them.
    async fn commit(&self, mut group: Vec<Job>) {
        let failure = self.attempt(&mut group).await.err();
        for job in group {
            job.task.answer(failure.as_ref());
        }
    }

    async fn attempt(&self, group: &mut [Job]) -> Result<(), Error> {
        let mut needs = Needs::default();
        for job in &mut *group {
            needs.extend(job.needs.clone());
        }
        let (lent, mut draft) = self.begin(&needs).await?;
        // Nothing of it is in the database yet, so nothing has to be mended.
        let performing = AssertUnwindSafe(|| {
            for job in group {
                job.task.perform(&mut draft);
            }
        });
        if panic::catch_unwind(performing).is_err() {
            tracing::error!("a write panicked");
            lent.spoil();
            let reason = "the write ended in a panic".into();
            return Err(Error::Database { reason });
        }
        let drafted = draft.finish();
        let newest = drafted.last_change;
        let changed = !drafted.changes.is_empty();
        let written = match changed {
            true => lent.run(group::write(&lent, drafted)).await,
            false => lent.run(group::rollback(&lent)).await,
        };
        if let Err(error) = written {
            // Whether it was committed is the database's secret; in any case
            // there must be nothing left open.
            lent.spoil();
            return Err(error);
        }
        // Behind the commit, and before anybody is answered: whoever begins to
        // watch after an answer is told nothing that came before it.
        if changed {
            self.newest.send_if_modified(|known| {
                let newer = newest > *known;
                *known = newest.max(*known);
                newer
            });
        }
        Ok(())
    }

    /// Begins a transaction that has the ledger, and reads. A connection that
    /// turns out to be dead is no reason to fail, as nothing was done on it.
    async fn begin(&self, needs: &Needs) -> Result<(Lent, Draft), Error> {
        loop {
            let lent = self.connections.lend().await?;
            match lent.attempt(group::begin(&lent, needs)).await {
                Ok(draft) => return Ok((lent, draft)),
                Err(failure) => {
                    lent.spoil();
                    let retry = matches!(&failure, Failure::Engine(error) if error.is_closed());
                    if !retry {
                        return Err(failure.into());
                    }
                }
            }
        }
    }
}

impl<T, F> Task for Write<T, F>
where
    F: Fn(&mut Draft) -> Result<T, Error> + Send + Sync,
    T: Send + Sync,
{
    fn perform(&mut self, draft: &mut Draft) {
        self.outcome = Some((self.work)(draft));
    }

    fn answer(self: Box<Self>, failure: Option<&Error>) {
        let outcome = match failure {
            Some(error) => Some(Err(error.clone())),
            None => self.outcome,
        };
        // Who asked may be gone; then nobody is told.
        if let Some(outcome) = outcome {
            drop(self.reply.send(outcome));
        }
    }
}
