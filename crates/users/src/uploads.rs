//! Files that people upload: taken as they come, in bounded memory, and kept
//! under the SHA-256 of what is in them. A file is there when it is whole and
//! durable, or not at all. Where files are kept is for [`crate::store`].

use std::{fmt, sync::Arc};

use crate::{
    error::{Error, Fields, Invalid},
    store::{Coming, Files},
    user::bounded,
};

/// The most bytes of a file.
pub const MAX_FILE: u64 = 1 << 30;

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
#[derive(Clone)]
pub struct Uploads {
    files: Arc<dyn Files>,
}

/// A file that is coming in. Dropped, it leaves nothing behind.
pub struct Upload {
    facts: FileFacts,
    received: u64,
    coming: Box<dyn Coming>,
}

/// A file that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `file_` and the SHA-256 in hexadecimal.
    pub id: String,
    /// How many bytes it has.
    pub size: u64,
}

impl Uploads {
    pub(crate) fn new(files: Arc<dyn Files>) -> Self {
        Self { files }
    }

    /// Begins a file.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn begin(&self, facts: FileFacts) -> Result<Upload, Error> {
        Ok(Upload {
            facts,
            received: 0,
            coming: self.files.begin().await?,
        })
    }
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// As soon as there are more than there should be; when the store is full.
    /// There is no going on after an error.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let bytes = bytes.into();
        self.received += bytes.len() as u64;
        if self.received > self.facts.size {
            return Err(self.other_size("at least ").into());
        }
        self.coming.write(bytes).await
    }

    /// Makes it durable, and gives its name.
    ///
    /// # Errors
    /// When there are fewer bytes than there should be; when the store is full.
    pub async fn finish(self) -> Result<Stored, Error> {
        if self.received != self.facts.size {
            return Err(self.other_size("").into());
        }
        let name = self.coming.finish().await?;
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

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
