//! The data folder: made when missing, held by one process at a time, and
//! measured. What is in the files is for [`super::schema`].

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::error::Error;

/// The file whose lock says that the folder is in use. It stays behind, empty.
const LOCK: &str = "memory.lock";

/// The database.
const STORE: &str = "memory.db";

/// A data folder that this process holds. The operating system lets go of it
/// when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be and takes hold of it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let not_writable = |error: io::Error| Error::NotWritable {
            folder: path.into(),
            reason: sentence(&error),
        };
        match fs::create_dir_all(path) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(Error::NotAFolder {
                    folder: path.into(),
                });
            }
            Err(error) => return Err(full(path, &error).unwrap_or_else(|| not_writable(error))),
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(|error| full(path, &error).unwrap_or_else(|| not_writable(error)))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.into(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                folder: path.into(),
            }),
            Err(TryLockError::Error(error)) => Err(not_writable(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Bytes of all files in the folder.
    pub(super) fn disk_bytes(&self) -> Result<u64, Error> {
        size(&self.path).map_err(|error| Error::Io {
            folder: self.path.clone(),
            source: Arc::new(error),
        })
    }
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may vanish between the listing and the question.
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += size(&entry.path())?,
            Ok(metadata) => bytes += metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The error for a disk without room, if it is that.
fn full(folder: &Path, error: &io::Error) -> Option<Error> {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
    .then(|| Error::Full {
        folder: folder.into(),
    })
}

/// What the system says, beginning small and without the number of the error.
fn sentence(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}
