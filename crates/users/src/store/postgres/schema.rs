//! The tables, how they came to be, and how what is kept lies in their rows.

use std::collections::BTreeMap;

use ring::rand::{SecureRandom, SystemRandom};
use tokio_postgres::{Client, Row};

use super::connections::Failure;
use crate::{
    document::{Applied, Author, Document, Operation},
    error::Error,
    page::PageKey,
    store::{Change, kept},
    user::{Age, Email, Metadata, Moment, Name, Tags, User, UserId},
};

/// The steps from nothing to the newest format; a database has the format of as
/// many steps as it has taken. A step is never changed once it was published.
///
/// Everything is in a schema of its own. What people write is kept as bytes,
/// since a `text` cannot have a zero in it.
const STEPS: &[&str] = &["
    -- One row, which whoever changes users holds until the change can be seen:
    -- so changes are numbered in the order in which they can, without a gap.
    create table portolan_users.ledger (
        single boolean primary key default true check (single),
        last_user integer not null,
        last_change bigint not null,
        page_key bytea not null
    );
    create table portolan_users.person (
        id integer primary key,
        email text not null,
        email_key text collate \"C\" not null unique,
        name text not null,
        role integer not null,
        status integer not null,
        age integer not null,
        tags text not null,
        metadata text not null,
        created_at bigint not null,
        updated_at bigint not null
    );
    create table portolan_users.change (
        sequence bigint primary key,
        kind integer not null,
        at bigint not null,
        id integer not null,
        email text not null,
        name text not null,
        role integer not null,
        status integer not null,
        age integer not null,
        tags text not null,
        metadata text not null,
        created_at bigint not null,
        updated_at bigint not null
    );
    create table portolan_users.document (
        id bytea primary key,
        revision bigint not null,
        text bytea not null
    );
    create table portolan_users.edit (
        document bytea not null references portolan_users.document,
        revision bigint not null,
        author bytea not null,
        doing integer not null,
        position bigint not null,
        text bytea not null,
        at bigint not null,
        primary key (document, revision)
    );
    create table portolan_users.upload (
        id bigint generated always as identity primary key,
        touched_at timestamptz not null default now()
    );
    create table portolan_users.part (
        upload bigint not null references portolan_users.upload on delete cascade,
        number integer not null,
        bytes bytea not null,
        primary key (upload, number)
    );
    alter table portolan_users.part alter column bytes set storage external;
    create table portolan_users.file (
        sha256 bytea primary key,
        size bigint not null,
        upload bigint not null unique references portolan_users.upload
    );
"];

/// What the lock is called under which the tables are made: "PUsers".
const MAKING: i64 = 0x5055_7365_7273;

/// The columns that [`user`] reads, in `person` as in `change`.
pub(super) const COLUMNS: &str =
    "id, email, name, role, status, age, tags, metadata, created_at, updated_at";

/// Brings the database to the newest format, and gives the key of its page
/// tokens. Of several processes that start, one does it and the others wait.
pub(super) async fn prepare(client: &mut Client) -> Result<PageKey, Failure> {
    let encoding: String = client
        .query_one("show server_encoding", &[])
        .await?
        .try_get(0)?;
    if encoding != "UTF8" {
        let reason = format!("its encoding is {encoding}, and has to be UTF8");
        return Err(Error::Unusable(reason).into());
    }
    let transaction = client.transaction().await?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&MAKING])
        .await?;
    let found: Option<String> = transaction
        .query_one("select to_regclass('portolan_users.format')::text", &[])
        .await?
        .try_get(0)?;
    let format = match found {
        Some(_) => {
            let row = transaction
                .query_one("select version from portolan_users.format", &[])
                .await?;
            row.try_get(0)?
        }
        None => {
            transaction
                .batch_execute(
                    "create schema if not exists portolan_users;
                     create table portolan_users.format (version integer not null);
                     insert into portolan_users.format values (0);",
                )
                .await?;
            0
        }
    };
    let newest = STEPS.len() as i32;
    if !(0..=newest).contains(&format) {
        let reason = format!(
            "its tables have format {format}, but this version knows formats up to {newest}; \
             use a newer version or another database"
        );
        return Err(Error::Unusable(reason).into());
    }
    for step in &STEPS[format as usize..] {
        transaction.batch_execute(step).await?;
    }
    transaction
        .execute("update portolan_users.format set version = $1", &[&newest])
        .await?;
    let mut key = vec![0; PageKey::LENGTH];
    SystemRandom::new().fill(&mut key).map_err(|_| {
        let reason = "the system has no random numbers";
        Error::Unusable(reason.into())
    })?;
    transaction
        .execute(
            "insert into portolan_users.ledger (last_user, last_change, page_key)
             values (0, 0, $1) on conflict do nothing",
            &[&key],
        )
        .await?;
    let row = transaction
        .query_one("select page_key from portolan_users.ledger", &[])
        .await?;
    let key: Vec<u8> = row.try_get(0)?;
    transaction.commit().await?;
    Ok(PageKey::new(&key))
}

