//! Files, read with a reason when that fails, and written so that a crash of the
//! machine leaves them whole: what has its name has its contents too, and keeps
//! both.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Reads a file; an error says what it was to be, such as `key`, and why not.
pub(crate) fn read(what: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| cannot_read(what, path, &error))
}

/// The same, of text in UTF-8.
pub(crate) fn read_text(what: &str, path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).map_err(|error| cannot_read(what, path, &error))
}

/// The error of a file that cannot be read.
pub(crate) fn cannot_read(what: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    let reason = reason(error);
    anyhow::anyhow!("cannot read the {what} {}: {reason}", path.display())
}

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
    fn what_cannot_be_read_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("binary");
        fs::write(&binary, b"\xff").unwrap();
        assert_eq!(read("key", &binary).unwrap(), b"\xff");
        let missing = folder.path().join("missing");
        for (path, reason) in [
            (&*binary, "it is not UTF-8 text"),
            (&missing, "no such file or folder"),
            (folder.path(), "it is a folder"),
        ] {
            let error = read_text("rules", path).unwrap_err().to_string();
            let expected = format!("cannot read the rules {}: {reason}", path.display());
            assert_eq!(error, expected);
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
