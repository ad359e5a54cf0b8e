//! The embedded store: one SQLite database in the data folder, written by one
//! thread, read by many.

mod read;
mod schema;
mod write;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use portolan_sqlite::{Fault, Folder, Readers};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::watch;

use self::writer::Writer;
use super::{Changes, PageEnd, Sequence, Store};
use crate::{
    document::{Applied, Document, DocumentId, MAX_LATE, Proposal},
    error::Error,
    page::PageKey,
    settings::Settings,
    user::{NewUser, SyncUser, Synced, User, UserChange, UserId},
};

/// The name that the files of the store begin with.
const STORE: &str = "users";

/// See the module.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    readers: Readers,
    writer: Writer,
    newest: watch::Receiver<Sequence>,
    page_key: PageKey,
}

impl SqliteStore {
    /// Opens the data folder, and makes it if it is missing.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Fault> {
        let folder = Arc::new(Folder::open(&settings.data, STORE)?);
        let named = |error| Fault::named(&folder, error);
        let connection = schema::FORMAT.prepare(&folder, settings.durability)?;
        let page_key = page_key(&connection).map_err(named)?;
        let newest = read::newest(&connection).map_err(named)?;
        let (sender, newest) = watch::channel(newest);
        Ok(Self {
            readers: Readers::new(folder.clone()),
            writer: Writer::start(folder, connection, sender)?,
            newest,
            page_key,
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create(&self, user: NewUser) -> Result<User, Error> {
        let size = user.size();
        self.writer.write(1, size, |draft| draft.create(user)).await
    }

    async fn create_all(&self, users: Vec<NewUser>) -> Result<Vec<User>, Error> {
        let (rows, size) = weigh(&users);
        self.writer
            .write(rows, size, |draft| draft.create_all(users))
            .await
    }

    async fn create_each(&self, users: Vec<NewUser>) -> Result<Vec<Result<User, Error>>, Error> {
        let (rows, size) = weigh(&users);
        self.writer
            .write(rows, size, |draft| {
                let outcomes = users.into_iter().map(|user| draft.create(user));
                outcomes.collect::<rusqlite::Result<_>>().map(Ok)
            })
            .await
    }

    async fn update(&self, id: UserId, change: UserChange) -> Result<User, Error> {
        self.writer
            .write(1, 0, move |draft| draft.update(id, change))
            .await
    }

    async fn sync(&self, user: SyncUser) -> Result<(User, Synced), Error> {
        self.writer.write(1, 0, |draft| draft.sync(user)).await
    }

    async fn delete(&self, id: UserId) -> Result<bool, Error> {
        self.writer
            .write(1, 0, move |draft| draft.delete(id).map(Ok))
            .await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>, Error> {
        let user = self.readers.read(move |reader| read::by_id(reader, id));
        Ok(user.await?)
    }

    async fn page(&self, after: Option<UserId>, size: usize) -> Result<Option<PageEnd>, Error> {
        let end = self
            .readers
            .read(move |reader| read::page(reader, after, size));
        Ok(end.await?)
    }

    async fn users(
        &self,
        after: Option<UserId>,
        last: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        let users = self
            .readers
            .read(move |reader| read::users(reader, after, last, limit));
        Ok(users.await?)
    }

    fn newest(&self) -> watch::Receiver<Sequence> {
        self.newest.clone()
    }

    async fn changes(&self, after: Sequence, limit: usize) -> Result<Changes, Error> {
        let changes = self
            .readers
            .read(move |reader| read::changes(reader, after, limit));
        Ok(changes.await?)
    }

    async fn document(&self, id: &DocumentId) -> Result<Document, Error> {
        let id = id.clone();
        let document = self.readers.read(move |reader| read::document(reader, &id));
        Ok(document.await?)
    }

    async fn edit(&self, id: &DocumentId, proposal: Proposal) -> Result<i64, Error> {
        let id = id.clone();
        let size = proposal.operation.text.len();
        self.writer
            .write(2, size, move |draft| draft.edit(&id, proposal))
            .await
    }

    async fn edits(
        &self,
        id: &DocumentId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Applied>, Error> {
        let id = id.clone();
        let edits = self
            .readers
            .read(move |reader| read::edits(reader, &id, after, limit))
            .await?;
        match edits.first() {
            Some(first) if first.revision > after + 1 => {
                Err(Error::BehindDocument { max: MAX_LATE })
            }
            _ => Ok(edits),
        }
    }

    fn page_key(&self) -> &PageKey {
        &self.page_key
    }

    fn standing(&self) -> watch::Receiver<bool> {
        // A disk is never away, and its faults are told to whoever meets them.
        watch::channel(true).1
    }

    async fn close(&self) -> Result<(), Error> {
        self.readers.close();
        self.writer.close().await
    }
}

/// How many rows these are, and about how many bytes.
fn weigh(users: &[NewUser]) -> (usize, usize) {
    (users.len(), users.iter().map(NewUser::size).sum())
}

/// The key of page tokens, which is made when the store is.
fn page_key(connection: &Connection) -> rusqlite::Result<PageKey> {
    let found: Option<Vec<u8>> = connection
        .query_row(
            "select value from secret where name = 'page tokens'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let key = match found {
        Some(key) => key,
        None => {
            let mut key = vec![0; PageKey::LENGTH];
            SystemRandom::new().fill(&mut key).map_err(|_| {
                let reason = "the system has no random numbers";
                rusqlite::Error::ToSqlConversionFailure(reason.into())
            })?;
            connection.execute(
                "insert into secret (name, value) values ('page tokens', ?)",
                [&key],
            )?;
            key
        }
    };
    Ok(PageKey::new(&key))
}