/// Reads a user from a row that has [`COLUMNS`] from this one on.
pub(super) fn user(row: &Row, first: usize) -> Result<User, Failure> {
    let text = |place: usize| row.try_get::<_, &str>(first + place);
    let number = |place: usize| row.try_get::<_, i32>(first + place);
    let tags: Vec<String> = json(text(6)?)?;
    let metadata: BTreeMap<String, String> = json(text(7)?)?;
    Ok(User {
        id: UserId::new(number(0)?).ok_or_else(|| wrong("no user has this id"))?,
        email: Email::new(text(1)?).map_err(wrong)?,
        name: Name::new(text(2)?).map_err(wrong)?,
        role: kept::role_of(number(3)?),
        status: kept::status_of(number(4)?),
        age: Age::new(number(5)?).map_err(wrong)?,
        tags: Tags::new(tags).map_err(wrong)?,
        metadata: Metadata::new(metadata).map_err(wrong)?,
        created_at: Moment::from_microseconds(row.try_get(first + 8)?),
        updated_at: Moment::from_microseconds(row.try_get(first + 9)?),
    })
}

/// Reads a change: its number, its kind, its time and a user.
pub(super) fn change(row: &Row) -> Result<Change, Failure> {
    Ok(Change {
        sequence: row.try_get(0)?,
        kind: kept::kind_of(row.try_get(1)?),
        at: Moment::from_microseconds(row.try_get(2)?),
        user: user(row, 3)?,
    })
}

/// Reads a document: its revision and its text.
pub(super) fn document(row: &Row) -> Result<Document, Failure> {
    Ok(Document {
        revision: row.try_get(0)?,
        text: written(row.try_get(1)?)?,
    })
}

/// Reads an operation: its revision, its author, what it does, where and with
/// which text, and its time.
pub(super) fn applied(row: &Row) -> Result<Applied, Failure> {
    let position: i64 = row.try_get(3)?;
    Ok(Applied {
        revision: row.try_get(0)?,
        author: Author::new(&written(row.try_get(1)?)?)?,
        operation: Operation {
            doing: kept::doing_of(row.try_get(2)?),
            position: usize::try_from(position).map_err(|_| wrong("no text has this place"))?,
            text: written(row.try_get(4)?)?,
        },
        at: Moment::from_microseconds(row.try_get(5)?),
    })
}

/// What somebody wrote, which is kept as bytes.
fn written(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| wrong("a text is not in UTF-8"))
}

fn json<T: for<'a> serde::Deserialize<'a>>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
}

/// A row that is not as it should be.
fn wrong(reason: impl Into<String>) -> Failure {
    let reason = format!("a row is not as it should be: {}", reason.into());
    Error::Database { reason }.into()
}
