//! What is asked of the database, on a connection that somebody else has opened.

use rusqlite::{Connection, OptionalExtension, types::Type};

use super::schema::{self, COLUMNS};
use crate::{
    document::{Applied, Author, Document, DocumentId, Operation},
    error::Invalid,
    store::{Change, Changes, PageEnd, Sequence, kept},
    user::{Email, Moment, User, UserId},
};

/// The user with this id.
pub(super) fn by_id(connection: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from user where id = ?"))?
        .query_row([id.get()], |row| schema::user(row, 0))
        .optional()
}

/// The user with this email, in whichever case.
pub(super) fn by_email(connection: &Connection, email: &Email) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from user where email_key = ?"))?
        .query_row([email.key()], |row| schema::user(row, 0))
        .optional()
}

/// Where a page ends.
pub(super) fn page(
    connection: &Connection,
    after: Option<UserId>,
    size: usize,
) -> rusqlite::Result<Option<PageEnd>> {
    let mut statement =
        connection.prepare_cached("select id from user where id > ? order by id limit ?")?;
    let mut rows = statement.query((after.map_or(0, UserId::get), size + 1))?;
    let mut end = None;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count <= size {
            end = UserId::new(row.get(0)?);
        }
    }
    let more = count > size;
    Ok(end.map(|last| PageEnd { last, more }))
}

/// Users in the order of their ids.
pub(super) fn users(
    connection: &Connection,
    after: Option<UserId>,
    last: Option<UserId>,
    limit: usize,
) -> rusqlite::Result<Vec<User>> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from user where id > ? and id <= ? order by id limit ?"
        ))?
        .query_map(
            (
                after.map_or(0, UserId::get),
                last.map_or(UserId::MAX, UserId::get),
                limit,
            ),
            |row| schema::user(row, 0),
        )?
        .collect()
}

/// The number of the newest change.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Sequence> {
    connection
        .prepare_cached("select coalesce(max(sequence), 0) from change")?
        .query_row([], |row| row.get(0))
}

/// Changes in the order of their numbers.
pub(super) fn changes(
    connection: &Connection,
    after: Sequence,
    limit: usize,
) -> rusqlite::Result<Changes> {
    let changes: Vec<Change> = connection
        .prepare_cached(&format!(
            "select sequence, kind, at, {COLUMNS} from change
             where sequence > ? order by sequence limit ?"
        ))?
        .query_map((after, limit), |row| {
            Ok(Change {
                sequence: row.get(0)?,
                kind: kept::kind_of(row.get(1)?),
                at: Moment::from_microseconds(row.get(2)?),
                user: schema::user(row, 3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    // Here numbers have no gaps: what was not committed took none.
    let lost = changes
        .first()
        .is_some_and(|change| change.sequence > after + 1);
    Ok(Changes { changes, lost })
}

/// The text of a document.
pub(super) fn document(connection: &Connection, id: &DocumentId) -> rusqlite::Result<Document> {
    let document = connection
        .prepare_cached("select revision, text from document where id = ?")?
        .query_row([id.as_str()], |row| {
            Ok(Document {
                revision: row.get(0)?,
                text: row.get(1)?,
            })
        })
        .optional()?;
    Ok(document.unwrap_or_default())
}

/// Operations of a document, in order.
pub(super) fn edits(
    connection: &Connection,
    id: &DocumentId,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Applied>> {
    let wrong = |invalid: Invalid| {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(invalid))
    };
    connection
        .prepare_cached(
            "select revision, author, doing, position, text, at from edit
             where document = ? and revision > ? order by revision limit ?",
        )?
        .query_map((id.as_str(), after, limit), |row| {
            let author: String = row.get(1)?;
            Ok(Applied {
                revision: row.get(0)?,
                author: Author::new(&author).map_err(wrong)?,
                operation: Operation {
                    doing: kept::doing_of(row.get(2)?),
                    position: row.get(3)?,
                    text: row.get(4)?,
                },
                at: Moment::from_microseconds(row.get(5)?),
            })
        })?
        .collect()
}
