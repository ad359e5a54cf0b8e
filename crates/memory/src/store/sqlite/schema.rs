//! The tables, their versions, and connections to them.

use std::{fs, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::{fault, folder::Folder};
use crate::{error::Error, settings::Durability};

/// Marks a database as ours ("Port"), in its header.
const APPLICATION: i64 = 0x506f_7274;

/// The steps from an empty database to the newest format; a database has the
/// format of as many steps as it has taken. A step is never changed once it
/// was published.
const STEPS: [&str; 1] = [
    // 1. Numbers rise in the order of storing. The words of a namespace are in
    //    a table of their own, `words_N` (see `words_table`), since BM25 weighs
    //    a word by how rare it is among all rows of its table.
    "
    create table namespace (
        id integer primary key,
        name text not null unique,
        dimension integer,
        memories integer not null default 0
    ) strict;
    create table memory (
        number integer primary key,
        namespace integer not null references namespace,
        id blob not null unique,
        content text not null,
        metadata text not null,
        created_at integer not null
    ) strict;
    create index memory_by_namespace on memory (namespace, number);
    create table vector (
        memory integer primary key references memory,
        namespace integer not null references namespace,
        components blob not null
    ) strict;
    create table label (
        namespace integer not null references namespace,
        key text not null,
        value text not null,
        memory integer not null references memory,
        primary key (namespace, key, value, memory)
    ) strict, without rowid;
    create table batch (
        namespace integer not null references namespace,
        id text not null,
        consumed integer not null,
        updated_at integer not null,
        primary key (namespace, id)
    ) strict, without rowid;
    create table batch_chunk (
        namespace integer not null references namespace,
        batch text not null,
        start integer not null,
        ids blob not null,
        failures text not null,
        primary key (namespace, batch, start)
    ) strict, without rowid;
    ",
];

/// The newest format.
pub(super) const FORMAT: i64 = STEPS.len() as i64;

/// How a namespace's words are kept: the index alone, since the text is in
/// `memory`; words folded by Unicode, without their accents.
pub(super) fn words_table(namespace: i64) -> String {
    format!(
        "create virtual table words_{namespace} using fts5(
            content, content = '', contentless_delete = 1,
            tokenize = 'unicode61 remove_diacritics 2'
        )"
    )
}

/// What a connection is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// All writes.
    Write(Durability),
    /// Reads that end soon.
    Read,
    /// One long read, which keeps its notes in temporary tables.
    Stream,
}

/// Connects to the database, which is made when it is missing.
pub(super) fn connect(folder: &Folder, purpose: Purpose) -> Result<Connection, Error> {
    open(folder, purpose).map_err(|error| fault::named(folder, error))
}

fn open(folder: &Folder, purpose: Purpose) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        // A connection is used by one thread at a time.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if matches!(purpose, Purpose::Write(_)) {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(folder.store(), flags)?;
    connection.set_prepared_statement_cache_capacity(128);
    // Otherwise SQLite plans by the values that are bound, and so prepares a
    // statement again for each call: measured, a read by id took 8 times as
    // long. There are no statistics that the values would be looked up in.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Readers wait for nobody in WAL mode, but for the recovery of the log.
    connection.busy_timeout(Duration::from_secs(5))?;
    match purpose {
        Purpose::Write(durability) => {
            // 5 vectors of 384 components fit in a page of 8 KiB, 2 in one of
            // 4 KiB; measured, this is the fastest size to write, too.
            connection.pragma_update(None, "page_size", 8192)?;
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            let synchronous = match durability {
                Durability::Fsync => "full",
                Durability::Os => "normal",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            // In pages: a log of 32 MB is written back at leisure.
            connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
            connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
            connection.pragma_update(None, "cache_size", -16_384)?;
        }
        Purpose::Read => {
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", -2048)?;
        }
        Purpose::Stream => {
            connection.pragma_update(None, "cache_size", -512)?;
            connection.pragma_update(None, "temp_store", "file")?;
        }
    }
    Ok(connection)
}

/// Opens the database for writing, brings it to the newest format and gives
/// the connection that writes.
pub(super) fn prepare(folder: &Folder, durability: Durability) -> Result<Connection, Error> {
    // Looked at before anything is written: it may not be ours.
    inspect(folder)?;
    let mut connection = open(folder, Purpose::Write(durability))
        .map_err(|error| fault::at_opening(folder, error))?;
    migrate(&mut connection).map_err(|error| fault::at_opening(folder, error))?;
    folder.sync_names()?;
    Ok(connection)
}

/// Refuses a database that is not ours, or newer than we are.
fn inspect(folder: &Folder) -> Result<(), Error> {
    let file = folder.store();
    let found = fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0);
    if !found {
        return Ok(());
    }
    let look = || -> rusqlite::Result<(i64, i64, i64)> {
        let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let tables =
            connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let (application, format, tables) = look().map_err(|error| fault::at_opening(folder, error))?;
    if application == 0 && format == 0 {
        // An empty database, if its making was cut short.
        return match tables {
            0 => Ok(()),
            _ => Err(Error::Foreign { file }),
        };
    }
    if application != APPLICATION || format < 0 {
        return Err(Error::Foreign { file });
    }
    if format > FORMAT {
        return Err(Error::NewerFormat {
            folder: folder.path().into(),
            found: format,
            known: FORMAT,
        });
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format: usize =
        transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? as usize;
    for step in STEPS.iter().skip(format) {
        transaction.execute_batch(step)?;
    }
    if format < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}
