//! Files that people upload: written as they come, in bounded memory, under the
//! SHA-256 of what is in them. A file is there when it is whole and on the disk,
//! or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use portolan_sqlite::{Fault, blocking, sync};
use ring::digest;

use crate::{
    error::{Error, Fields, Invalid},
    user::bounded,
};

/// The most bytes of a file.
pub const MAX_FILE: u64 = 1 << 30;

/// The folder below the data folder that has the files.
const FILES: &str = "uploads";

/// The folder below it that has those which are not whole yet.
const COMING: &str = "coming";

/// What a file is said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// How many bytes it has.
    size: u64,
}

impl FileFacts {
    /// The most characters of a name, and of a media type.
    pub const MAX_NAME: usize = 255;

    /// Checks what is said. The name and the media type are the client's own:
    /// a file is found by what is in it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(filename: &str, total_size: i64, content_type: &str) -> Result<Self, Invalid> {
        let mut fields = Fields::default();
        let named = match filename.is_empty() {
            true => Err("filename is required".into()),
            false => bounded("a filename", filename, Self::MAX_NAME),
        };
        fields.take("metadata.filename", named);
        let size = u64::try_from(total_size)
            .ok()
            .filter(|size| *size <= MAX_FILE);
        let size =
            size.ok_or_else(|| format!("total_size must be 0 to {MAX_FILE}; got {total_size}"));
        let size = fields.take("metadata.total_size", size);
        let content_type = bounded("a content_type", content_type, Self::MAX_NAME);
        fields.take("metadata.content_type", content_type);
        Ok(Self {
            size: fields.finish(size)?,
        })
    }
}

/// The files. Clones share them.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: Arc<Path>,
    names: Arc<AtomicU64>,
}

/// A file that is coming in. Dropped, it leaves nothing behind.
pub struct Upload {
    uploads: Uploads,
    facts: FileFacts,
    received: u64,
    /// `None` while it is being written, and after that failed.
    coming: Option<Coming>,
}

/// A file that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `file_` and the SHA-256 in hexadecimal.
    pub id: String,
    /// How many bytes it has.
    pub size: u64,
}

struct Coming {
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

impl Uploads {
    /// Uses this data folder, which somebody holds, and removes what an earlier
    /// process left unfinished.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(data: &Path) -> Result<Self, Fault> {
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
            names: Arc::default(),
        })
    }

    /// Begins a file.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub async fn begin(&self, facts: FileFacts) -> Result<Upload, Error> {
        let name = self.names.fetch_add(1, Ordering::Relaxed).to_string();
        let path = self.folder.join(COMING).join(name);
        let coming = self
            .on_disk(move || {
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).open(&path)?;
                Ok(Coming {
                    file,
                    path: Removed(path),
                    digest: digest::Context::new(&digest::SHA256),
                })
            })
            .await?;
        Ok(Upload {
            uploads: self.clone(),
            facts,
            received: 0,
            coming: Some(coming),
        })
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let done = blocking(work).await.ok_or(Error::Closed)?;
        done.map_err(|error| Fault::of_file(&self.folder, error).into())
    }
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// As soon as there are more than there should be; when the disk is full.
    pub async fn write<B>(&mut self, bytes: B) -> Result<(), Error>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        self.received += bytes.as_ref().len() as u64;
        if self.received > self.facts.size {
            return Err(self.other_size("at least ").into());
        }
        let mut coming = self.coming.take().ok_or(Error::Closed)?;
        let written = self.uploads.on_disk(move || {
            coming.file.write_all(bytes.as_ref())?;
            coming.digest.update(bytes.as_ref());
            Ok(coming)
        });
        self.coming = Some(written.await?);
        Ok(())
    }

    /// Makes it durable, and gives its name.
    ///
    /// # Errors
    /// When there are fewer bytes than there should be; when the disk is full.
    pub async fn finish(mut self) -> Result<Stored, Error> {
        if self.received != self.facts.size {
            return Err(self.other_size("").into());
        }
        let coming = self.coming.take().ok_or(Error::Closed)?;
        let folder = Arc::clone(&self.uploads.folder);
        let finish = move || {
            let Coming { file, path, digest } = coming;
            file.sync_all()?;
            drop(file);
            let name = hexadecimal(digest.finish().as_ref());
            // The same name has the same bytes, so it may be there already.
            fs::rename(&path.0, folder.join(&name))?;
            sync(&folder)?;
            Ok(name)
        };
        let name = self.uploads.on_disk(finish).await?;
        Ok(Stored {
            id: format!("file_{name}"),
            size: self.received,
        })
    }

    fn other_size(&self, about: &str) -> Invalid {
        let reason = format!(
            "the file was said to have {} bytes, and {about}{} came; nothing of it is kept",
            self.facts.size, self.received
        );
        Invalid::field("metadata.total_size", reason)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(size: i64) -> FileFacts {
        FileFacts::new("a.txt", size, "text/plain").unwrap()
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
        let uploads = Uploads::open(data.path()).unwrap();
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
        let uploads = Uploads::open(data.path()).unwrap();
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
        Uploads::open(data.path()).unwrap();
        let coming = data.path().join(FILES).join(COMING);
        fs::write(coming.join("7"), "half").unwrap();
        fs::write(data.path().join(FILES).join("whole"), "whole").unwrap();
        Uploads::open(data.path()).unwrap();
        assert_eq!(files(&coming), [""; 0]);
        assert_eq!(files(&data.path().join(FILES)), [COMING, "whole"]);
    }

    #[test]
    fn facts_have_their_limits() {
        assert!(FileFacts::new(&"ü".repeat(255), MAX_FILE as i64, "").is_ok());
        for (name, size, content_type, sentence) in [
            ("", 0, "", "filename is required"),
            ("a", -1, "", "total_size must be 0 to 1073741824; got -1"),
            (
                "a",
                MAX_FILE as i64 + 1,
                "",
                "total_size must be 0 to 1073741824; got 1073741825",
            ),
            (
                &"x".repeat(256),
                0,
                "",
                "a filename has at most 255 characters",
            ),
            (
                "a",
                0,
                &"x".repeat(256),
                "a content_type has at most 255 characters",
            ),
        ] {
            let invalid = FileFacts::new(name, size, content_type).unwrap_err();
            assert_eq!(invalid.to_string(), sentence);
        }
    }
}
