//! One transaction of the writer: what it changes in the database, and what
//! the namespaces in memory will have to follow once it is durable.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::{ContextV7, Timestamp, Uuid};

use super::{
    batches, read, schema,
    spaces::{Space, Spaces, write_components},
};
use crate::{
    embedding::{Dimension, Vector},
    error::{Error, Invalid},
    memory::{CreatedAt, Memory, MemoryId, Metadata, NewMemory},
    names::Namespace,
    store::Chunk,
};

/// The most namespaces. Each has tables of its own, which every connection
/// has to know; at a few thousand, opening one would take longer than most
/// searches.
pub(super) const NAMESPACES: usize = 1000;

/// The last time that fits the 48 bits of a UUIDv7 (RFC 9562, section 5.7).
const LAST_MILLISECOND: u64 = (1 << 48) - 1;

/// What names new rows. It never gives a number twice while the process runs,
/// not even one whose transaction failed or whose row was removed: a search
/// may still hold it.
#[derive(Debug)]
pub(super) struct Names {
    next: i64,
    ids: ContextV7,
}

impl Names {
    /// Goes on after the last row there is, and after the time in the last id:
    /// the clock may have been set back since.
    pub(super) fn after_last(connection: &Connection) -> rusqlite::Result<Self> {
        let (last, id): (i64, Option<[u8; 16]>) = connection.query_row(
            "select coalesce(max(number), 0), (select max(id) from memory) from memory",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let ids = ContextV7::new();
        if let Some([a, b, c, d, e, f, ..]) = id {
            let next = u64::from_be_bytes([0, 0, a, b, c, d, e, f]) + 1;
            let next = Duration::from_millis(next.min(LAST_MILLISECOND));
            // The context gives no time before one that it was asked for.
            let _ = Timestamp::from_unix(&ids, next.as_secs(), next.subsec_nanos());
        }
        Ok(Self {
            next: last + 1,
            ids,
        })
    }

    fn make(&mut self) -> (i64, MemoryId, CreatedAt) {
        let number = self.next;
        self.next += 1;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // The context keeps ids rising within a millisecond, and while the
        // clock goes back.
        let time = Timestamp::from_unix(&self.ids, now.as_secs(), now.subsec_nanos());
        let id = MemoryId::from_uuid(Uuid::new_v7(time));
        let microseconds = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        (number, id, CreatedAt::from_microseconds(microseconds))
    }
}

/// A transaction that is being put together.
pub(super) struct Draft<'a> {
    /// What stores a row, once there is one to store. It goes before the
    /// transaction, which could not be taken back under a statement that runs.
    inserts: Option<Inserts<'a>>,
    connection: &'a Connection,
    transaction: Transaction<'a>,
    spaces: &'a Spaces,
    names: &'a mut Names,
    changes: HashMap<Namespace, SpaceChange>,
    blob: Vec<u8>,
}

/// How a namespace changes.
struct SpaceChange {
    /// The namespace, if it was there before.
    space: Option<Arc<Space>>,
    number: i64,
    dimension: Option<Dimension>,
    memories: i64,
    vectors: Vec<VectorChange>,
}

enum VectorChange {
    Push(i64, Vec<f32>),
    Remove(i64),
}

/// The statements that store a memory in one namespace. They are looked up once
/// for all rows of a transaction.
struct Inserts<'a> {
    space: i64,
    memory: CachedStatement<'a>,
    words: CachedStatement<'a>,
    label: CachedStatement<'a>,
    vector: CachedStatement<'a>,
}

impl<'a> Inserts<'a> {
    fn prepare(connection: &'a Connection, space: i64) -> rusqlite::Result<Self> {
        Ok(Self {
            space,
            memory: connection.prepare_cached(
                "insert into memory (number, namespace, id, content, metadata, created_at)
                 values (?, ?, ?, ?, ?, ?)",
            )?,
            words: connection.prepare_cached(&format!(
                "insert into words_{space} (rowid, content) values (?, ?)"
            ))?,
            label: connection.prepare_cached(
                "insert into label (namespace, key, value, memory) values (?, ?, ?, ?)",
            )?,
            vector: connection.prepare_cached(
                "insert into vector (memory, namespace, components) values (?, ?, ?)",
            )?,
        })
    }
}

impl<'a> Draft<'a> {
    pub(super) fn begin(
        connection: &'a mut Connection,
        spaces: &'a Spaces,
        names: &'a mut Names,
    ) -> rusqlite::Result<Self> {
        // Nobody else can begin another one on it meanwhile.
        let connection: &'a Connection = connection;
        Ok(Self {
            inserts: None,
            connection,
            transaction: Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?,
            spaces,
            names,
            changes: HashMap::new(),
            blob: Vec::new(),
        })
    }

