//! A file with secrets or keys, read again when it changes. What is new in it is
//! for new calls; what cannot be used leaves what was there before.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;

/// How often files are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Reads a file; an error says what it was to be.
pub(super) fn read(what: &'static str, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::AuthFile {
        what,
        path: path.to_owned(),
        reason: match error.kind() {
            io::ErrorKind::NotFound => "no such file or folder".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
            io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        },
    })
}

/// Hands every new text of a file to `take`, and says once what is wrong.
pub(super) async fn follow(
    what: &'static str,
    path: PathBuf,
    mut known: String,
    every: Duration,
    take: impl Fn(&str) -> Result<(), Error> + Send,
) {
    let mut said = String::new();
    loop {
        tokio::time::sleep(every).await;
        let read = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || read(what, &path))
        };
        // It is not told only when the runtime ends.
        let Ok(read) = read.await else { return };
        let taken = match read {
            Ok(text) if text == known => {
                said.clear();
                continue;
            }
            Ok(text) => take(&text).map(|()| known = text),
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => {
                said.clear();
                tracing::info!("{what} {} read again", path.display());
            }
            Err(error) => {
                let error = error.to_string();
                if error != said {
                    tracing::warn!(%error, "the {what} stays as it was");
                    said = error;
                }
            }
        }
    }
}
