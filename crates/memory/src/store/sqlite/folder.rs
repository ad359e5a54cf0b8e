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

/// All files that are ours: the two above, and the log with its index.
const FILES: [&str; 4] = [STORE, "memory.db-wal", "memory.db-shm", LOCK];

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
        let entered = entered(path);
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
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    folder: path.into(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(not_writable(error)),
        }
        let folder = Self {
            path: path.into(),
            _lock: lock,
        };
        entered.iter().try_for_each(|above| folder.sync(above))?;
        Ok(folder)
    }

    /// Waits until the names of our files are on the disk, without which what
    /// is in them would be lost with the power.
    pub(super) fn sync_names(&self) -> Result<(), Error> {
        self.sync(&self.path)
    }

    fn sync(&self, folder: &Path) -> Result<(), Error> {
        sync(folder).map_err(|error| {
            full(&self.path, &error).unwrap_or_else(|| Error::Io {
                folder: self.path.clone(),
                source: Arc::new(error),
            })
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Bytes of our own files. What else is in the folder is not looked at: it
    /// may be a whole file system's, with corners that nobody may read.
    pub(super) fn disk_bytes(&self) -> Result<u64, Error> {
        let mut bytes = 0;
        for file in FILES {
            match fs::metadata(self.path.join(file)) {
                Ok(metadata) => bytes += metadata.len(),
                // The log comes and goes with the connections.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Error::Io {
                        folder: self.path.clone(),
                        source: Arc::new(error),
                    });
                }
            }
        }
        Ok(bytes)
    }
}

/// The folders that get a new entry when this one is made, with all that is
/// missing above it.
fn entered(path: &Path) -> Vec<PathBuf> {
    path.ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(|folder| match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => above.into(),
            _ => PathBuf::from("."),
        })
        .collect()
}

/// Writes the entries of a folder to the disk, where the system has that.
fn sync(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    // A folder may let us in and write, and not let us read it; and not every
    // file system can be asked. There is nothing else to do then.
    let excused = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    };
    match File::open(folder) {
        Ok(folder) => folder.sync_all().or_else(excused),
        Err(error) => excused(error),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_that_gets_an_entry_is_known() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(entered(root), Vec::<PathBuf>::new());
        assert_eq!(entered(&root.join("a")), [root]);
        let all = [root.join("a/b"), root.join("a"), root.into()];
        assert_eq!(entered(&root.join("a/b/c")), all);
        assert_eq!(entered(Path::new("no-such-folder")), [Path::new(".")]);
        Folder::open(&root.join("a/b/c")).unwrap();
        assert_eq!(entered(&root.join("a/b/c")), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_that_cannot_be_asked_is_excused_and_a_lost_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert!(sync(root.path()).is_ok());
        assert!(cfg!(not(unix)) || sync(&root.path().join("lost")).is_err());
    }
}
