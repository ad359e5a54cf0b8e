//! The feed of changes: read once from the store and told to all who watch, in
//! order. Nobody waits for a slow one, who is told so instead of missing
//! something.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::JoinHandle,
};

use crate::{
    error::Error,
    store::{AWAY, Change, Sequence, Store},
    user::UserId,
};

/// How many changes a subscriber may fall behind.
pub const MAX_BEHIND: u64 = 10_000;

/// How many changes are read at a time.
const READING: usize = 500;

/// Changes on their way to those who watch; or why some were lost.
type Told = Result<Arc<Change>, Error>;

/// All who watch, and the task that reads for them.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    reader: Mutex<Reader>,
}

/// The task, which begins with the first who watches and ends with the feed.
enum Reader {
    Idle,
    Running(broadcast::Sender<Told>, JoinHandle<()>),
    Closed,
}

/// Somebody who watches.
pub struct Subscription {
    /// `None` when there is nothing more to come.
    changes: Option<broadcast::Receiver<Told>>,
    /// Only what comes after this one.
    after: Sequence,
    /// Whose changes; everybody's if it is empty.
    users: HashSet<UserId>,
}

impl Feed {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            reader: Mutex::new(Reader::Idle),
        }
    }

    /// Watches what changes after this.
    pub(crate) async fn subscribe(&self, users: Vec<UserId>) -> Result<Subscription, Error> {
        let changes = self.listen();
        // Asked for behind the subscription: what comes after it is told. What
        // another process did before may be told here later, and is left out.
        let after = match changes {
            Some(_) => self.store.now().await?,
            None => 0,
        };
        Ok(Subscription {
            changes,
            after,
            users: users.into_iter().collect(),
        })
    }

    fn listen(&self) -> Option<broadcast::Receiver<Told>> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*reader, Reader::Idle) {
            // Room for those who are behind, and for what comes while they are
            // told so.
            let (sender, _) = broadcast::channel(MAX_BEHIND as usize + READING);
            let newest = self.store.newest();
            // From here on, not from when the task begins.
            let after = *newest.borrow();
            let reading = read(self.store.clone(), newest, after, sender.clone());
            *reader = Reader::Running(sender, tokio::spawn(reading));
        }
        match &*reader {
            Reader::Running(sender, _) => Some(sender.subscribe()),
            Reader::Idle | Reader::Closed => None,
        }
    }

    /// Lets go of all who watch.
    pub(crate) fn close(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Reader::Running(_, task) = std::mem::replace(&mut *reader, Reader::Closed) {
            task.abort();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

impl Subscription {
    /// The next change. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// [`Error::BehindChanges`] for one who has fallen too far behind,
    /// [`Error::Ending`] when the directory is closed.
    pub async fn next(&mut self) -> Result<Arc<Change>, Error> {
        let max = MAX_BEHIND;
        let changes = self.changes.as_mut().ok_or(Error::Ending)?;
        loop {
            if changes.len() as u64 > max {
                return Err(Error::BehindChanges { max });
            }
            let change = match changes.recv().await {
                Ok(told) => told?,
                Err(RecvError::Lagged(_)) => return Err(Error::BehindChanges { max }),
                Err(RecvError::Closed) => return Err(Error::Ending),
            };
            let asked = self.users.is_empty() || self.users.contains(&change.user.id);
            if asked && change.sequence > self.after {
                return Ok(change);
            }
        }
    }
}

/// Reads what is new, whenever there is something, until the store is gone.
async fn read(
    store: Arc<dyn Store>,
    mut newest: watch::Receiver<Sequence>,
    mut after: Sequence,
    subscribers: broadcast::Sender<Told>,
) {
    loop {
        let until = *newest.borrow_and_update();
        while after < until {
            after = tell(&*store, after, until, &subscribers).await;
        }
        if newest.changed().await.is_err() {
            return;
        }
    }
}

/// Tells what comes next, and gives its number. Nobody may be there to hear it.
async fn tell(
    store: &dyn Store,
    after: Sequence,
    until: Sequence,
    subscribers: &broadcast::Sender<Told>,
) -> Sequence {
    let behind = || Error::BehindChanges { max: MAX_BEHIND };
    let changes = match store.changes(after, READING).await {
        Ok(changes) => changes,
        // They are there when it is back, and are told then.
        Err(Error::Unavailable) => {
            tokio::time::sleep(AWAY).await;
            return after;
        }
        Err(error) => {
            tracing::warn!(%error, "changes could not be read");
            drop(subscribers.send(Err(error)));
            return until;
        }
    };
    if changes.lost || changes.changes.is_empty() {
        drop(subscribers.send(Err(behind())));
    }
    let mut last = None;
    for change in changes.changes {
        last = Some(change.sequence);
        drop(subscribers.send(Ok(Arc::new(change))));
    }
    last.unwrap_or(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::Directory,
        settings::Settings,
        store::ChangeKind,
        user::{Email, Name, NewUser, UserChange},
    };

    fn user(i: u64) -> NewUser {
        let email = Email::new(&format!("user{i}@example.com")).unwrap();
        NewUser::new(email, Name::new("x").unwrap())
    }

    async fn create(directory: &Directory, from: u64, count: u64) {
        let mut creation = directory.creation();
        for i in from..from + count {
            creation.push(Ok(user(i))).await.unwrap();
        }
        let (created, _) = creation.finish().await.unwrap();
        assert_eq!(created.len() as u64, count);
    }

    #[tokio::test]
    async fn everybody_is_told_everything_in_order_from_the_call_on() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Settings::new(folder.path())).unwrap();
        create(&directory, 0, 3).await;
        let mut all = directory.watch(Vec::new()).await.unwrap();
        let id = UserId::new(2).unwrap();
        let mut one = directory.watch(vec![id]).await.unwrap();
        create(&directory, 3, 2).await;
        let change = UserChange {
            name: Some(Name::new("y").unwrap()),
            ..UserChange::default()
        };
        directory.update(id, change.clone()).await.unwrap();
        // What changes nothing is no change.
        directory.update(id, change).await.unwrap();
        directory.delete(id).await.unwrap();
        for (kind, id) in [
            (ChangeKind::Created, 4),
            (ChangeKind::Created, 5),
            (ChangeKind::Updated, 2),
            (ChangeKind::Deleted, 2),
        ] {
            let change = all.next().await.unwrap();
            assert_eq!((change.kind, change.user.id.get()), (kind, id));
        }
        for kind in [ChangeKind::Updated, ChangeKind::Deleted] {
            let change = one.next().await.unwrap();
            assert_eq!((change.kind, change.user.name.as_str()), (kind, "y"));
        }
        directory.close().await.unwrap();
        assert!(matches!(all.next().await, Err(Error::Ending)));
        let mut late = directory.watch(Vec::new()).await.unwrap();
        assert!(matches!(late.next().await, Err(Error::Ending)));
    }

    #[tokio::test]
    async fn one_may_fall_ten_thousand_changes_behind_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Settings::new(folder.path())).unwrap();
        let mut slow = directory.watch(Vec::new()).await.unwrap();
        let mut other = directory.watch(Vec::new()).await.unwrap();
        create(&directory, 0, MAX_BEHIND).await;
        // The other has heard of all of them; so they wait for the slow one.
        for i in 1..=MAX_BEHIND {
            let change = other.next().await.unwrap();
            assert_eq!(change.user.id.get() as u64, i);
        }
        assert_eq!(slow.next().await.unwrap().user.id.get(), 1);
        create(&directory, MAX_BEHIND, 2).await;
        for _ in 0..2 {
            other.next().await.unwrap();
        }
        assert_eq!(
            slow.next().await.unwrap_err().to_string(),
            "you fell more than 10000 changes behind; begin to watch anew and list the users again"
        );
    }
}
