//! An edit of a document: a transaction that holds the document's row, so that
//! all processes put the operations on it into one order.

use deadpool_postgres::Transaction;
use tokio::try_join;

use super::{
    connections::{Failure, Lent, Values},
    news::{CHANNEL, News},
    read, schema,
};
use crate::{
    document::{Document, DocumentId, MAX_LATE, Operation, Proposal},
    error::Error,
    store::kept,
    user::Moment,
};

/// Applies an operation to a document and gives the last revision that it made.
pub(super) async fn edit(
    lent: &mut Lent,
    id: &DocumentId,
    proposal: Proposal,
) -> Result<i64, Failure> {
    // Dropped at any point before the commit, it is undone.
    let transaction = lent.client().transaction().await?;
    let mut document = hold(&transaction, id).await?;
    let Proposal {
        author,
        operation,
        made_for,
    } = proposal;
    let before = document.revision;
    let made_for = made_for.unwrap_or(before);
    if made_for > before {
        return Err(Error::NoSuchRevision {
            asked: made_for,
            newest: before,
        }
        .into());
    }
    if before - made_for > MAX_LATE {
        return Err(Error::TooLate {
            revision: made_for,
            max: MAX_LATE,
        }
        .into());
    }
    let since = match made_for < before {
        true => since(&transaction, id, made_for).await?,
        false => Vec::new(),
    };
    let done = document.apply(operation, &since)?;
    let edits = Edits {
        id,
        author: author.as_str().as_bytes(),
        before,
        done,
    };
    edits.write(&transaction, &document).await?;
    transaction.commit().await?;
    Ok(document.revision)
}

/// Holds the row of a document, which is made if it is missing, and reads it.
async fn hold(transaction: &Transaction<'_>, id: &DocumentId) -> Result<Document, Failure> {
    let (make, hold) = try_join!(
        biased;
        transaction.prepare_cached(
            "insert into portolan_users.document (id, revision, text) values ($1, 0, '')
             on conflict do nothing"
        ),
        transaction.prepare_cached(
            "select revision, text from portolan_users.document where id = $1 for update"
        ),
    )?;
    let id = id.as_str().as_bytes();
    let id: Values<'_> = &[&id];
    let (_, row) = try_join!(
        biased;
        transaction.execute(&make, id),
        transaction.query_one(&hold, id),
    )?;
    schema::document(&row)
}

async fn since(
    transaction: &Transaction<'_>,
    id: &DocumentId,
    made_for: i64,
) -> Result<Vec<Operation>, Failure> {
    let statement = transaction.prepare_cached(read::EDITS).await?;
    let id = id.as_str().as_bytes();
    let rows = transaction
        .query(&statement, &[&id, &made_for, &MAX_LATE])
        .await?;
    let edits = rows.iter().map(schema::applied);
    edits.map(|edit| Ok(edit?.operation)).collect()
}

/// What was done to a document.
struct Edits<'a> {
    id: &'a DocumentId,
    author: &'a [u8],
    before: i64,
    done: Vec<Operation>,
}

impl Edits<'_> {
    async fn write(
        self,
        transaction: &Transaction<'_>,
        document: &Document,
    ) -> Result<(), Failure> {
        let (put, record, forget, tell) = try_join!(
        biased;
            transaction.prepare_cached(
                "update portolan_users.document set revision = $2, text = $3 where id = $1"
            ),
            transaction.prepare_cached(
                "insert into portolan_users.edit
                    (document, revision, author, doing, position, text, at)
                 select $1, row.revision, $2, row.doing, row.position, row.text, $3
                 from unnest($4::bigint[], $5::integer[], $6::bigint[], $7::bytea[])
                    as row (revision, doing, position, text)"
            ),
            transaction.prepare_cached(
                "delete from portolan_users.edit where document = $1 and revision <= $2"
            ),
            transaction.prepare_cached("select pg_notify($1, $2)"),
        )?;
        let id = self.id.as_str().as_bytes();
        let text = document.text.as_bytes();
        let at = Moment::now().microseconds();
        let revisions: Vec<i64> = (self.before + 1..=document.revision).collect();
        let doings: Vec<i32> = self.done.iter().map(|one| kept::doing(one.doing)).collect();
        let positions: Vec<i64> = self.done.iter().map(|one| one.position as i64).collect();
        let texts: Vec<&[u8]> = self.done.iter().map(|one| one.text.as_bytes()).collect();
        let forgotten = document.revision - MAX_LATE;
        let news = News::Edited(document.revision, self.id.clone()).to_string();
        let newest: Values<'_> = &[&id, &document.revision, &text];
        let edits: Values<'_> = &[
            &id,
            &self.author,
            &at,
            &revisions,
            &doings,
            &positions,
            &texts,
        ];
        let bound: Values<'_> = &[&id, &forgotten];
        let told: Values<'_> = &[&CHANNEL, &news];
        try_join!(
        biased;
            transaction.execute(&put, newest),
            transaction.execute(&record, edits),
            transaction.execute(&forget, bound),
            transaction.query(&tell, told),
        )?;
        Ok(())
    }
}
