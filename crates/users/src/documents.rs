//! Who writes which document, and how everybody learns what was written: each
//! reads the operations from the store, in their one order, when told that
//! there are new ones, by somebody here or in another process over the store.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    document::{Applied, Author, DocumentId, Doing, MAX_LATE, Operation, Proposal},
    error::Error,
    store::{AWAY, Store},
    user::Moment,
};

/// How many operations are read at a time.
const READING: usize = 64;

/// Somebody's name for the server, which says what a document was before.
const SERVER: &str = "server";

/// The documents, and those that are being written. Clones share them.
#[derive(Clone)]
pub struct Documents {
    store: Arc<dyn Store>,
    joined: Joined,
}

/// The newest revision that anybody here knows, of documents that somebody has
/// joined. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Joined(Arc<Mutex<HashMap<DocumentId, watch::Sender<i64>>>>);

/// Somebody who writes a document; dropping it is leaving.
pub struct Editor {
    documents: Documents,
    document: DocumentId,
    /// `None` once the document is left.
    newest: Option<watch::Receiver<i64>>,
    /// The last revision that was given to the participant, or waits.
    read: i64,
    waiting: VecDeque<Applied>,
}

impl Documents {
    pub(crate) fn new(store: Arc<dyn Store>, joined: Joined) -> Self {
        Self { store, joined }
    }

    /// Joins a document: its text comes first, if it has one, and then every
    /// operation.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn join(&self, document: DocumentId) -> Result<Editor, Error> {
        let newest = {
            let mut joined = self.joined.lock();
            let sender = joined
                .entry(document.clone())
                .or_insert_with(|| watch::channel(0).0);
            Some(sender.subscribe())
        };
        // From here on whatever happens is leaving.
        let mut editor = Editor {
            documents: self.clone(),
            document,
            newest,
            read: 0,
            waiting: VecDeque::new(),
        };
        let document = self.store.document(&editor.document).await?;
        editor.read = document.revision;
        if !document.text.is_empty() {
            editor.waiting.push_back(Applied {
                revision: document.revision,
                author: Author::new(SERVER)?,
                operation: Operation {
                    doing: Doing::Insert,
                    position: 0,
                    text: document.text,
                },
                at: Moment::now(),
            });
        }
        Ok(editor)
    }
}

impl Joined {
    /// Notes that there is this revision.
    pub(crate) fn edited(&self, document: &DocumentId, revision: i64) {
        if let Some(newest) = self.lock().get(document) {
            // Others may have been quicker to say so of a later one.
            newest.send_if_modified(|newest| {
                let newer = revision > *newest;
                *newest = revision.max(*newest);
                newer
            });
        }
    }

    /// The documents that somebody has joined.
    pub(crate) fn documents(&self) -> Vec<DocumentId> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DocumentId, watch::Sender<i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Editor {
    /// The document.
    #[must_use]
    pub fn document(&self) -> &DocumentId {
        &self.document
    }

    /// The last revision that was given out by [`Editor::next`].
    #[must_use]
    pub fn seen(&self) -> i64 {
        match self.waiting.front() {
            Some(next) => next.revision - 1,
            None => self.read,
        }
    }

    /// Applies an operation, durably, tells everybody, and gives the revision
    /// that it made.
    ///
    /// # Errors
    /// [`Error::BeyondText`], [`Error::TooLate`], [`Error::NoSuchRevision`],
    /// [`Error::DocumentFull`].
    pub async fn submit(&self, proposal: Proposal) -> Result<i64, Error> {
        let revision = self.documents.store.edit(&self.document, proposal).await?;
        self.documents.joined.edited(&self.document, revision);
        Ok(revision)
    }

    /// Whether there is an operation to be had without waiting for anybody.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let newest = self.newest.as_ref().map(|newest| *newest.borrow());
        !self.waiting.is_empty() || newest.is_some_and(|newest| newest > self.read)
    }

    /// The next operation. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// [`Error::BehindDocument`] for one who has fallen too far behind.
    pub async fn next(&mut self) -> Result<Applied, Error> {
        loop {
            if let Some(applied) = self.waiting.pop_front() {
                return Ok(applied);
            }
            let newest = self.newest.as_mut().ok_or(Error::Ending)?;
            let read = self.read;
            let until = match newest.wait_for(|newest| *newest > read).await {
                Ok(until) => *until,
                Err(_) => return Err(Error::Ending),
            };
            if until - read > MAX_LATE {
                return Err(Error::BehindDocument { max: MAX_LATE });
            }
            let store = &self.documents.store;
            let edits = match store.edits(&self.document, read, READING).await {
                // They are there when it is back, and are told then.
                Err(Error::Unavailable) => {
                    tokio::time::sleep(AWAY).await;
                    continue;
                }
                edits => edits?,
            };
            if let Some(last) = edits.last() {
                self.read = last.revision;
            }
            self.waiting = edits.into();
        }
    }
}

