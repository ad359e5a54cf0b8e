//! What can go wrong, named for what it means to the user. How an error looks
//! in a protocol is for [`crate::grpc`].

use std::path::PathBuf;

use portolan_sqlite::Fault;

use crate::words::Words;
use crate::{
    embedding::Dimension,
    names::{BatchId, Namespace},
    search::{Filters, Limit},
};

/// Why an operation failed.
///
/// Cloneable, since writers that share a commit also share its failure.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client asked for something that cannot be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No memory has this id.
    #[error("Memory not found")]
    NotFound,
    /// Two calls are storing one batch at the same time.
    #[error("batch {0} is being stored by another call; wait for it to end, then send it again")]
    BatchInUse(String),
    /// A batch has more items than its answer can count.
    #[error("a batch has at most {max} items; begin another one")]
    BatchTooLong {
        /// The most items there may be.
        max: u64,
    },
    /// The answer to a batch has no room for another item.
    #[error(
        "the answer to this batch would pass {max} bytes; cut the batch: {stored} of its first {items} items are stored, send the rest as another one"
    )]
    BatchAnswerFull {
        /// The most bytes there may be.
        max: usize,
        /// How many items are done with: stored or refused.
        items: u64,
        /// How many of them are stored.
        stored: u64,
    },
    /// The answer to a search has no room for all that was found.
    #[error(
        "the first {fetched} of {found} results take {size} bytes, which is over the limit of {max} bytes; ask for fewer with limit"
    )]
    SearchAnswerFull {
        /// How many results were read, the one that was too much included.
        fetched: usize,
        /// How many were found.
        found: usize,
        /// The bytes of those that were read.
        size: usize,
        /// The most bytes there may be.
        max: usize,
    },
    /// Too many streams are being read.
    #[error("{open} streams are open already; try again when one of them has ended")]
    TooManyStreams {
        /// How many there are.
        open: usize,
    },
    /// One namespace more than there may be.
    #[error(
        "there are {max} namespaces already, and no more can be added; use metadata and filters to tell memories apart"
    )]
    TooManyNamespaces {
        /// How many there may be.
        max: usize,
    },
    /// The store was closed.
    #[error("the memory store is closed")]
    Closed,
    /// The dimension that was asked for is not the one in the data folder.
    #[error("data folder {} holds vectors of dimension {found} in namespace {namespace}, not {asked}; leave --dimension out or choose another folder with --data", .folder.display())]
    OtherDimension {
        /// The data folder.
        folder: PathBuf,
        /// Where the dimension differs.
        namespace: Namespace,
        /// The dimension of the vectors there.
        found: Dimension,
        /// The dimension that was asked for.
        asked: Dimension,
    },
    /// The data folder or the database in it failed us.
    #[error(transparent)]
    Store(Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed { .. } => Self::Closed,
            fault => Self::Store(fault),
        }
    }
}

/// Why a request cannot be served, whatever the store holds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// An empty id.
    #[error("id is required")]
    EmptyId,
    /// A vector that is not as long as those in its namespace.
    #[error("Invalid vector dimension: expected {expected}, got {got}")]
    OtherDimension {
        /// What the namespace has.
        expected: Dimension,
        /// What the vector has.
        got: usize,
    },
    /// A vector, or a dimension, that is nothing or too much.
    #[error("a vector has 1 to {max} components; this one has {got}", max = Dimension::MAX)]
    Dimension {
        /// How many components it has.
        got: usize,
    },
    /// A component that is no number, or endless.
    #[error("vector component {index} is {value}; components must be finite numbers")]
    NotFinite {
        /// Where it is.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// A vector without a direction.
    #[error("vector components 0 to {last} are all zero; at least one must differ from zero")]
    AllZero {
        /// The last index.
        last: usize,
    },
    /// A metric that we do not know.
    #[error("unknown metric {0}; use cosine, dot or l2")]
    Metric(String),
    /// A limit outside its range.
    #[error("limit must be 1 to {max}, or 0 for 10; got {0}", max = Limit::MAX)]
    Limit(i32),
    /// A threshold that no score can be compared with.
    #[error("threshold must be a finite number; got {0}")]
    Threshold(f32),
    /// Too many filters.
    #[error("a search has at most {max} filters; got {0}", max = Filters::MAX)]
    Filters(usize),
    /// Too many words.
    #[error("a query has at most {max} different words; got {0}", max = Words::MAX)]
    Words(usize),
    /// A search for nothing.
    #[error("query and vector are both empty; give one of them at least")]
    EmptySearch,
    /// Not a name for a namespace.
    #[error("a namespace is 1 to {max} characters of a-z, 0-9, '.', '_' and '-'", max = Namespace::MAX_LENGTH)]
    Namespace,
    /// Not a name for a batch.
    #[error("a batch id is 1 to {max} visible ASCII characters", max = BatchId::MAX_LENGTH)]
    BatchId,
}
