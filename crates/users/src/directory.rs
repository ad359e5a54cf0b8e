//! The directory as its callers use it: every operation of the contracts, in
//! the types of the domain. Where users are kept is for [`crate::store`], how
//! they look on the wire for [`crate::grpc`].

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use futures_core::Stream;
use futures_util::stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    batch::{Batch, Creation},
    document::DocumentId,
    documents::{Documents, Joined},
    error::Error,
    feed::{Feed, Subscription},
    page::PageSize,
    rooms::{Message, RoomName, Rooms},
    settings::Settings,
    store::{Database, Ears, Files, FolderFiles, PostgresStore, SqliteStore, Store},
    uploads::Uploads,
    user::{NewUser, Status, SyncUser, Synced, User, UserChange, UserId},
};

/// The bytes of an answer that may be had, when nobody says otherwise: what a
/// gRPC client takes by default.
const MAX_ANSWER: usize = 4 << 20;

/// How many users are read at a time.
const READING: usize = 64;

/// Users, as a stream in bounded memory: it reads on when it is polled.
pub type UserStream = Pin<Box<dyn Stream<Item = Result<User, Error>> + Send>>;

/// A durable directory of users, and what they do together. Clones share it.
///
/// ```
/// use portolan_users::{Directory, Email, Name, NewUser, PageSize, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let directory = Directory::open(&Settings::new(folder))?;
/// let made = directory
///     .create(NewUser::new(Email::new("john@example.com")?, Name::new("John Doe")?))
///     .await?;
/// assert_eq!(directory.get(made.id).await?, made);
/// let page = directory.list(PageSize::new(10)?, "").await?;
/// assert!(page.next.is_none(), "there is one user");
/// directory.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Directory {
    store: Arc<dyn Store>,
    feed: Arc<Feed>,
    rooms: Rooms,
    documents: Documents,
    uploads: Uploads,
    max_answer: usize,
    ending: CancellationToken,
}

/// A page of users.
pub struct Page {
    /// Its users.
    pub users: UserStream,
    /// The token of the page after it; `None` on the last one.
    pub next: Option<String>,
}

