//! Files in the data folder: written as they come, beside those that are whole,
//! and moved there when they are on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use portolan_sqlite::{Fault, blocking, sync};
use ring::digest;

use super::{Coming, Files, hexadecimal};
use crate::error::Error;

/// The folder below the data folder that has the files.
const FILES: &str = "uploads";

/// The folder below it that has those which are not whole yet.
const COMING: &str = "coming";

/// See the module.
#[derive(Debug)]
pub(crate) struct FolderFiles {
    folder: Arc<Path>,
    names: AtomicU64,
}

/// A file that is coming in.
struct ComingFile {
    folder: Arc<Path>,
    /// `None` while it is being written, and after that failed.
    open: Option<Open>,
}

struct Open {
    file: File,
    path: Removed,
    digest: digest::Context,
}

/// A path at which there is nothing when this is dropped.
#[derive(Debug)]
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        drop(fs::remove_file(&self.0));
    }
}

impl FolderFiles {
    /// Uses this data folder, which somebody holds, and removes what an earlier
    /// process left unfinished.
    pub(crate) fn open(data: &Path) -> Result<Self, Fault> {
        let folder = data.join(FILES);
        let coming = folder.join(COMING);
        let prepare = || -> io::Result<()> {
            match fs::remove_dir_all(&coming) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir_all(&coming)?;
            sync(&folder)?;
            sync(data)
        };
        prepare().map_err(|error| Fault::of_file(data, error))?;
        Ok(Self {
            folder: folder.into(),
            names: AtomicU64::default(),
        })
    }
}

#[async_trait]
impl Files for FolderFiles {
    async fn begin(&self) -> Result<Box<dyn Coming>, Error> {
        let name = self.names.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.folder.join(COMING).join(name);
        let open = on_disk(&self.folder, move || {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).open(&path)?;
            Ok(Open {
                file,
                path: Removed(path),
                digest: digest::Context::new(&digest::SHA256),
            })
        });
        Ok(Box::new(ComingFile {
            open: Some(open.await?),
            folder: Arc::clone(&self.folder),
        }))
    }
}

#[async_trait]
impl Coming for ComingFile {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let mut open = self.open.take().ok_or(Error::Closed)?;
        let written = on_disk(&self.folder, move || {
            open.file.write_all(&bytes)?;
            open.digest.update(&bytes);
            Ok(open)
        });
        self.open = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<String, Error> {
        let open = self.open.take().ok_or(Error::Closed)?;
        let folder = Arc::clone(&self.folder);
        let finish = move || {
            let Open { file, path, digest } = open;
            file.sync_all()?;
            drop(file);
            let name = hexadecimal(digest.finish().as_ref());
            // The same name has the same bytes, so it may be there already.
            fs::rename(&path.0, folder.join(&name))?;
            sync(&folder)?;
            Ok(name)
        };
        on_disk(&self.folder, finish).await
    }
}

async fn on_disk<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = blocking(work).await.ok_or(Error::Closed)?;
    done.map_err(|error| Fault::of_file(folder, error).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::{FileFacts, Uploads};

    fn facts(size: i64) -> FileFacts {
        FileFacts::new("a.txt", size, "text/plain").unwrap()
    }

    fn uploads(data: &Path) -> Uploads {
        Uploads::new(Arc::new(FolderFiles::open(data).unwrap()))
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_is_stored_under_what_is_in_it() {
        let data = tempfile::tempdir().unwrap();
        let uploads = uploads(data.path());
        // FIPS 180-4's example.
        let name = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for parts in [vec!["abc"], vec!["a", "", "bc"]] {
            let mut upload = uploads.begin(facts(3)).await.unwrap();
            for part in parts {
                upload.write(part).await.unwrap();
            }
            let stored = upload.finish().await.unwrap();
            assert_eq!(stored.id, format!("file_{name}"));
            assert_eq!(stored.size, 3);
        }
        let folder = data.path().join(FILES);
        assert_eq!(files(&folder), [name, COMING]);
        assert_eq!(fs::read(folder.join(name)).unwrap(), b"abc");
        let empty = uploads.begin(facts(0)).await.unwrap();
        assert_eq!(empty.finish().await.unwrap().size, 0);
    }

    #[tokio::test]
    async fn of_another_size_nothing_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let uploads = uploads(data.path());
        let mut more = uploads.begin(facts(3)).await.unwrap();
        more.write("abc").await.unwrap();
        assert_eq!(
            more.write("d").await.unwrap_err().to_string(),
            "the file was said to have 3 bytes, and at least 4 came; nothing of it is kept"
        );
        drop(more);
        let mut less = uploads.begin(facts(3)).await.unwrap();
        less.write("ab").await.unwrap();
        assert_eq!(
            less.finish().await.unwrap_err().to_string(),
            "the file was said to have 3 bytes, and 2 came; nothing of it is kept"
        );
        let abandoned = uploads.begin(facts(3)).await.unwrap();
        let coming = data.path().join(FILES).join(COMING);
        assert_eq!(files(&coming).len(), 1);
        drop(abandoned);
        assert_eq!(files(&coming), [""; 0]);
        assert_eq!(files(&data.path().join(FILES)), [COMING]);
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let data = tempfile::tempdir().unwrap();
        uploads(data.path());
        let coming = data.path().join(FILES).join(COMING);
        fs::write(coming.join("7"), "half").unwrap();
        fs::write(data.path().join(FILES).join("whole"), "whole").unwrap();
        uploads(data.path());
        assert_eq!(files(&coming), [""; 0]);
        assert_eq!(files(&data.path().join(FILES)), [COMING, "whole"]);
    }
}
