//! Streams: a snapshot of the database, read page by page.
//!
//! A stream has a connection with a read transaction, which is what makes it a
//! snapshot, and holds no thread between two pages. While it is open, the log
//! cannot be written back beyond its snapshot and grows with every write; so
//! streams are counted.

use std::sync::Arc;

use async_trait::async_trait;
use portolan_sqlite::{Fault, Folder, Purpose, blocking};
use rusqlite::{Connection, ToSql, params_from_iter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::read::{self, COLUMNS};
use crate::{error::Error, memory::Memory, search::Filters, store::Pages, words::Words};

/// The most streams at a time, each with a connection and a snapshot.
pub(super) const STREAMS: usize = 256;

/// Memories in a page.
const PAGE: usize = 256;

/// A page ends with the memory that brings it to this many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// The streams that are open.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    folder: Arc<Folder>,
    places: Arc<Semaphore>,
}

struct SqlitePages {
    /// `None` at the end, or after an error.
    snapshot: Option<Snapshot>,
}

struct Snapshot {
    folder: Arc<Folder>,
    connection: Connection,
    order: Order,
    /// The last position that was read.
    after: i64,
    _place: OwnedSemaphorePermit,
}

/// In what order memories come, and by which statement.
enum Order {
    /// By number: all memories of the namespace that pass.
    Storing { namespace: i64, filters: Filters },
    /// By the temporary table of matches.
    Rank,
}

impl Streams {
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        Self {
            folder,
            places: Arc::new(Semaphore::new(STREAMS)),
        }
    }

    /// Refuses streams from now on; those that are open go on.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// Takes a snapshot now and gives its pages.
    pub(super) async fn open(
        &self,
        namespace: i64,
        words: Option<Words>,
        filters: Filters,
    ) -> Result<Box<dyn Pages>, Error> {
        let place = self
            .places
            .clone()
            .try_acquire_owned()
            .map_err(|error| match error {
                TryAcquireError::NoPermits => Error::TooManyStreams { open: STREAMS },
                TryAcquireError::Closed => Error::Closed,
            })?;
        let folder = self.folder.clone();
        let snapshot = blocking(move || -> Result<Snapshot, Fault> {
            let connection = Purpose::Stream.connect(&folder)?;
            let order = begin(&connection, namespace, words.as_ref(), filters)
                .map_err(|error| Fault::named(&folder, error))?;
            Ok(Snapshot {
                folder,
                connection,
                order,
                after: i64::MIN,
                _place: place,
            })
        })
        .await
        .ok_or(Error::Closed)??;
        Ok(Box::new(SqlitePages {
            snapshot: Some(snapshot),
        }))
    }
}

#[async_trait]
impl Pages for SqlitePages {
    async fn next(&mut self) -> Result<Vec<Memory>, Error> {
        let Some(mut snapshot) = self.snapshot.take() else {
            return Ok(Vec::new());
        };
        let (page, snapshot) = blocking(move || {
            let page = snapshot.next();
            (page, snapshot)
        })
        .await
        .ok_or(Error::Closed)?;
        let page = page.map_err(|error| Fault::named(&snapshot.folder, error))?;
        if !page.is_empty() {
            self.snapshot = Some(snapshot);
        }
        Ok(page)
    }
}

fn begin(
    connection: &Connection,
    namespace: i64,
    words: Option<&Words>,
    filters: Filters,
) -> rusqlite::Result<Order> {
    connection.execute_batch("begin")?;
    let Some(words) = words else {
        // The snapshot is taken by the first read, not by `begin`.
        connection.query_row("select count(*) from namespace", [], |_| Ok(()))?;
        return Ok(Order::Storing { namespace, filters });
    };
    // The ranking is written down once, in a file if it is long: the memory
    // of a stream does not depend on how much it finds.
    connection.execute_batch(
        "create temporary table ranked (place integer primary key, memory integer, score real)",
    )?;
    let (matches, values) = read::matches(namespace, words, &filters);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    connection.execute(
        &format!("insert into ranked (memory, score) {matches}"),
        &values[..],
    )?;
    Ok(Order::Rank)
}

impl Snapshot {
    fn next(&mut self) -> rusqlite::Result<Vec<Memory>> {
        let (sql, values) = self.order.statement(&self.after);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut page = Vec::new();
        let mut bytes = 0;
        let mut after = self.after;
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let memory = read::memory(row)?;
            bytes += size(&memory);
            after = row.get(5)?;
            page.push(memory);
        }
        drop(rows);
        drop(statement);
        self.after = after;
        Ok(page)
    }
}

impl Order {
    /// The statement that gives the memories after a position, with the
    /// position of each in the sixth column, and the values to bind.
    fn statement<'a>(&'a self, after: &'a i64) -> (String, Vec<Box<dyn ToSql + 'a>>) {
        let mut values: Vec<Box<dyn ToSql + 'a>> = vec![Box::new(after)];
        let sql = match self {
            Self::Rank => format!(
                "select {COLUMNS}, t.place from ranked t
                 join memory m on m.number = t.memory
                 left join vector v on v.memory = m.number
                 where t.place > ? order by t.place limit {PAGE}"
            ),
            Self::Storing { namespace, filters } => {
                values.push(Box::new(namespace));
                let mut pairs = filters.pairs();
                let Some((key, value)) = pairs.next() else {
                    let sql = format!(
                        "select {COLUMNS}, m.number from memory m
                         left join vector v on v.memory = m.number
                         where m.number > ? and m.namespace = ?
                         order by m.number limit {PAGE}"
                    );
                    return (sql, values);
                };
                values.extend([Box::new(key) as Box<dyn ToSql + 'a>, Box::new(value)]);
                let mut others = String::new();
                for (key, value) in pairs {
                    others.push_str(&read::condition("f.memory"));
                    values.push(Box::new(namespace));
                    values.extend([Box::new(key) as Box<dyn ToSql + 'a>, Box::new(value)]);
                }
                format!(
                    "select {COLUMNS}, f.memory from label f
                     join memory m on m.number = f.memory
                     left join vector v on v.memory = m.number
                     where f.memory > ? and f.namespace = ? and f.key = ? and f.value = ?{others}
                     order by f.memory limit {PAGE}"
                )
            }
        };
        (sql, values)
    }
}

/// About how many bytes a memory takes.
fn size(memory: &Memory) -> usize {
    let labels: usize = memory
        .metadata
        .iter()
        .map(|(key, value)| key.len() + value.len() + 64)
        .sum();
    memory.content.len() + labels + memory.vector.len() * size_of::<f32>() + 128
}
