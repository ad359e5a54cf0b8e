//! What the engine's errors mean for the user.

use std::{io, path::Path, sync::Arc};

use rusqlite::{Error as Engine, ErrorCode};

use super::folder::Folder;
use crate::error::Error;

/// Names an error of the engine while the data folder is being opened: a file
/// that cannot be opened then, is there but not for us.
pub(super) fn at_opening(folder: &Folder, error: Engine) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => Error::NotWritable {
            folder: folder.path().into(),
            reason: reason(&error),
        },
        _ => named(folder, error),
    }
}

/// Names an error of the engine.
pub(super) fn named(folder: &Folder, error: Engine) -> Error {
    let path: &Path = folder.path();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full {
            folder: path.into(),
        },
        Some(ErrorCode::NotADatabase) => Error::Foreign {
            file: folder.store(),
        },
        Some(ErrorCode::DatabaseCorrupt) => Error::Damaged {
            file: folder.store(),
            reason: reason(&error),
        },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Error::NotWritable {
            folder: path.into(),
            reason: reason(&error),
        },
        _ => Error::Engine {
            folder: path.into(),
            source: Arc::new(error),
        },
    }
}

/// The error for a write in which our own code panicked.
pub(super) fn panicked(folder: &Folder) -> Error {
    Error::Engine {
        folder: folder.path().into(),
        source: Arc::new(io::Error::other("the write ended in a panic")),
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
