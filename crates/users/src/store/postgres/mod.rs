//! The store that several processes share: a PostgreSQL database. Users are
//! changed by one writer in each process, in turns ([`writer`]); everything else
//! goes to the database as it comes. A process hears of what others did by
//! [`listener`].

mod connections;
mod database;
mod draft;
mod edit;
mod files;
mod group;
mod line;
mod listener;
mod news;
mod read;
mod schema;
mod tls;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::database::Database;
use self::{
    connections::{Connections, Failure, reason},
    draft::Needs,
    files::DatabaseFiles,
    line::Speech,
    listener::Listener,
    writer::Writer,
};
use super::{Changes, Ears, Files, Line, PageEnd, Sequence, Store};
use crate::{
    document::{Applied, Document, DocumentId, MAX_LATE, Proposal},
    error::Error,
    page::PageKey,
    user::{NewUser, SyncUser, Synced, User, UserChange, UserId},
};

/// See the module.
pub(crate) struct PostgresStore {
    connections: Arc<Connections>,
    writer: Writer,
    speech: Speech,
    files: Arc<DatabaseFiles>,
    newest: watch::Receiver<Sequence>,
    standing: watch::Receiver<bool>,
    page_key: PageKey,
    closing: CancellationToken,
    /// Ended when this is dropped.
    tasks: Mutex<Option<Tasks>>,
}

/// What runs for a store.
struct Tasks {
    /// The one that is waited for.
    writer: JoinSet<()>,
    others: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, makes the tables if need be, and begins to listen for `ears`.
    pub(crate) async fn connect(database: &Database, ears: Arc<dyn Ears>) -> Result<Self, Error> {
        let unusable = |reason: &str| {
            Error::Unusable(format!(
                "the database {database} cannot be used: {reason}; see to it, or choose another \
                 with --database"
            ))
        };
        let page_key = prepare(database).await.map_err(|failure| match failure {
            Failure::Engine(error) => unusable(&reason(&error)),
            Failure::Refused(Error::Unavailable) => unusable("it does not answer"),
            Failure::Refused(error) => unusable(&error.to_string()),
        })?;
        let (newest_sender, newest) = watch::channel(0);
        let (standing_sender, mut standing) = watch::channel(false);
        let connections = Arc::new(Connections::new(database, standing.clone())?);
        let (writer, desk) = writer::writer(connections.clone(), newest_sender.clone());
        let (speech, speaker) = line::line(connections.clone())?;
        let (files, sweeper) = files::files(connections.clone());
        let listener = Listener {
            database: database.clone(),
            ears,
            pending: speech.pending(),
            newest: newest_sender,
            standing: standing_sender,
        };
        let closing = CancellationToken::new();
        let mut tasks = Tasks {
            writer: JoinSet::new(),
            others: JoinSet::new(),
        };
        tasks
            .writer
            .spawn(desk.work(closing.clone().cancelled_owned()));
        tasks.others.spawn(listener.work());
        tasks.others.spawn(speaker.work());
        tasks.others.spawn(sweeper.work());
        // It has answered once, so it will again.
        let stands = standing.wait_for(|stands| *stands);
        let limit = database.connect_timeout() + database.patience();
        if !matches!(timeout(limit, stands).await, Ok(Ok(_))) {
            return Err(unusable("it does not answer"));
        }
        Ok(Self {
            connections,
            writer,
            speech,
            files: Arc::new(files),
            newest,
            standing,
            page_key,
            closing,
            tasks: Mutex::new(Some(tasks)),
        })
    }

    /// The way to people in the rooms of all processes.
    pub(crate) fn line(&self) -> Arc<dyn Line> {
        Arc::new(self.speech.clone())
    }

    /// Where files are kept.
    pub(crate) fn files(&self) -> Arc<dyn Files> {
        self.files.clone()
    }
}

