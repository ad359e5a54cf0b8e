//! Streams of users to make: all of them or none, or as many as can be made. How
//! they are stored is for [`crate::store`].

use std::{mem, sync::Arc};

use crate::{
    error::{Error, Invalid},
    store::Store,
    user::{NewUser, User},
};

/// The most users of a batch, which is one transaction.
const BATCH: usize = 10_000;

/// How many users are made at a time when the others do not depend on them.
const CHUNK: usize = 500;

/// Users of which all are made or none. They are kept until then, and so are
/// bounded by their count and by the answer.
pub struct Batch {
    store: Arc<dyn Store>,
    users: Vec<NewUser>,
    size: usize,
    max_answer: usize,
}

impl Batch {
    pub(crate) fn new(store: Arc<dyn Store>, max_answer: usize) -> Self {
        Self {
            store,
            users: Vec::new(),
            size: 0,
            max_answer,
        }
    }

    /// Takes the next user, or why it is invalid.
    ///
    /// # Errors
    /// [`Error::Item`] for one that is invalid, [`Error::BatchTooLong`],
    /// [`Error::BatchAnswerFull`]; then nothing is made.
    pub fn push(&mut self, user: Result<NewUser, Invalid>) -> Result<(), Error> {
        let index = self.users.len();
        let user = user.map_err(|invalid| Error::from(invalid).of_item(index as u64))?;
        if index >= BATCH {
            return Err(Error::BatchTooLong { max: BATCH });
        }
        self.size += user.size();
        if self.size > self.max_answer {
            let max = self.max_answer;
            return Err(Error::BatchAnswerFull { max });
        }
        self.users.push(user);
        Ok(())
    }

    /// Makes them, durably.
    ///
    /// # Errors
    /// [`Error::Item`] for the first that cannot be made.
    pub async fn finish(self) -> Result<Vec<User>, Error> {
        self.store.create_all(self.users).await
    }
}

/// Users that are made as far as they can be, while others are still coming.
pub struct Creation {
    store: Arc<dyn Store>,
    waiting: Vec<NewUser>,
    created: Vec<User>,
    failed: u64,
    size: usize,
    max_answer: usize,
}

impl Creation {
    pub(crate) fn new(store: Arc<dyn Store>, max_answer: usize) -> Self {
        Self {
            store,
            waiting: Vec::new(),
            created: Vec::new(),
            failed: 0,
            size: 0,
            max_answer,
        }
    }

    /// Takes the next user, or why it is invalid. Waits while the store has
    /// enough to do.
    ///
    /// # Errors
    /// [`Error::CreationAnswerFull`], and then those before it are made; or
    /// when the store fails.
    pub async fn push(&mut self, user: Result<NewUser, Invalid>) -> Result<(), Error> {
        let Ok(user) = user else {
            self.failed += 1;
            return Ok(());
        };
        let growth = user.size();
        if self.size + growth > self.max_answer {
            // Those that wait may fail, and take no room then.
            self.flush().await?;
            if self.size + growth > self.max_answer {
                return Err(Error::CreationAnswerFull {
                    max: self.max_answer,
                    items: self.created.len() as u64 + self.failed,
                    created: self.created.len() as u64,
                });
            }
        }
        self.size += growth;
        self.waiting.push(user);
        match self.waiting.len() >= CHUNK {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Makes those that wait, and gives those that were made and the count of
    /// those that were not.
    ///
    /// # Errors
    /// When the store fails; what was made before stays.
    pub async fn finish(mut self) -> Result<(Vec<User>, u64), Error> {
        self.flush().await?;
        Ok((self.created, self.failed))
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let waiting = mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        for outcome in self.store.create_each(waiting).await? {
            match outcome {
                Ok(user) => self.created.push(user),
                Err(Error::EmailTaken(_)) => self.failed += 1,
                Err(error) => return Err(error),
            }
        }
        self.size = self.created.iter().map(User::size).sum();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::Directory,
        settings::Settings,
        user::{Email, Name},
    };

    fn user(i: usize) -> NewUser {
        let email = Email::new(&format!("user{i}@example.com")).unwrap();
        NewUser::new(email, Name::new("x").unwrap())
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_count() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Settings::new(folder.path())).unwrap();
        let mut batch = directory.batch();
        for i in 0..BATCH {
            batch.push(Ok(user(i))).unwrap();
        }
        let error = batch.push(Ok(user(BATCH))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a batch has at most 10000 users; cut it into several"
        );
        assert_eq!(batch.finish().await.unwrap().len(), BATCH);
    }

    #[tokio::test]
    async fn a_creation_waits_for_a_chunk_and_is_bounded_by_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Settings::new(folder.path())).unwrap();
        let one = user(1000).size();
        let directory = directory.with_max_answer(one * 600);
        let mut creation = directory.creation();
        for i in 0..CHUNK - 1 {
            creation.push(Ok(user(1000 + i))).await.unwrap();
        }
        assert_eq!((creation.waiting.len(), creation.created.len()), (499, 0));
        // Those that fail take no room.
        for _ in 0..300 {
            creation.push(Ok(user(1000))).await.unwrap();
        }
        for i in CHUNK - 1..600 {
            creation.push(Ok(user(1000 + i))).await.unwrap();
        }
        let error = creation.push(Ok(user(1600))).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the answer would pass {} bytes; cut the stream: of its first 900 users 600 were \
                 made, send the rest as another one",
                one * 600
            )
        );
    }
}
