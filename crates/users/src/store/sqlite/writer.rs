//! The writes, done by the one thread that all of them go through. Each is a
//! closure over the open transaction, and undone by itself when it is refused,
//! so that those that share its commit are not.

use std::sync::Arc;

use portolan_sqlite::{self as sqlite, Answer, Desk, Fault, Folder};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::write::Draft;
use crate::{error::Error, store::Sequence};

/// How many changes are kept at least, for those who read them later. More than
/// a subscriber may fall behind.
pub(super) const KEPT: Sequence = 20_000;

/// After how many changes older ones are removed.
const PRUNING: Sequence = 1000;

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Writer(sqlite::Writer<Job>);

/// A write.
struct Job {
    task: Box<dyn Task>,
    weight: usize,
}

trait Task: Send {
    /// Does it, and notes what it is answered; `false` to have it undone.
    fn perform(&mut self, draft: &Draft<'_>) -> rusqlite::Result<bool>;
    fn answer(self: Box<Self>, failure: Option<&Fault>);
}

struct Write<T, F> {
    work: Option<F>,
    answer: Answer<T, Error>,
}

/// What the thread owns.
struct Record {
    newest: watch::Sender<Sequence>,
    /// Up to where changes were removed.
    pruned: Sequence,
}

impl Writer {
    /// Starts the thread, which says there what the newest change is.
    pub(super) fn start(
        folder: Arc<Folder>,
        connection: Connection,
        newest: watch::Sender<Sequence>,
    ) -> Result<Self, Fault> {
        let record = Record { newest, pruned: 0 };
        sqlite::Writer::start(folder, connection, record).map(Self)
    }

    /// Does this in a transaction, of so many rows and bytes, and waits until
    /// it is durable.
    pub(super) async fn write<T, F>(&self, rows: usize, size: usize, work: F) -> Result<T, Error>
    where
        F: FnOnce(&Draft<'_>) -> rusqlite::Result<Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        let job = |answer| Job {
            task: Box::new(Write {
                work: Some(work),
                answer,
            }),
            weight: rows,
        };
        self.0.ask(size, job).await
    }

    /// Lets the thread finish what waits, and waits for it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}

impl Desk for Record {
    type Job = Job;

    fn commit(&mut self, connection: &mut Connection, jobs: &mut [Job]) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let draft = Draft::new(&transaction);
        for job in jobs {
            draft.execute("savepoint write")?;
            if !job.task.perform(&draft)? {
                draft.execute("rollback to write")?;
            }
            draft.execute("release write")?;
        }
        let newest = draft.newest()?;
        transaction.commit()?;
        // Behind the commit, and before anybody is answered: whoever begins to
        // watch after an answer is told nothing that came before it.
        if let Some(newest) = newest {
            self.newest.send_replace(newest);
        }
        Ok(())
    }

    /// Forgets old changes. If that fails, it is tried again behind the next
    /// write.
    fn tidy(&mut self, connection: &Connection) {
        let keep_after = *self.newest.borrow() - KEPT;
        if keep_after < self.pruned + PRUNING {
            return;
        }
        match connection.execute("delete from change where sequence <= ?", [keep_after]) {
            Ok(_) => self.pruned = keep_after,
            Err(error) => tracing::warn!(%error, "old changes were not forgotten"),
        }
    }
}

impl sqlite::Job for Job {
    fn weight(&self) -> usize {
        self.weight
    }

    fn answer(self, failure: Option<&Fault>) {
        self.task.answer(failure);
    }
}

impl<T, F> Task for Write<T, F>
where
    F: FnOnce(&Draft<'_>) -> rusqlite::Result<Result<T, Error>> + Send,
    T: Send,
{
    fn perform(&mut self, draft: &Draft<'_>) -> rusqlite::Result<bool> {
        let Some(work) = self.work.take() else {
            return Ok(true);
        };
        let outcome = work(draft)?;
        let kept = outcome.is_ok();
        self.answer.note(outcome);
        Ok(kept)
    }

    fn answer(self: Box<Self>, failure: Option<&Fault>) {
        self.answer.send(failure);
    }
}
