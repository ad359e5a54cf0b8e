//! Files that are looked at again and again, to see when they change.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often they are looked at. What is edited by hand need not be seen sooner.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);

/// Files, as they were when they were last looked at.
pub(crate) struct Watched {
    /// Which they are: folders may have others each time.
    list: Box<dyn Fn() -> Vec<PathBuf> + Send>,
    files: Vec<(PathBuf, Option<Look>)>,
}

/// What of a file changes with its contents.
type Look = (SystemTime, u64);

impl Watched {
    pub(crate) fn new(list: impl Fn() -> Vec<PathBuf> + Send + 'static) -> Self {
        let mut watched = Self {
            list: Box::new(list),
            files: Vec::new(),
        };
        watched.settle();
        watched
    }

    /// Looks at others from now on. Of those that it has looked at before, what
    /// it saw then counts: what has changed meanwhile is still to be told.
    pub(crate) fn follow(&mut self, list: impl Fn() -> Vec<PathBuf> + Send + 'static) {
        self.list = Box::new(list);
        self.settle();
    }

    /// Whether one of them is not what it was, or there are others. What is
    /// missing may come back: editors replace a file by moving another to its
    /// place.
    pub(crate) fn have_changed(&mut self) -> bool {
        let mut changed = self.settle();
        for (path, seen) in &mut self.files {
            let now = look(path);
            if now.is_some() && now != *seen {
                *seen = now;
                changed = true;
            }
        }
        changed
    }

    /// Takes the files that there are now; whether they are others.
    fn settle(&mut self) -> bool {
        let list = (self.list)();
        if list.iter().eq(self.files.iter().map(|(path, _)| path)) {
            return false;
        }
        let mut before: HashMap<_, _> = self.files.drain(..).collect();
        let files = list.into_iter().map(|path| {
            let seen = before.remove(&path).unwrap_or_else(|| look(&path));
            (path, seen)
        });
        self.files = files.collect();
        true
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
        let files = vec![path.clone()];
        let mut watched = Watched::new(move || files.clone());
        assert!(!watched.have_changed());
        fs::write(&path, "22").unwrap();
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        fs::remove_file(&path).unwrap();
        assert!(!watched.have_changed());
        fs::write(&path, "333").unwrap();
        assert!(watched.have_changed());
    }

    #[test]
    fn other_files_are_a_change_and_what_was_seen_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.proto", "b.proto"].map(|name| folder.path().join(name));
        fs::write(&a, "1").unwrap();
        let contracts = crate::contracts::Files {
            proto: vec![folder.path().into()],
            ..Default::default()
        };
        let list = move || contracts.watched();
        let mut watched = Watched::new(list.clone());
        assert!(!watched.have_changed());
        fs::write(&b, "1").unwrap();
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        fs::remove_file(&b).unwrap();
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
        // A change that comes while everything is read again is not lost.
        fs::write(&a, "22").unwrap();
        fs::write(&b, "1").unwrap();
        watched.follow(list);
        assert!(watched.have_changed());
        assert!(!watched.have_changed());
    }
}