/// Sees to the tables, on a connection that is gone afterwards.
async fn prepare(database: &Database) -> Result<PageKey, Failure> {
    let config = database.config();
    let connecting = timeout(
        database.connect_timeout(),
        config.connect(database.tls().clone()),
    );
    let connected = connecting.await.map_err(|_| Error::Unavailable)?;
    let (mut client, connection) = connected?;
    tokio::select! {
        prepared = schema::prepare(&mut client) => prepared,
        ended = connection => {
            ended?;
            Err(Error::Unavailable.into())
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn create(&self, user: NewUser) -> Result<User, Error> {
        let needs = Needs::default().and_email(Some(&user.email));
        let size = user.size();
        let create = move |draft: &mut draft::Draft| draft.create(user.clone());
        self.writer.write(needs, size, create).await
    }

    async fn create_all(&self, users: Vec<NewUser>) -> Result<Vec<User>, Error> {
        let (needs, size) = (Needs::of_emails(&users), size(&users));
        self.writer
            .write(needs, size, move |draft| draft.create_all(&users))
            .await
    }

    async fn create_each(&self, users: Vec<NewUser>) -> Result<Vec<Result<User, Error>>, Error> {
        let (needs, size) = (Needs::of_emails(&users), size(&users));
        self.writer
            .write(needs, size, move |draft| {
                let users = users.iter().cloned();
                Ok(users.map(|user| draft.create(user)).collect())
            })
            .await
    }

    async fn update(&self, id: UserId, change: UserChange) -> Result<User, Error> {
        let needs = Needs::of_id(id).and_email(change.email.as_ref());
        let update = move |draft: &mut draft::Draft| draft.update(id, change.clone());
        self.writer.write(needs, 0, update).await
    }

    async fn sync(&self, user: SyncUser) -> Result<(User, Synced), Error> {
        let needs = user.id.map(Needs::of_id).unwrap_or_default();
        let needs = needs.and_email(user.change.email.as_ref());
        let sync = move |draft: &mut draft::Draft| draft.sync(user.clone());
        self.writer.write(needs, 0, sync).await
    }

    async fn delete(&self, id: UserId) -> Result<bool, Error> {
        self.writer
            .write(Needs::of_id(id), 0, move |draft| Ok(draft.delete(id)))
            .await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::by_id(&lent, id)).await
    }

    async fn page(&self, after: Option<UserId>, size: usize) -> Result<Option<PageEnd>, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::page(&lent, after, size)).await
    }

    async fn users(
        &self,
        after: Option<UserId>,
        last: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::users(&lent, after, last, limit)).await
    }

    fn newest(&self) -> watch::Receiver<Sequence> {
        self.newest.clone()
    }

    async fn now(&self) -> Result<Sequence, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::newest(&lent)).await
    }

    async fn changes(&self, after: Sequence, limit: usize) -> Result<Changes, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::changes(&lent, after, limit)).await
    }

    async fn document(&self, id: &DocumentId) -> Result<Document, Error> {
        let lent = self.connections.lend().await?;
        lent.run(read::document(&lent, id)).await
    }

    async fn edit(&self, id: &DocumentId, proposal: Proposal) -> Result<i64, Error> {
        let mut lent = self.connections.lend().await?;
        let limit = lent.patience();
        match timeout(limit, edit::edit(&mut lent, id, proposal)).await {
            Ok(edited) => Ok(edited?),
            Err(_) => {
                lent.spoil();
                Err(Error::Unavailable)
            }
        }
    }

    async fn edits(
        &self,
        id: &DocumentId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Applied>, Error> {
        let lent = self.connections.lend().await?;
        let edits = lent.run(read::edits(&lent, id, after, limit)).await?;
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
        self.standing.clone()
    }

    async fn close(&self) -> Result<(), Error> {
        self.writer.close();
        self.closing.cancel();
        let tasks = self
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut tasks) = tasks {
            while tasks.writer.join_next().await.is_some() {}
            tasks.others.shutdown().await;
        }
        self.connections.close();
        Ok(())
    }
}

/// About how many bytes these are.
fn size(users: &[NewUser]) -> usize {
    users.iter().map(NewUser::size).sum()
}
