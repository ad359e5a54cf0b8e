//! Databases: their formats, and connections to them.

use std::{fs, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{fault::Fault, folder::Folder};

/// What an answered write survives. In both, the store is never torn: what is
/// there after a crash is the state after some commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process and the loss of power: every commit waits for
    /// the disk.
    #[default]
    Fsync,
    /// The end of the process, `kill -9` included, but not the loss of power:
    /// the operating system writes when it likes, and the last seconds may be
    /// missing then.
    Os,
}

/// What a database is, and how it became so.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Marks a database as ours, in its header.
    pub application: i64,
    /// The steps from an empty database to the newest format; a database has
    /// the format of as many steps as it has taken. A step is never changed
    /// once it was published.
    pub steps: &'static [&'static str],
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// All writes.
    Write(Durability),
    /// Reads that end soon.
    Read,
    /// One long read, which keeps its notes in temporary tables.
    Stream,
}

impl Format {
    /// The newest format.
    fn newest(&self) -> i64 {
        self.steps.len() as i64
    }

    /// Opens the database of a folder for writing, brings it to the newest
    /// format and gives the connection that writes.
    ///
    /// # Errors
    /// When the file is not ours, newer than we are, or cannot be used.
    pub fn prepare(&self, folder: &Folder, durability: Durability) -> Result<Connection, Fault> {
        // Looked at before anything is written: it may not be ours.
        self.inspect(folder)?;
        let mut connection = open(folder, Purpose::Write(durability))
            .map_err(|error| Fault::at_opening(folder, error))?;
        self.migrate(&mut connection)
            .map_err(|error| Fault::at_opening(folder, error))?;
        folder.sync_names()?;
        Ok(connection)
    }

    /// Refuses a database that is not ours, or newer than we are.
    fn inspect(&self, folder: &Folder) -> Result<(), Fault> {
        let file = folder.database();
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
        let (application, format, tables) =
            look().map_err(|error| Fault::at_opening(folder, error))?;
        let foreign = || Fault::Foreign {
            file: file.clone(),
            store: folder.name(),
        };
        if application == 0 && format == 0 {
            // An empty database, if its making was cut short.
            return match tables {
                0 => Ok(()),
                _ => Err(foreign()),
            };
        }
        if application != self.application || format < 0 {
            return Err(foreign());
        }
        if format > self.newest() {
            return Err(Fault::NewerFormat {
                folder: folder.path().into(),
                found: format,
                known: self.newest(),
            });
        }
        Ok(())
    }

    fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format: usize = transaction
            .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
            as usize;
        for step in self.steps.iter().skip(format) {
            transaction.execute_batch(step)?;
        }
        if format < self.steps.len() {
            transaction.pragma_update(None, "application_id", self.application)?;
            transaction.pragma_update(None, "user_version", self.newest())?;
        }
        transaction.commit()
    }
}

impl Purpose {
    /// Connects to the database of a folder for this; for writing, it is made
    /// when it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn connect(self, folder: &Folder) -> Result<Connection, Fault> {
        open(folder, self).map_err(|error| Fault::named(folder, error))
    }
}

fn open(folder: &Folder, purpose: Purpose) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        // A connection is used by one thread at a time.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if matches!(purpose, Purpose::Write(_)) {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(folder.database(), flags)?;
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