    /// Stores a memory.
    pub(super) fn insert(
        &mut self,
        namespace: &Namespace,
        memory: NewMemory,
    ) -> rusqlite::Result<Result<Memory, Error>> {
        if let Err(error) = self.admit(namespace) {
            return Ok(Err(error));
        }
        let NewMemory {
            content,
            metadata,
            vector: given,
        } = memory;
        let vector = given
            .as_ref()
            .map_or_else(Vec::new, |vector| vector.components().to_vec());
        let row = self.insert_row(namespace, &content, &metadata, given)?;
        let memory = row.map(|(id, created_at)| Memory {
            id,
            content,
            metadata,
            vector,
            created_at,
        });
        Ok(memory.map_err(Error::from))
    }

    /// Stores the good items of a chunk and records the progress of its batch.
    pub(super) fn insert_chunk(
        &mut self,
        namespace: &Namespace,
        chunk: Chunk,
    ) -> rusqlite::Result<Result<Vec<Result<MemoryId, Invalid>>, Error>> {
        if chunk.items.iter().any(Result::is_ok)
            && let Err(error) = self.admit(namespace)
        {
            return Ok(Err(error));
        }
        let mut unrecorded = chunk.refused;
        if let Some(batch) = &chunk.batch {
            let recorded = match self.number(namespace) {
                Some(number) => batches::consumed(&self.transaction, number, batch.as_str())?,
                None => 0,
            };
            if recorded == chunk.start {
                unrecorded.clear();
            } else if recorded != 0 || unrecorded.len() as u64 != chunk.start {
                return Ok(Err(Error::BatchInUse(batch.as_str().into())));
            }
        }
        let mut outcomes = Vec::with_capacity(chunk.items.len());
        for item in chunk.items {
            outcomes.push(match item {
                Ok(NewMemory {
                    content,
                    metadata,
                    vector,
                }) => self
                    .insert_row(namespace, &content, &metadata, vector)?
                    .map(|(id, _)| id),
                Err(invalid) => Err(invalid),
            });
        }
        if let Some(batch) = &chunk.batch
            && let Some(number) = self.number(namespace)
        {
            batches::record(
                &self.transaction,
                number,
                batch.as_str(),
                chunk.start,
                unrecorded,
                &outcomes,
            )?;
        }
        Ok(Ok(outcomes))
    }

    /// Lets the commit succeed and what follows it panic.
    #[cfg(test)]
    pub(super) fn panic_when_durable(&mut self) {
        for change in self.changes.values_mut() {
            let bad = VectorChange::Push(i64::MAX, Vec::new());
            change.vectors.insert(0, bad);
        }
    }

