//! The writer of users: one task that does all of this process's changes of
//! them, in the order they came. What waits while a commit is on its way goes
//! into the next one together. A group takes two trips to the database: one that
//! takes the ledger and reads, one that writes and commits.

use std::{
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::Arc,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    try_join,
};

use super::{
    connections::{Connections, Failure, Lent, Values},
    draft::{Draft, Drafted, Needs},
    news::{CHANNEL, News},
    schema::{self, COLUMNS},
};
use crate::{error::Error, store::Sequence, user::User};

/// The most writes that wait. Beyond it, a write waits to be let in.
const QUEUE: usize = 1024;

/// The most kibibytes that waiting writes take in memory, with the same
/// consequence. A single write that is larger counts as this much.
const ROOM: usize = 64 << 10;

/// A commit takes no more writes when it has so many rows ...
const GROUP: usize = 2048;

/// ... or so many kibibytes.
const GROUP_SIZE: usize = 4 << 10;

/// How many changes are kept at least, for those who read them later. More than
/// a subscriber may fall behind.
pub(super) const KEPT: Sequence = 20_000;

/// After how many changes older ones are removed.
const PRUNING: Sequence = 1000;

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
            true => lent.run(write(&lent, drafted)).await,
            false => lent.run(rollback(&lent)).await,
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
            match lent.attempt(begin(&lent, needs)).await {
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

async fn begin(client: &Lent, needs: &Needs) -> Result<Draft, Failure> {
    let ledger = "select last_user, last_change from portolan_users.ledger for update";
    let by_id = format!("select {COLUMNS} from portolan_users.person where id = any($1)");
    let by_email = format!("select {COLUMNS} from portolan_users.person where email_key = any($1)");
    let (ledger, by_id, by_email) = try_join!(
        biased;
        client.prepare_cached(ledger),
        client.prepare_cached(&by_id),
        client.prepare_cached(&by_email),
    )?;
    // All is sent in this order before the first answer comes, and the first that
    // fails says why. Each statement sees what was
    // committed before it, and so those that read, what the last one who had
    // the ledger did.
    let ids: Values<'_> = &[&needs.ids];
    let emails: Values<'_> = &[&needs.emails];
    let ((), numbers, with_id, with_email) = try_join!(
        biased;
        client.batch_execute("begin isolation level read committed"),
        client.query_one(&ledger, &[]),
        client.query(&by_id, ids),
        client.query(&by_email, emails),
    )?;
    let rows = with_id.iter().chain(&with_email);
    let users: Vec<User> = rows
        .map(|row| schema::user(row, 0))
        .collect::<Result<_, _>>()?;
    Ok(Draft::new(numbers.try_get(0)?, numbers.try_get(1)?, users))
}

async fn rollback(client: &Lent) -> Result<(), Failure> {
    Ok(client.batch_execute("rollback").await?)
}

/// The columns of many users, each as a list.
#[derive(Default)]
struct Columns {
    ids: Vec<i32>,
    emails: Vec<String>,
    keys: Vec<String>,
    names: Vec<String>,
    roles: Vec<i32>,
    statuses: Vec<i32>,
    ages: Vec<i32>,
    tags: Vec<String>,
    metadata: Vec<String>,
    created: Vec<i64>,
    updated: Vec<i64>,
}

impl Columns {
    fn push(&mut self, user: &User) {
        self.ids.push(user.id.get());
        self.keys.push(user.email.key());
        self.emails.push(user.email.as_str().into());
        self.names.push(user.name.as_str().into());
        self.roles.push(schema::role(user.role));
        self.statuses.push(schema::status(user.status));
        self.ages.push(user.age.get());
        self.tags.push(schema::tags(&user.tags));
        self.metadata.push(schema::metadata(&user.metadata));
        self.created.push(user.created_at.microseconds());
        self.updated.push(user.updated_at.microseconds());
    }
}

async fn write(client: &Lent, drafted: Drafted) -> Result<(), Failure> {
    let Drafted {
        touched,
        users,
        changes,
        last_user,
        last_change,
    } = drafted;
    let (remove, insert, record, number, forget, tell) = try_join!(
        biased;
        client.prepare_cached("delete from portolan_users.person where id = any($1)"),
        client.prepare_cached(
            "insert into portolan_users.person (id, email, email_key, name, role, status, age,
                tags, metadata, created_at, updated_at)
             select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::integer[],
                $6::integer[], $7::integer[], $8::text[], $9::text[], $10::bigint[], $11::bigint[])"
        ),
        client.prepare_cached(
            "insert into portolan_users.change (sequence, kind, at, id, email, name, role, status,
                age, tags, metadata, created_at, updated_at)
             select * from unnest($1::bigint[], $2::integer[], $3::bigint[], $4::integer[],
                $5::text[], $6::text[], $7::integer[], $8::integer[], $9::integer[], $10::text[],
                $11::text[], $12::bigint[], $13::bigint[])"
        ),
        client.prepare_cached("update portolan_users.ledger set last_user = $1, last_change = $2"),
        client.prepare_cached("delete from portolan_users.change where sequence <= $1"),
        client.prepare_cached("select pg_notify($1, $2)"),
    )?;
    let first_change = last_change - changes.len() as Sequence;
    // The bound moves on when enough is behind it; nothing has a number of 0.
    let forgotten = match first_change / PRUNING < last_change / PRUNING {
        true => last_change - KEPT,
        false => 0,
    };
    let (mut rows, mut records) = (Columns::default(), Columns::default());
    let (mut sequences, mut kinds, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for user in &users {
        rows.push(user);
    }
    for change in &changes {
        sequences.push(change.sequence);
        kinds.push(schema::kind(change.kind));
        times.push(change.at.microseconds());
        records.push(&change.user);
    }
    let news = News::Changed(last_change).to_string();
    let removed: Values<'_> = &[&touched];
    let inserted: Values<'_> = &[
        &rows.ids,
        &rows.emails,
        &rows.keys,
        &rows.names,
        &rows.roles,
        &rows.statuses,
        &rows.ages,
        &rows.tags,
        &rows.metadata,
        &rows.created,
        &rows.updated,
    ];
    let recorded: Values<'_> = &[
        &sequences,
        &kinds,
        &times,
        &records.ids,
        &records.emails,
        &records.names,
        &records.roles,
        &records.statuses,
        &records.ages,
        &records.tags,
        &records.metadata,
        &records.created,
        &records.updated,
    ];
    let numbers: Values<'_> = &[&last_user, &last_change];
    let bound: Values<'_> = &[&forgotten];
    let told: Values<'_> = &[&CHANNEL, &news];
    try_join!(
        biased;
        client.execute(&remove, removed),
        client.execute(&insert, inserted),
        client.execute(&record, recorded),
        client.execute(&number, numbers),
        client.execute(&forget, bound),
        client.query(&tell, told),
        // A transaction in which something failed is not committed by this.
        client.batch_execute("commit"),
    )?;
    Ok(())
}
