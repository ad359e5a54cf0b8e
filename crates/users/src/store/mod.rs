//! Where the directory is kept. [`Store`] says what every store can do, and is
//! all that the rest of the crate knows of one; the embedded store is
//! [`SqliteStore`]. A new kind of store is a folder here, and passes the suite
//! that all of them share.

mod sqlite;
#[cfg(test)]
mod suite;

use async_trait::async_trait;
use tokio::sync::watch;

pub(crate) use self::sqlite::SqliteStore;
use crate::{
    document::{Applied, Document, DocumentId, Proposal},
    error::Error,
    page::PageKey,
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

    /// The newest change that can be seen, now and whenever there is another.
    fn newest(&self) -> watch::Receiver<Sequence>;

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

    /// Finishes the writes that were begun. Reads and writes after this fail.
    async fn close(&self) -> Result<(), Error>;
}

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
