//! Where the directory is kept. [`Store`] says what every store can do, and is
//! all that the rest of the crate knows of one; the embedded store is
//! [`SqliteStore`], and the one that several processes share
//! [`PostgresStore`]. A new kind of store is a folder here, and passes the suite
//! that all of them share.

mod folder;
mod kept;
mod postgres;
mod sqlite;
#[cfg(test)]
mod suite;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

pub use self::postgres::Database;
pub(crate) use self::{folder::FolderFiles, postgres::PostgresStore, sqlite::SqliteStore};
use crate::{
    document::{Applied, Document, DocumentId, Proposal},
    error::Error,
    page::PageKey,
    rooms::{Message, RoomName},
    user::{Moment, NewUser, SyncUser, Synced, User, UserChange, UserId},
};

/// A durable place for users and documents.
///
/// What a write has answered is durable, and every read that begins afterwards
/// sees it. A future that is dropped may or may not have had its effect, but
/// never half of it. Every change of a user is recorded in the same transaction
/// with a sequence number, and numbers rise in the order in which changes can
/// be seen; so several processes over one store can tell their subscribers the
/// same.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Makes a user.
    async fn create(&self, user: NewUser) -> Result<User, Error>;

    /// Makes all users in one transaction, or none: then the error is that of
    /// the first item that cannot be made.
    async fn create_all(&self, users: Vec<NewUser>) -> Result<Vec<User>, Error>;

    /// Makes the users that can be made in one transaction; for the others the
    /// outcome holds why not.
    async fn create_each(&self, users: Vec<NewUser>) -> Result<Vec<Result<User, Error>>, Error>;

    /// Changes a user.
    async fn update(&self, id: UserId, change: UserChange) -> Result<User, Error>;

    /// Changes or makes a user, found by id or else by email.
    async fn sync(&self, user: SyncUser) -> Result<(User, Synced), Error>;

    /// Removes a user; `false` when there is none.
    async fn delete(&self, id: UserId) -> Result<bool, Error>;

    /// The user with this id.
    async fn get(&self, id: UserId) -> Result<Option<User>, Error>;

    /// Where the page of so many users after this one ends; `None` when there
    /// are no more users.
    async fn page(&self, after: Option<UserId>, size: usize) -> Result<Option<PageEnd>, Error>;

    /// Users after this one, up to and with `last` if there is one: at most so
    /// many, in the order of their ids.
    async fn users(
        &self,
        after: Option<UserId>,
        last: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error>;

    /// The newest change that is known of here, now and whenever there is
    /// another.
    fn newest(&self) -> watch::Receiver<Sequence>;

    /// The newest change that any process has made.
    async fn now(&self) -> Result<Sequence, Error> {
        Ok(*self.newest().borrow())
    }

    /// Changes after this one, in order: at most so many.
    async fn changes(&self, after: Sequence, limit: usize) -> Result<Changes, Error>;

    /// The text of a document; an empty one if nobody has written it.
    async fn document(&self, id: &DocumentId) -> Result<Document, Error>;

    /// Applies an operation to a document and gives the last revision that it
    /// made.
    async fn edit(&self, id: &DocumentId, proposal: Proposal) -> Result<i64, Error>;

    /// The operations of a document after this revision, in order: at most so
    /// many. Of older ones than are kept it gives [`Error::BehindDocument`].
    async fn edits(&self, id: &DocumentId, after: i64, limit: usize)
    -> Result<Vec<Applied>, Error>;

    /// What page tokens are signed with; the same in every process over the
    /// store.
    fn page_key(&self) -> &PageKey;

    /// Whether it can be reached, now and whenever that changes.
    fn standing(&self) -> watch::Receiver<bool>;

    /// Finishes the writes that were begun. Reads and writes after this fail.
    async fn close(&self) -> Result<(), Error>;
}

/// Where files are kept.
#[async_trait]
pub(crate) trait Files: Send + Sync + 'static {
    /// Begins a file.
    async fn begin(&self) -> Result<Box<dyn Coming>, Error>;
}

/// A file that is coming in. Dropped, it leaves nothing behind.
#[async_trait]
pub(crate) trait Coming: Send {
    /// Takes the next bytes.
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error>;

    /// Makes it durable under the SHA-256 of what is in it, and gives that in
    /// hexadecimal.
    async fn finish(self: Box<Self>) -> Result<String, Error>;
}

/// The way to people in the rooms of all processes over the same store.
pub(crate) trait Line: Send + Sync + 'static {
    /// Says this to everybody in the room: those who are in it here have it when
    /// this is done.
    fn say(&self, room: RoomName, message: Message) -> BoxFuture<'static, Result<(), Error>>;
}

/// What of this process has to hear what others over the same store do.
pub(crate) trait Ears: Send + Sync + 'static {
    /// Somebody has brought a document to this revision.
    fn edited(&self, document: &DocumentId, revision: i64);

    /// The documents that are being written here.
    fn open_documents(&self) -> Vec<DocumentId>;

    /// Somebody has said something in a room.
    fn said(&self, room: &RoomName, message: Message);

    /// From now on nothing is heard, until [`Ears::mended`].
    fn cut(&self);

    /// From now on everything is heard again.
    fn mended(&self);
}

/// How long a store that is away is left alone by those who wait for it.
pub(crate) const AWAY: Duration = Duration::from_millis(200);

/// The number of a change.
pub(crate) type Sequence = i64;

/// Where a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageEnd {
    /// Its last user.
    pub(crate) last: UserId,
    /// Whether there are users after that one.
    pub(crate) more: bool,
}

/// Changes of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    /// In the order of their numbers.
    pub(crate) changes: Vec<Change>,
    /// Whether some after the one asked for are not kept any more.
    pub(crate) lost: bool,
}

/// A change of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub(crate) sequence: Sequence,
    /// What happened.
    pub kind: ChangeKind,
    /// The user after the change, or as it was when it was removed.
    pub user: User,
    /// When it happened.
    pub at: Moment,
}

/// What happened to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was removed.
    Deleted,
}

/// Bytes as a name has them.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
