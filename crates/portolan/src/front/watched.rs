//! Files that are looked at again and again, to see when they change.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often they are looked at. What is edited by hand need not be seen sooner.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

/// Files, as they were when they were last looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    files: Vec<(PathBuf, Option<Look>)>,
}

/// What of a file changes with its contents.
type Look = (SystemTime, u64);

impl Watched {
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = files.into_iter().map(|path| {
            let look = look(&path);
            (path, look)
        });
        Self {
            files: files.collect(),
        }
    }

    /// Whether one of them is not what it was. What is missing may come back:
    /// editors replace a file by moving another to its place.
    pub(crate) fn have_changed(&mut self) -> bool {
        let mut changed = false;
        for (path, seen) in &mut self.files {
            let now = look(path);
            if now.is_some() && now != *seen {
                *seen = now;
                changed = true;
            }
        }
        changed
    }
}

fn look(path: &std::path::Path) -> Option<Look> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_are_seen_once_and_a_missing_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let mut watched = Watched::new([path.clone()]);
        assert!(!watched.have_changed());
        fs::write(&path, "22").unwrap();
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        fs::remove_file(&path).unwrap();
        assert!(!watched.have_changed());
        fs::write(&path, "333").unwrap();
        assert!(watched.have_changed());
    }
}
