//! What is asked of the database, on a connection that somebody has lent.

use deadpool_postgres::ClientWrapper;

use super::{
    connections::Failure,
    schema::{self, COLUMNS},
};
use crate::{
    document::{Applied, Document, DocumentId},
    store::{Changes, PageEnd, Sequence},
    user::{User, UserId},
};

/// The user with this id.
pub(super) async fn by_id(client: &ClientWrapper, id: UserId) -> Result<Option<User>, Failure> {
    let sql = format!("select {COLUMNS} from portolan_users.person where id = $1");
    let statement = client.prepare_cached(&sql).await?;
    let row = client.query_opt(&statement, &[&id.get()]).await?;
    row.map(|row| schema::user(&row, 0)).transpose()
}

/// Where a page ends.
pub(super) async fn page(
    client: &ClientWrapper,
    after: Option<UserId>,
    size: usize,
) -> Result<Option<PageEnd>, Failure> {
    let sql = "select id from portolan_users.person where id > $1 order by id limit $2";
    let statement = client.prepare_cached(sql).await?;
    let (after, limit) = (after.map_or(0, UserId::get), size as i64 + 1);
    let rows = client.query(&statement, &[&after, &limit]).await?;
    let Some(last) = rows.iter().take(size).next_back() else {
        return Ok(None);
    };
    let more = rows.len() > size;
    Ok(UserId::new(last.try_get(0)?).map(|last| PageEnd { last, more }))
}

/// Users in the order of their ids.
pub(super) async fn users(
    client: &ClientWrapper,
    after: Option<UserId>,
    last: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, Failure> {
    let sql = format!(
        "select {COLUMNS} from portolan_users.person
         where id > $1 and id <= $2 order by id limit $3"
    );
    let statement = client.prepare_cached(&sql).await?;
    let after = after.map_or(0, UserId::get);
    let last = last.map_or(UserId::MAX, UserId::get);
    let rows = client
        .query(&statement, &[&after, &last, &(limit as i64)])
        .await?;
    rows.iter().map(|row| schema::user(row, 0)).collect()
}

/// The number of the newest change.
pub(super) async fn newest(client: &ClientWrapper) -> Result<Sequence, Failure> {
    let sql = "select last_change from portolan_users.ledger";
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
}

/// Changes in the order of their numbers.
pub(super) async fn changes(
    client: &ClientWrapper,
    after: Sequence,
    limit: usize,
) -> Result<Changes, Failure> {
    let sql = format!(
        "select sequence, kind, at, {COLUMNS} from portolan_users.change
         where sequence > $1 order by sequence limit $2"
    );
    let statement = client.prepare_cached(&sql).await?;
    let rows = client.query(&statement, &[&after, &(limit as i64)]).await?;
    let changes: Vec<_> = rows.iter().map(schema::change).collect::<Result<_, _>>()?;
    // Numbers have no gaps: what was not committed took none.
    let lost = changes
        .first()
        .is_some_and(|change| change.sequence > after + 1);
    Ok(Changes { changes, lost })
}

/// The text of a document.
pub(super) async fn document(client: &ClientWrapper, id: &DocumentId) -> Result<Document, Failure> {
    let sql = "select revision, text from portolan_users.document where id = $1";
    let statement = client.prepare_cached(sql).await?;
    let row = client
        .query_opt(&statement, &[&id.as_str().as_bytes()])
        .await?;
    let document = row.map(|row| schema::document(&row)).transpose()?;
    Ok(document.unwrap_or_default())
}

/// Operations of a document, in order.
pub(super) async fn edits(
    client: &ClientWrapper,
    id: &DocumentId,
    after: i64,
    limit: usize,
) -> Result<Vec<Applied>, Failure> {
    let statement = client.prepare_cached(EDITS).await?;
    let rows = client
        .query(
            &statement,
            &[&id.as_str().as_bytes(), &after, &(limit as i64)],
        )
        .await?;
    rows.iter().map(schema::applied).collect()
}

/// Operations of a document after a revision, at most so many.
pub(super) const EDITS: &str = "
    select revision, author, doing, position, text, at from portolan_users.edit
    where document = $1 and revision > $2 order by revision limit $3";