impl Directory {
    /// Opens the data folder, which is made if it is missing. Blocks for a
    /// moment.
    ///
    /// # Errors
    /// When the folder cannot be used: [`Error`] says for which reason.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let store = Arc::new(SqliteStore::open(settings)?);
        // Behind the store, which holds the folder.
        let files = Arc::new(FolderFiles::open(&settings.data)?);
        Ok(Self::over(
            store,
            files,
            Rooms::default(),
            Joined::default(),
        ))
    }

    /// Uses a PostgreSQL database, in which it makes its tables if they are
    /// missing. Several processes may use the same, and are one directory then.
    /// Only within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Unusable`] says why the database cannot be used.
    pub async fn connect(database: &Database) -> Result<Self, Error> {
        let (rooms, joined) = (Rooms::default(), Joined::default());
        let ears = Here {
            rooms: rooms.clone(),
            joined: joined.clone(),
        };
        let store = PostgresStore::connect(database, Arc::new(ears)).await?;
        let rooms = rooms.through(store.line());
        let files = store.files();
        Ok(Self::over(Arc::new(store), files, rooms, joined))
    }

    fn over(store: Arc<dyn Store>, files: Arc<dyn Files>, rooms: Rooms, joined: Joined) -> Self {
        Self {
            feed: Arc::new(Feed::new(store.clone())),
            rooms,
            documents: Documents::new(store.clone(), joined),
            uploads: Uploads::new(files),
            store,
            max_answer: MAX_ANSWER,
            ending: CancellationToken::new(),
        }
    }

    /// Bounds the answers of batches and whole lists, through this and through
    /// the clones that are made of it: to so many bytes in the encoding of the
    /// contracts, and to 4 MiB if this is not called.
    #[must_use]
    pub fn with_max_answer(self, bytes: usize) -> Self {
        Self {
            max_answer: bytes,
            ..self
        }
    }

    /// Makes a user; when this returns, it is durable and seen by every read
    /// that begins from now on.
    ///
    /// # Errors
    /// [`Error::EmailTaken`].
    pub async fn create(&self, user: NewUser) -> Result<User, Error> {
        self.store.create(user).await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, id: UserId) -> Result<User, Error> {
        let user = self.store.get(id).await?;
        user.ok_or_else(|| Error::NotFound(id.to_string()))
    }

    /// Changes a user, durably.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EmailTaken`], and [`Error::Invalid`] when
    /// the metadata becomes too much.
    pub async fn update(&self, id: UserId, change: UserChange) -> Result<User, Error> {
        self.store.update(id, change).await
    }

    /// Removes a user, durably.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, id: UserId) -> Result<(), Error> {
        match self.store.delete(id).await? {
            true => Ok(()),
            false => Err(Error::NotFound(id.to_string())),
        }
    }

    /// Brings a user to what somebody else has, durably: found by id, or else
    /// by email, or made.
    ///
    /// # Errors
    /// [`Error::EmailTaken`], and [`Error::Invalid`] for a user to make without
    /// email and name.
    pub async fn sync(&self, user: SyncUser) -> Result<(User, Synced), Error> {
        self.store.sync(user).await
    }

    /// A page of users in the order of their ids: the first without a token.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a token that is none.
    pub async fn list(&self, size: PageSize, token: &str) -> Result<Page, Error> {
        let key = self.store.page_key();
        let after = key.after(token)?;
        let Some(end) = self.store.page(after, size.get()).await? else {
            return Ok(Page {
                users: Box::pin(stream::empty()),
                next: None,
            });
        };
        let reading = Reading {
            store: self.store.clone(),
            after,
            last: Some(end.last),
            users: VecDeque::new(),
        };
        Ok(Page {
            users: Box::pin(stream::try_unfold(reading, Reading::next)),
            next: end.more.then(|| key.token(end.last)),
        })
    }

    /// All active users at once.
    ///
    /// # Errors
    /// [`Error::ListAnswerFull`] when they are too much for an answer.
    pub async fn active(&self) -> Result<Vec<User>, Error> {
        let (mut active, mut size, mut after) = (Vec::new(), 0, None);
        loop {
            let users = self.store.users(after, None, READING).await?;
            let Some(last) = users.last() else {
                return Ok(active);
            };
            after = Some(last.id);
            for user in users {
                if user.status == Status::Active {
                    size += user.size();
                    active.push(user);
                }
            }
            if size > self.max_answer {
                let max = self.max_answer;
                return Err(Error::ListAnswerFull { max });
            }
        }
    }

    /// Begins a batch of users, of which all are made or none.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.store.clone(), self.max_answer)
    }

    /// Begins to make users, as many of a stream as can be made.
    #[must_use]
    pub fn creation(&self) -> Creation {
        Creation::new(self.store.clone(), self.max_answer)
    }

    /// Watches what changes after this: of these users, or of all if there are
    /// none. Only within a tokio runtime.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn watch(&self, users: Vec<UserId>) -> Result<Subscription, Error> {
        self.feed.subscribe(users).await
    }

    /// Whether the store can be reached, now and whenever that changes. One in a
    /// data folder always can.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<bool> {
        self.store.standing()
    }

    /// The rooms in which people talk.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The documents that people write.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The files that people upload.
    #[must_use]
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Ends all streams that have no end of their own, with [`Error::Ending`],
    /// now and in the future; everything else goes on.
    pub fn end_streams(&self) {
        self.ending.cancel();
    }

    /// Waits until [`Directory::end_streams`] is called.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// Finishes what was begun. Operations after this fail with
    /// [`Error::Closed`]; the data folder is free for others when the last
    /// clone and the last stream are dropped.
    ///
    /// # Errors
    /// When the runtime is shutting down already.
    pub async fn close(&self) -> Result<(), Error> {
        self.end_streams();
        self.feed.close();
        self.store.close().await
    }
}

/// Those here who hear of what other processes do.
struct Here {
    rooms: Rooms,
    joined: Joined,
}

impl Ears for Here {
    fn edited(&self, document: &DocumentId, revision: i64) {
        self.joined.edited(document, revision);
    }

    fn open_documents(&self) -> Vec<DocumentId> {
        self.joined.documents()
    }

    fn said(&self, room: &RoomName, message: Message) {
        self.rooms.hear(room, message);
    }

    fn cut(&self) {
        self.rooms.cut();
    }

    fn mended(&self) {
        self.rooms.mend();
    }
}

/// A page that is being read.
struct Reading {
    store: Arc<dyn Store>,
    after: Option<UserId>,
    last: Option<UserId>,
    users: VecDeque<User>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(User, Self)>, Error> {
        if self.users.is_empty() {
            let users = self.store.users(self.after, self.last, READING).await?;
            self.users = users.into();
        }
        let user = self.users.pop_front();
        Ok(user.map(|user| {
            self.after = Some(user.id);
            (user, self)
        }))
    }
}