    /// Removes a memory; `false` when there is none.
    pub(super) fn delete(&mut self, namespace: &Namespace, id: MemoryId) -> rusqlite::Result<bool> {
        if !self.changes.contains_key(namespace) && self.spaces.get(namespace).is_none() {
            return Ok(false);
        }
        let space = self.change(namespace)?.number;
        let found = self
            .transaction
            .prepare_cached("select number, metadata from memory where id = ? and namespace = ?")?
            .query_row((&id.as_bytes()[..], space), |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    read::metadata(row.get_ref(1)?.as_str()?, 1)?,
                ))
            })
            .optional()?;
        let Some((number, metadata)) = found else {
            return Ok(false);
        };
        for (key, value) in &metadata {
            self.transaction
                .prepare_cached(
                    "delete from label
                     where namespace = ? and key = ? and value = ? and memory = ?",
                )?
                .execute((space, key, value, number))?;
        }
        let vectors = self
            .transaction
            .prepare_cached("delete from vector where memory = ?")?
            .execute([number])?;
        self.transaction
            .prepare_cached(&format!("delete from words_{space} where rowid = ?"))?
            .execute([number])?;
        self.transaction
            .prepare_cached("delete from memory where number = ?")?
            .execute([number])?;
        let change = self.change(namespace)?;
        change.memories -= 1;
        if vectors > 0 {
            change.vectors.push(VectorChange::Remove(number));
        }
        Ok(true)
    }

    /// Makes everything durable, and visible to searches.
    pub(super) fn commit(mut self) -> rusqlite::Result<()> {
        self.inserts = None;
        // Nothing is written, and no disk waited for, if nothing was found to
        // be removed.
        let changed = |change: &&SpaceChange| change.memories != 0 || !change.vectors.is_empty();
        for change in self.changes.values().filter(changed) {
            self.transaction
                .prepare_cached(
                    "update namespace set memories = memories + ?, dimension = ? where id = ?",
                )?
                .execute((
                    change.memories,
                    change.dimension.map(Dimension::components),
                    change.number,
                ))?;
        }
        self.transaction.commit()?;
        for (namespace, change) in self.changes {
            let space = change
                .space
                .unwrap_or_else(|| self.spaces.add(namespace, change.number));
            space.change(|state| {
                state.memories = state.memories.saturating_add_signed(change.memories);
                if let Some(dimension) = change.dimension {
                    let matrix = state
                        .matrix
                        .get_or_insert_with(|| self.spaces.matrix(dimension));
                    for vector in change.vectors {
                        match vector {
                            VectorChange::Push(number, vector) => matrix.push(number, &vector),
                            VectorChange::Remove(number) => {
                                matrix.remove(number);
                            }
                        }
                    }
                }
            });
        }
        Ok(())
    }

    fn insert_row(
        &mut self,
        namespace: &Namespace,
        content: &str,
        metadata: &Metadata,
        vector: Option<Vector>,
    ) -> rusqlite::Result<Result<(MemoryId, CreatedAt), Invalid>> {
        if let (Some(vector), Some(expected)) = (&vector, self.dimension(namespace))
            && vector.dimension() != expected
        {
            return Ok(Err(Invalid::OtherDimension {
                expected,
                got: vector.components().len(),
            }));
        }
        let space = self.change(namespace)?.number;
        let (number, id, created_at) = self.names.make();
        let json = serde_json::to_string(metadata)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let connection = self.connection;
        let inserts = match &mut self.inserts {
            Some(inserts) if inserts.space == space => inserts,
            inserts => {
                // Those of another namespace go back first, since most of them
                // are the same.
                *inserts = None;
                inserts.insert(Inserts::prepare(connection, space)?)
            }
        };
        inserts.memory.execute((
            number,
            space,
            &id.as_bytes()[..],
            content,
            json,
            created_at.microseconds(),
        ))?;
        inserts.words.execute((number, content))?;
        for (key, value) in metadata {
            inserts.label.execute((space, key, value, number))?;
        }
        if let Some(vector) = &vector {
            write_components(vector.components(), &mut self.blob);
            inserts.vector.execute((number, space, &self.blob))?;
        }
        let change = self.change(namespace)?;
        change.memories += 1;
        if let Some(vector) = vector {
            change.dimension = Some(vector.dimension());
            change
                .vectors
                .push(VectorChange::Push(number, vector.into_components()));
        }
        Ok(Ok((id, created_at)))
    }

    /// Refuses a new namespace when there are enough.
    fn admit(&self, namespace: &Namespace) -> Result<(), Error> {
        if self.changes.contains_key(namespace) || self.spaces.get(namespace).is_some() {
            return Ok(());
        }
        let new = self
            .changes
            .values()
            .filter(|change| change.space.is_none());
        if self.spaces.len() + new.count() >= NAMESPACES {
            return Err(Error::TooManyNamespaces { max: NAMESPACES });
        }
        Ok(())
    }

    /// The number of the namespace, if there is one after what this transaction
    /// did.
    fn number(&self, namespace: &Namespace) -> Option<i64> {
        match self.changes.get(namespace) {
            Some(change) => Some(change.number),
            None => self.spaces.get(namespace).map(|space| space.number),
        }
    }

    /// The dimension that vectors must have, after what this transaction did.
    fn dimension(&self, namespace: &Namespace) -> Option<Dimension> {
        self.changes
            .get(namespace)
            .and_then(|change| change.dimension)
            .or_else(|| self.spaces.dimension(self.spaces.get(namespace).as_deref()))
    }

    /// The change of a namespace, which is made if it is new.
    fn change(&mut self, namespace: &Namespace) -> rusqlite::Result<&mut SpaceChange> {
        if !self.changes.contains_key(namespace) {
            let space = self.spaces.get(namespace);
            let number = match &space {
                Some(space) => space.number,
                None => self.create(namespace)?,
            };
            let change = SpaceChange {
                number,
                dimension: space.as_ref().and_then(|space| space.dimension()),
                memories: 0,
                vectors: Vec::new(),
                space,
            };
            self.changes.insert(namespace.clone(), change);
        }
        Ok(self
            .changes
            .get_mut(namespace)
            .expect("inserted above if it was missing"))
    }

    fn create(&self, namespace: &Namespace) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached("insert into namespace (name) values (?)")?
            .execute([namespace.as_str()])?;
        let number = self.transaction.last_insert_rowid();
        self.transaction
            .execute_batch(&schema::words_table(number))?;
        Ok(number)
    }
}
