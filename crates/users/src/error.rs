//! What can go wrong, named for what it means to the user. How an error looks
//! in a protocol is for [`crate::grpc`].

use std::fmt;

use portolan_sqlite::Fault;

use crate::user::{Email, UserId};

/// Why an operation failed.
///
/// Cloneable, since writers that share a commit also share its failure.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client asked for something that cannot be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No user has this id.
    #[error("User {0} not found")]
    NotFound(String),
    /// Another user has this email.
    #[error("User with email {0} already exists")]
    EmailTaken(Email),
    /// An item of a stream failed.
    #[error("item {index}: {source}")]
    Item {
        /// Its place, from 0.
        index: u64,
        /// Why.
        source: Box<Error>,
    },
    /// A batch has too many items.
    #[error("a batch has at most {max} users; cut it into several")]
    BatchTooLong {
        /// The most items there may be.
        max: usize,
    },
    /// The answer has no room for another user, and what was begun was not done.
    #[error("the answer to this batch would pass {max} bytes; cut the batch")]
    BatchAnswerFull {
        /// The most bytes there may be.
        max: usize,
    },
    /// The answer has no room for another user; those before it are made.
    #[error(
        "the answer would pass {max} bytes; cut the stream: of its first {items} users {created} were made, send the rest as another one"
    )]
    CreationAnswerFull {
        /// The most bytes there may be.
        max: usize,
        /// How many users of the stream are dealt with.
        items: u64,
        /// How many of them were made.
        created: u64,
    },
    /// All users together are too much for one answer.
    #[error(
        "the users take more than {max} bytes together; list them by pages with user.v1.UserService/ListUsers"
    )]
    ListAnswerFull {
        /// The most bytes there may be.
        max: usize,
    },
    /// There are no ids left.
    #[error("the ids are used up: the last one, {max}, was given", max = UserId::MAX)]
    NoMoreIds,
    /// A subscriber missed changes, or would have.
    #[error(
        "you fell more than {max} changes behind; begin to watch anew and list the users again"
    )]
    BehindChanges {
        /// How far one may fall behind.
        max: u64,
    },
    /// A participant of a chat did not read what was said.
    #[error("too many messages waited for you; join again and read faster")]
    BehindMessages,
    /// There are too many rooms.
    #[error("there are {max} rooms with people in them already; try again later, or join another")]
    TooManyRooms {
        /// How many there may be.
        max: usize,
    },
    /// An operation, or a participant, is too far behind the document.
    #[error(
        "revision {revision} of the document is more than {max} revisions old; join again and go on from its text"
    )]
    TooLate {
        /// The revision.
        revision: i64,
        /// How old it may be.
        max: i64,
    },
    /// A participant fell too far behind the document.
    #[error("you fell more than {max} revisions of the document behind; join again")]
    BehindDocument {
        /// How far one may fall behind.
        max: i64,
    },
    /// An operation lies beyond the text.
    #[error(
        "the operation ends at position {end}, but the document has {length} characters at revision {revision}"
    )]
    BeyondText {
        /// Where it ends.
        end: u64,
        /// How many characters there are.
        length: u64,
        /// In which revision.
        revision: i64,
    },
    /// An operation for a revision that does not exist yet.
    #[error("the document has no revision {asked} yet, the newest is {newest}")]
    NoSuchRevision {
        /// The revision.
        asked: i64,
        /// The newest.
        newest: i64,
    },
    /// A document would become too long.
    #[error("a document has at most {max} bytes, and this operation would make {size}")]
    DocumentFull {
        /// How many it would have.
        size: usize,
        /// How many it may have.
        max: usize,
    },
    /// The server is ending, and with it everything that has no end.
    #[error("the server is ending; connect again")]
    Ending,
    /// The store was closed.
    #[error("the users store is closed")]
    Closed,
    /// The data folder or the database in it failed us.
    #[error(transparent)]
    Store(Fault),
    /// The database is away, or has given no answer in time. A write may have
    /// been done all the same.
    #[error("the database of the users does not answer; try again in a moment")]
    Unavailable,
    /// The database has no room for more.
    #[error("the disk of the users' database is full; free some space there and try again")]
    DatabaseFull,
    /// The database failed in a way that has no name above.
    #[error("the users' database failed: {reason}")]
    Database {
        /// What it says, without what was asked of it.
        reason: String,
    },
    /// The database cannot be used, which was found out at the start.
    #[error("{0}")]
    Unusable(String),
    /// Nothing came of a file for so long that the rest of it was let go.
    #[error("nothing came of the file for too long and nothing of it is kept; send it again")]
    UploadForgotten,
}

impl Error {
    /// The same error, of an item of a stream.
    #[must_use]
    pub fn of_item(self, index: u64) -> Self {
        Self::Item {
            index,
            source: Box::new(self),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed { .. } => Self::Closed,
            fault => Self::Store(fault),
        }
    }
}

/// Why a request cannot be served, whatever the store holds: a sentence, and
/// what is wrong with which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    sentence: String,
    violations: Vec<Violation>,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path to the field, such as `user.email`.
    pub field: String,
    /// Why it is wrong.
    pub reason: String,
}

impl Invalid {
    /// One field is wrong.
    #[must_use]
    pub fn field(field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            sentence: reason.clone(),
            violations: vec![Violation {
                field: field.into(),
                reason,
            }],
        }
    }

    /// What is wrong with which fields.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Invalid {}

/// Fields as they are read one by one: what is wrong with any of them is kept,
/// so that the client learns of everything at once.
#[derive(Debug, Default)]
pub struct Fields {
    violations: Vec<Violation>,
    sentence: Option<&'static str>,
}

impl Fields {
    /// Takes a field, or why it is wrong.
    pub fn take<T>(&mut self, field: &str, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(reason) => {
                self.violations.push(Violation {
                    field: field.into(),
                    reason,
                });
                None
            }
        }
    }

    /// Says this instead of what is wrong with each.
    pub fn say(&mut self, sentence: &'static str) {
        self.sentence = Some(sentence);
    }

    /// What was read, if all was well with every field.
    ///
    /// # Errors
    /// What was wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Invalid> {
        match read {
            Some(read) if self.violations.is_empty() => Ok(read),
            _ => Err(self.into_invalid()),
        }
    }

    fn into_invalid(self) -> Invalid {
        let reasons = self.violations.iter();
        let reasons: Vec<&str> = reasons.map(|one| one.reason.as_str()).collect();
        let sentence = match self.sentence {
            Some(sentence) => sentence.into(),
            None => reasons.join("; "),
        };
        Invalid {
            sentence,
            violations: self.violations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut fields = Fields::default();
        assert_eq!(fields.take("a", Ok(7)), Some(7));
        fields.take::<()>("b", Err("b is missing".into()));
        fields.take::<()>("c", Err("c is too long".into()));
        let invalid = fields.finish(Some(7)).unwrap_err();
        assert_eq!(invalid.to_string(), "b is missing; c is too long");
        assert_eq!(invalid.violations()[1].field, "c");
        assert_eq!(Fields::default().finish(Some(7)), Ok(7));
    }
}
