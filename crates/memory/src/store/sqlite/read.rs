//! What is asked of the database, on a connection that somebody else has
//! opened: single memories, candidates of a filter, matches of words.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter, types::Type};

use super::spaces::extend_components;
use crate::{
    memory::{CreatedAt, Memory, MemoryId, Metadata},
    search::Filters,
    words::Words,
};

/// The columns that [`memory`] reads, of `memory m` joined with `vector v`.
pub(super) const COLUMNS: &str = "m.id, m.content, m.metadata, m.created_at, v.components";

/// Reads a memory from a row that begins with [`COLUMNS`].
pub(super) fn memory(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let metadata = metadata(row.get_ref(2)?.as_str()?, 2)?;
    let mut vector = Vec::new();
    if let Some(blob) = row.get_ref(4)?.as_blob_or_null()? {
        vector.reserve_exact(blob.len() / size_of::<f32>());
        extend_components(blob, &mut vector);
    }
    Ok(Memory {
        id: MemoryId::from_bytes(row.get(0)?),
        content: row.get(1)?,
        metadata,
        vector,
        created_at: CreatedAt::from_microseconds(row.get(3)?),
    })
}

/// Reads metadata as it is kept, in JSON.
pub(super) fn metadata(json: &str, column: usize) -> rusqlite::Result<Metadata> {
    serde_json::from_str(json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// The memory with this id in this namespace.
pub(super) fn by_id(
    connection: &Connection,
    namespace: i64,
    id: MemoryId,
) -> rusqlite::Result<Option<Memory>> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from memory m left join vector v on v.memory = m.number
             where m.id = ? and m.namespace = ?"
        ))?
        .query_row((&id.as_bytes()[..], namespace), memory)
        .optional()
}

/// The memory with this number, in whichever namespace.
pub(super) fn by_number(connection: &Connection, number: i64) -> rusqlite::Result<Option<Memory>> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from memory m left join vector v on v.memory = m.number
             where m.number = ?"
        ))?
        .query_row([number], memory)
        .optional()
}

/// The numbers of the memories that pass a filter of one pair at least,
/// rising.
pub(super) fn passing(
    connection: &Connection,
    namespace: i64,
    filters: &Filters,
) -> rusqlite::Result<Vec<i64>> {
    let mut sql = String::from("select f.memory from label f where f.namespace = ?");
    let mut values: Vec<&dyn ToSql> = vec![&namespace];
    let pairs: Vec<(&str, &str)> = filters.pairs().collect();
    let mut pairs = pairs.iter();
    if let Some((key, value)) = pairs.next() {
        sql.push_str(" and f.key = ? and f.value = ?");
        values.extend([key as &dyn ToSql, value]);
    }
    for (key, value) in pairs {
        sql.push_str(&condition("f.memory"));
        values.extend([&namespace as &dyn ToSql, key, value]);
    }
    sql.push_str(" order by f.memory");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map(&values[..], |row| row.get(0))?
        .collect()
}

/// The numbers and BM25 scores of the memories that match best, best first;
/// higher is better.
pub(super) fn matching(
    connection: &Connection,
    namespace: i64,
    words: &Words,
    filters: &Filters,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, f32)>> {
    let (sql, values) = matches(namespace, words, filters);
    let sql = format!("{sql} limit {limit}");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map(params_from_iter(values), |row| {
            let rank: f64 = row.get(1)?;
            Ok((row.get(0)?, -rank as f32))
        })?
        .collect()
}

/// The statement that gives number and rank of the matching memories, best
/// first and of equals the oldest first, with the values to bind.
pub(super) fn matches(
    namespace: i64,
    words: &Words,
    filters: &Filters,
) -> (String, Vec<Box<dyn ToSql>>) {
    // Materialised, since the filters must not be moved into the search by
    // words: SQLite turns `exists` into a join, and may then put the words
    // where they cannot be searched.
    let mut sql = format!(
        "with matched as materialized (
            select rowid as number, rank from words_{namespace} where words_{namespace} match ?
         )
         select w.number, w.rank from matched w where true"
    );
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(expression(words))];
    for (key, value) in filters.pairs() {
        sql.push_str(&condition("w.number"));
        values.push(Box::new(namespace));
        values.push(Box::new(key.to_owned()));
        values.push(Box::new(value.to_owned()));
    }
    sql.push_str(" order by w.rank, w.number");
    (sql, values)
}

/// Lets those pass that carry a pair: binds namespace, key and value.
pub(super) fn condition(memory: &str) -> String {
    format!(
        " and exists (select 1 from label l
          where l.namespace = ? and l.key = ? and l.value = ? and l.memory = {memory})"
    )
}

/// The words as an expression of FTS5: any of them, each a quoted string, in
/// which nothing has a meaning but the quote, which words do not have.
fn expression(words: &Words) -> String {
    let mut expression = String::new();
    for word in words.iter() {
        if !expression.is_empty() {
            expression.push_str(" OR ");
        }
        expression.push('"');
        expression.push_str(&word.replace('"', "\"\""));
        expression.push('"');
    }
    expression
}
