//! The tables, how they came to be, and how users lie in their rows.

use std::collections::BTreeMap;

use portolan_sqlite::Format;
use rusqlite::{Row, types::Type};

use crate::{
    store::kept,
    user::{Age, Email, Metadata, Moment, Name, Tags, User, UserId},
};

/// The directory's database.
pub(super) const FORMAT: Format = Format {
    // "Pusr".
    application: 0x5075_7372,
    steps: &[
        // 1. Ids and the numbers of changes rise and are never given twice. A
        //    change holds the user as it was then.
        "
        create table user (
            id integer primary key autoincrement,
            email text not null,
            email_key text not null unique,
            name text not null,
            role integer not null,
            status integer not null,
            age integer not null,
            tags text not null,
            metadata text not null,
            created_at integer not null,
            updated_at integer not null
        ) strict;
        create table change (
            sequence integer primary key autoincrement,
            kind integer not null,
            at integer not null,
            id integer not null,
            email text not null,
            name text not null,
            role integer not null,
            status integer not null,
            age integer not null,
            tags text not null,
            metadata text not null,
            created_at integer not null,
            updated_at integer not null
        ) strict;
        create table document (
            id text primary key,
            revision integer not null,
            text text not null
        ) strict, without rowid;
        create table edit (
            document text not null references document,
            revision integer not null,
            author text not null,
            doing integer not null,
            position integer not null,
            text text not null,
            at integer not null,
            primary key (document, revision)
        ) strict, without rowid;
        create table secret (
            name text primary key,
            value blob not null
        ) strict, without rowid;
        ",
    ],
};

/// The columns that [`user`] reads, in `user` as in `change`.
pub(super) const COLUMNS: &str =
    "id, email, name, role, status, age, tags, metadata, created_at, updated_at";

/// Reads a user from a row that has [`COLUMNS`] from this one on.
pub(super) fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    let text = |place: usize| -> rusqlite::Result<String> { row.get(first + place) };
    let wrong = |place: usize| {
        move |reason: String| {
            rusqlite::Error::FromSqlConversionFailure(first + place, Type::Text, reason.into())
        }
    };
    let number = |place: usize| -> rusqlite::Result<i32> { row.get(first + place) };
    let tags: Vec<String> = json(&text(6)?).map_err(wrong(6))?;
    let metadata: BTreeMap<String, String> = json(&text(7)?).map_err(wrong(7))?;
    let id = UserId::new(number(0)?).ok_or_else(|| wrong(0)("no user has this id".into()))?;
    Ok(User {
        id,
        email: Email::new(&text(1)?).map_err(wrong(1))?,
        name: Name::new(&text(2)?).map_err(wrong(2))?,
        role: kept::role_of(number(3)?),
        status: kept::status_of(number(4)?),
        age: Age::new(number(5)?).map_err(wrong(5))?,
        tags: Tags::new(tags).map_err(wrong(6))?,
        metadata: Metadata::new(metadata).map_err(wrong(7))?,
        created_at: Moment::from_microseconds(row.get(first + 8)?),
        updated_at: Moment::from_microseconds(row.get(first + 9)?),
    })
}

fn json<T: for<'a> serde::Deserialize<'a>>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
