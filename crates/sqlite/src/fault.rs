//! What can go wrong with a data folder and a database in it, named for what it
//! means to the user.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Error as Engine, ErrorCode};

use crate::folder::Folder;

/// Why a data folder cannot be used.
///
/// Cloneable, since writers that share a commit also share its failure.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The store was closed.
    #[error("the {store} store is closed")]
    Closed {
        /// Whose it is.
        store: &'static str,
    },
    /// No room is left on the disk.
    #[error("disk is full: cannot write to data folder {}; free some space and try again", .folder.display())]
    Full {
        /// The data folder.
        folder: PathBuf,
    },
    /// Another process has the data folder open.
    #[error("data folder {} is in use by another process; stop it or choose another with --data", .folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// The path of the data folder leads to something else.
    #[error("data folder {} is not a folder; choose another with --data", .folder.display())]
    NotAFolder {
        /// The path.
        folder: PathBuf,
    },
    /// The data folder cannot be made or written.
    #[error("data folder {} cannot be written ({reason}); make it writable or choose another with --data", .folder.display())]
    NotWritable {
        /// The data folder.
        folder: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The data folder was written by a newer version.
    #[error("data folder {} has format {found}, but this version knows formats up to {known}; use a newer version or choose another folder with --data", .folder.display())]
    NewerFormat {
        /// The data folder.
        folder: PathBuf,
        /// The folder's format.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },
    /// The file in the data folder is not the store that it should be.
    #[error("{} is not a {store} store; choose another data folder with --data", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it should be.
        store: &'static str,
    },
    /// The file in the data folder cannot be understood.
    #[error("{} is damaged ({reason}); restore it from a backup or choose another data folder with --data", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system failed us.
    #[error("cannot use data folder {}: {source}", .folder.display())]
    Io {
        /// The data folder.
        folder: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// The engine failed in a way that has no name above.
    #[error("the {store} store in {} failed: {source}", .folder.display())]
    Engine {
        /// The data folder.
        folder: PathBuf,
        /// Whose store it is.
        store: &'static str,
        /// What the engine says.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault {
    /// Names an error of the engine.
    #[must_use]
    pub fn named(folder: &Folder, error: Engine) -> Self {
        let path: &Path = folder.path();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full {
                folder: path.into(),
            },
            Some(ErrorCode::NotADatabase) => Self::Foreign {
                file: folder.database(),
                store: folder.name(),
            },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                file: folder.database(),
                reason: reason(&error),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::NotWritable {
                folder: path.into(),
                reason: reason(&error),
            },
            _ => Self::Engine {
                folder: path.into(),
                store: folder.name(),
                source: Arc::new(error),
            },
        }
    }

    /// Names an error of the engine while the data folder is being opened: a
    /// file that cannot be opened then, is there but not for us.
    #[must_use]
    pub fn at_opening(folder: &Folder, error: Engine) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => Self::NotWritable {
                folder: folder.path().into(),
                reason: reason(&error),
            },
            _ => Self::named(folder, error),
        }
    }

    /// Names what the system says of something in a data folder.
    #[must_use]
    pub fn of_file(folder: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                folder: folder.into(),
            },
            _ => Self::Io {
                folder: folder.into(),
                source: Arc::new(error),
            },
        }
    }

    /// The error for a write in which our own code panicked.
    pub(crate) fn panicked(folder: &Folder) -> Self {
        Self::Engine {
            folder: folder.path().into(),
            store: folder.name(),
            source: Arc::new(io::Error::other("the write ended in a panic")),
        }
    }
}

/// The engine's words alone, without the statement it was at.
fn reason(error: &Engine) -> String {
    match error {
        Engine::SqliteFailure(_, Some(message)) => message.clone(),
        Engine::SqliteFailure(failure, None) => failure.to_string(),
        other => other.to_string(),
    }
}
