//! A bound Unix socket and its file: put in the place of one that an earlier run
//! left behind, and removed at the end.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use crate::Error;
use crate::listener::BACKLOG;

#[derive(Debug)]
pub(crate) struct UnixDoor {
    socket: UnixListener,
    path: PathBuf,
    /// Which file that is: device and inode.
    file: Option<(u64, u64)>,
}

impl UnixDoor {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => Error::SocketFolder(path.to_owned()),
            _ => Error::SocketFile {
                path: path.to_owned(),
                source,
            },
        };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(Error::NoSocket(path.to_owned()));
            }
            Ok(_) if is_served(path).map_err(failed)? => {
                return Err(Error::SocketInUse(path.to_owned()));
            }
            Ok(_) => fs::remove_file(path).map_err(failed)?,
            Err(_) => {}
        }
        let bind = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(path)?;
            socket.listen(BACKLOG)
        };
        let socket = bind().map_err(failed)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            file: identity(path),
        })
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        // Somebody may have put another in its place meanwhile.
        if self.file.is_some() && identity(&self.path) == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether somebody listens there: only who tries to connect is told.
fn is_served(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Who has too many waiting would let this one wait too.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            ErrorKind::WouldBlock => Ok(true),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let door = UnixDoor::open(&path).unwrap();
        assert!(path.exists());
        drop(door);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_was_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // The standard library removes no files.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let door = UnixDoor::open(&path).unwrap();
        UnixStream::connect(&path).await.unwrap();
        door.accept().await.unwrap();
    }

    #[tokio::test]
    async fn who_listens_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _door = UnixDoor::open(&path).unwrap();
        let error = UnixDoor::open(&path).unwrap_err().to_string();
        let expected = format!("somebody listens on {} already", path.display());
        assert!(error.starts_with(&expected), "{error}");
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_else_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "precious").unwrap();
        let error = UnixDoor::open(&path).unwrap_err().to_string();
        let expected = format!("{} is there and is no socket", path.display());
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn another_s_file_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let door = UnixDoor::open(&path).unwrap();
        fs::rename(&path, folder.path().join("b.sock")).unwrap();
        let _other = UnixDoor::open(&path).unwrap();
        drop(door);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let error = UnixDoor::open(Path::new("/nowhere/at/all.sock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot listen on /nowhere/at/all.sock: its folder does not exist; make it first"
        );
    }
}