impl Drop for Editor {
    /// The last one to leave takes the entry away.
    fn drop(&mut self) {
        let mut joined = self.documents.joined.lock();
        self.newest = None;
        if joined
            .get(&self.document)
            .is_some_and(|newest| newest.receiver_count() == 0)
        {
            joined.remove(&self.document);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        document::{Document, MAX_TEXT},
        settings::Settings,
        store::SqliteStore,
    };

    fn documents(folder: &tempfile::TempDir) -> Documents {
        let settings = Settings::new(folder.path());
        let store = SqliteStore::open(&settings).unwrap();
        Documents::new(Arc::new(store), Joined::default())
    }

    fn minutes() -> DocumentId {
        DocumentId::new("minutes").unwrap()
    }

    fn insert(position: usize, text: &str) -> Proposal {
        Proposal {
            author: Author::new("alice").unwrap(),
            operation: Operation {
                doing: Doing::Insert,
                position,
                text: text.into(),
            },
            made_for: None,
        }
    }

    async fn text(editor: &mut Editor, until: i64) -> String {
        let mut text = String::new();
        while editor.seen() < until {
            let applied = editor.next().await.unwrap();
            assert_eq!(applied.operation.doing, Doing::Insert);
            let at = text
                .char_indices()
                .nth(applied.operation.position)
                .map_or(text.len(), |(at, _)| at);
            text.insert_str(at, &applied.operation.text);
        }
        text
    }

    #[tokio::test]
    async fn all_who_write_see_the_same_and_who_comes_later_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let documents = documents(&folder);
        let mut alice = documents.join(minutes()).await.unwrap();
        let mut bob = documents.join(minutes()).await.unwrap();
        let other = documents
            .join(DocumentId::new("other").unwrap())
            .await
            .unwrap();
        tokio::try_join!(
            alice.submit(insert(0, "abc")),
            bob.submit(insert(0, "xyz")),
            other.submit(insert(0, "elsewhere")),
        )
        .unwrap();
        let seen = text(&mut alice, 2).await;
        assert_eq!(text(&mut bob, 2).await, seen);
        assert_eq!(seen.len(), 6);
        let mut carol = documents.join(minutes()).await.unwrap();
        assert_eq!(text(&mut carol, 2).await, seen);
        carol.submit(insert(6, "!")).await.unwrap();
        assert_eq!(carol.next().await.unwrap().revision, 3);
        assert_eq!(alice.next().await.unwrap().operation.text, "!");
        drop((alice, bob, carol, other));
        assert!(documents.joined.lock().is_empty());
    }

    #[tokio::test]
    async fn an_operation_may_be_late_and_not_too_late() {
        let folder = tempfile::tempdir().unwrap();
        let documents = documents(&folder);
        let mut slow = documents.join(minutes()).await.unwrap();
        let alice = documents.join(minutes()).await.unwrap();
        let mut revision = 0;
        for _ in 0..=MAX_LATE {
            revision = alice.submit(insert(0, "x")).await.unwrap();
        }
        assert_eq!(
            slow.next().await.unwrap_err().to_string(),
            "you fell more than 1000 revisions of the document behind; join again"
        );
        let for_revision = |made_for| Proposal {
            made_for: Some(made_for),
            ..insert(1, "late")
        };
        assert!(matches!(
            alice.submit(for_revision(0)).await,
            Err(Error::TooLate {
                revision: 0,
                max: MAX_LATE
            })
        ));
        assert!(matches!(
            alice.submit(for_revision(revision + 1)).await,
            Err(Error::NoSuchRevision { .. })
        ));
        // It was made when there was one character, and goes behind that.
        alice.submit(for_revision(1)).await.unwrap();
        let document = documents.store.document(&minutes()).await.unwrap();
        assert!(document.text.ends_with("xlate"));
        let Document { text, .. } = document;
        assert_eq!(text.len() as i64, MAX_LATE + 5);
        assert!(text.len() < MAX_TEXT);
    }
}
