//! What is remembered of batches, so that they can be sent again: how far each
//! has come, and what became of its items.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, types::Type};

use crate::{
    error::Invalid,
    memory::MemoryId,
    store::{Failure, Progress},
};

/// How long a batch can be resumed after its last chunk, at least.
pub(super) const RESUMABLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many items of a batch are done with.
pub(super) fn consumed(
    connection: &Connection,
    namespace: i64,
    batch: &str,
) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("select consumed from batch where namespace = ? and id = ?")?
        .query_row((namespace, batch), |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// What is recorded of a batch.
pub(super) fn progress(
    connection: &Connection,
    namespace: i64,
    batch: &str,
) -> rusqlite::Result<Progress> {
    // In one transaction, so that the count and the chunks are of one moment.
    let transaction = connection.unchecked_transaction()?;
    let consumed = consumed(&transaction, namespace, batch)?;
    let mut progress = Progress {
        consumed,
        ..Progress::default()
    };
    let mut chunks = transaction.prepare_cached(
        "select ids, failures from batch_chunk where namespace = ? and batch = ? order by start",
    )?;
    let mut rows = chunks.query((namespace, batch))?;
    while let Some(row) = rows.next()? {
        let (ids, _) = row.get_ref(0)?.as_blob()?.as_chunks::<16>();
        progress
            .ids
            .extend(ids.iter().map(|id| MemoryId::from_bytes(*id)));
        let failures: Vec<(u64, String)> = serde_json::from_str(row.get_ref(1)?.as_str()?)
            .map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error))
            })?;
        progress.failures.extend(
            failures
                .into_iter()
                .map(|(index, message)| Failure { index, message }),
        );
    }
    Ok(progress)
}

/// Records, in the transaction that is open, what became of a chunk, and of
/// those before it that no record tells of.
pub(super) fn record(
    connection: &Connection,
    namespace: i64,
    batch: &str,
    start: u64,
    unrecorded: Vec<Failure>,
    outcomes: &[Result<MemoryId, Invalid>],
) -> rusqlite::Result<()> {
    let mut ids = Vec::with_capacity(outcomes.len() * 16);
    let mut failures: Vec<(u64, String)> = unrecorded
        .into_iter()
        .map(|failure| (failure.index, failure.message))
        .collect();
    for (index, outcome) in (start..).zip(outcomes) {
        match outcome {
            Ok(id) => ids.extend_from_slice(id.as_bytes()),
            Err(invalid) => failures.push((index, invalid.to_string())),
        }
    }
    let failures = serde_json::to_string(&failures)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection
        .prepare_cached(
            "insert into batch_chunk (namespace, batch, start, ids, failures)
             values (?, ?, ?, ?, ?)",
        )?
        .execute((namespace, batch, start, ids, failures))?;
    connection
        .prepare_cached(
            "insert into batch (namespace, id, consumed, updated_at)
             values (?, ?, ?, unixepoch())
             on conflict do update
             set consumed = excluded.consumed, updated_at = excluded.updated_at",
        )?
        .execute((namespace, batch, start + outcomes.len() as u64))?;
    Ok(())
}

/// Forgets the batches that nobody has gone on with.
pub(super) fn prune(connection: &Connection) -> rusqlite::Result<()> {
    let age = RESUMABLE.as_secs();
    // In one transaction: a batch without its chunks would be answered wrong.
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(
        "delete from batch_chunk where (namespace, batch) in (
            select namespace, id from batch where updated_at < unixepoch() - ?
        )",
        [age],
    )?;
    transaction.execute(
        "delete from batch where updated_at < unixepoch() - ?",
        [age],
    )?;
    transaction.commit()
}
