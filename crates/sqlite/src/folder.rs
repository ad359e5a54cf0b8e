//! The data folder: made when missing, held by one process at a time, and
//! measured. What is in the files is for [`crate::Format`].

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::fault::Fault;

/// The part of a data folder that belongs to one store, which this process
/// holds: a database, and a file whose lock says that it is in use. The
/// operating system lets go of it when the process ends, however it ends.
///
/// Stores of other names may be in the same folder, held by others.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    name: &'static str,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be and takes hold of the store of this name in
    /// it. The lock stays behind, empty.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be made or written.
    pub fn open(path: &Path, name: &'static str) -> Result<Self, Fault> {
        let not_writable = |error: io::Error| Fault::NotWritable {
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
                return Err(Fault::NotAFolder {
                    folder: path.into(),
                });
            }
            Err(error) => return Err(full(path, &error).unwrap_or_else(|| not_writable(error))),
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(format!("{name}.lock")))
            .map_err(|error| full(path, &error).unwrap_or_else(|| not_writable(error)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault::InUse {
                    folder: path.into(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(not_writable(error)),
        }
        let folder = Self {
            path: path.into(),
            name,
            _lock: lock,
        };
        entered.iter().try_for_each(|above| folder.sync(above))?;
        Ok(folder)
    }

    /// Waits until the names of our files are on the disk, without which what
    /// is in them would be lost with the power.
    ///
    /// # Errors
    /// When the disk is full or has a fault.
    pub fn sync_names(&self) -> Result<(), Fault> {
        self.sync(&self.path)
    }

    fn sync(&self, folder: &Path) -> Result<(), Fault> {
        sync(folder).map_err(|error| Fault::of_file(&self.path, error))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the store, which its files begin with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(format!("{}.db", self.name))
    }

    /// Bytes of our own files. What else is in the folder is not looked at: it
    /// may be a whole file system's, with corners that nobody may read.
    ///
    /// # Errors
    /// When they cannot be measured.
    pub fn disk_bytes(&self) -> Result<u64, Fault> {
        let mut bytes = 0;
        // The database, its log with the index of that, and the lock.
        for end in ["db", "db-wal", "db-shm", "lock"] {
            match fs::metadata(self.path.join(format!("{}.{end}", self.name))) {
                Ok(metadata) => bytes += metadata.len(),
                // The log comes and goes with the connections.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Fault::Io {
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
///
/// # Errors
/// When the disk is full or has a fault.
pub fn sync(folder: &Path) -> io::Result<()> {
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
fn full(folder: &Path, error: &io::Error) -> Option<Fault> {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
    .then(|| Fault::Full {
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
        Folder::open(&root.join("a/b/c"), "memory").unwrap();
        assert_eq!(entered(&root.join("a/b/c")), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_that_cannot_be_asked_is_excused_and_a_lost_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert!(sync(root.path()).is_ok());
        assert!(cfg!(not(unix)) || sync(&root.path().join("lost")).is_err());
    }
}
