//! Files that a crash of the machine leaves whole: what has its name has its
//! contents too, and keeps both.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut new = OsString::from(path.as_os_str());
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(contents)?;
    file.sync_all()?;
    rename(Path::new(&new), path)
}

/// Why a file cannot be read or written, in the words of everyday.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

/// Gives a file another name in the same folder, for good: the folder is on the
/// disk when this returns. The file itself has to be there before.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    // A bare name has an empty parent.
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot do it, and a folder that one may write but
        // not read cannot be opened: the file has its name nevertheless.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for contents in ["one", "two"] {
            write(&path, contents.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn the_folder_of_every_path_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for path in [Path::new("a.json"), &folder.path().join("a.json")] {
            assert!(sync_folder_of(path).is_ok(), "{}", path.display());
        }
        let nowhere = folder.path().join("nowhere/a.json");
        assert_eq!(
            sync_folder_of(&nowhere).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}
