//! A group of writes in the database, in two trips: one that takes the ledger
//! and reads, one that writes, tells and commits.

use tokio::try_join;

use super::{
    connections::{Failure, Lent, Values},
    draft::{Draft, Drafted, Needs},
    news::{CHANNEL, News},
    schema::{self, COLUMNS},
};
use crate::{
    store::{Sequence, kept},
    user::User,
};

/// How many changes are kept at least, for those who read them later. More than
/// a subscriber may fall behind.
const KEPT: Sequence = 20_000;

/// After how many changes older ones are removed.
const PRUNING: Sequence = 1000;

/// Begins a transaction that holds the ledger, and reads.
pub(super) async fn begin(client: &Lent, needs: &Needs) -> Result<Draft, Failure> {
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

/// Ends it with nothing done.
pub(super) async fn rollback(client: &Lent) -> Result<(), Failure> {
    Ok(client.batch_execute("rollback").await?)
}

/// Writes what a draft came to, tells the others, and commits.
pub(super) async fn write(client: &Lent, drafted: Drafted) -> Result<(), Failure> {
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
        kinds.push(kept::kind(change.kind));
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
        self.roles.push(kept::role(user.role));
        self.statuses.push(kept::status(user.status));
        self.ages.push(user.age.get());
        self.tags.push(kept::tags(&user.tags));
        self.metadata.push(kept::metadata(&user.metadata));
        self.created.push(user.created_at.microseconds());
        self.updated.push(user.updated_at.microseconds());
    }
}
